"""What the payment that issued a key pays: a period of a subscription, once, or nothing.

It is decided right before the first charge of the key, under the locks under which a charge is written down: so no
order of registering, confirming and subscribing leads around it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    LONGEST_BUYER_EMAIL,
    BillingKey,
    IssueUse,
    IssuingPayment,
    KeyStatus,
    masked_email,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.issuing_payment import Seen, Verdict, may_be_for, verdict
from billing_worker.domain.settlement import cover
from billing_worker.domain.stop import SUBSCRIPTION, StopCause
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.domain.text import entered, normal_form
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.actions import note
from billing_worker.usecases.doubt import lasts, reads_work
from billing_worker.usecases.record import record_payment
from billing_worker.usecases.stop_charging import open_stop


def settle_by_issuing_payment(ports: Ports, invoice_id: str, issue: IssuingPayment) -> bool:
    """Let the issuing payment, as the gateway shows it now, pay the invoice, or ask a person.

    Returns whether the invoice is to be charged as usual. What cannot be read is left to the next scan.
    """
    began_at = ports.clock.real_now()
    listing = ports.gateway.payment(issue.imp_uid)
    if listing.trouble is not None:
        return False
    if not listing.payments:
        _doubt(ports, invoice_id, issue, began_at)
        return False
    with ports.database.transaction() as uow:
        due = uow.lock_due(invoice_id)
        key = uow.keys.lock(due.key.id)
        if key.undecided_issue(due.subscription.id) is None:
            return True
        if not due.invoice.is_due(ports.clock.now()) or due.has_open_attempt or due.stop is not None:
            return False
        if uow.doubts.end(key.id):
            uow.alerts.close("issuing_payment", key.id, ports.clock.now())
        charge = _follow(ports, uow, due, key, listing.payments[0])
        uow.commit()
    return charge


def _doubt(ports: Ports, invoice_id: str, issue: IssuingPayment, began_at: datetime) -> None:
    """One read that does not show it proves nothing; a person is told when that lasts, and other reads work."""
    with ports.database.transaction() as uow:
        key = uow.keys.get(uow.invoices.get(invoice_id).billing_key_id)
    if not reads_work(ports, invoice_id, key.customer_uid):
        return
    with ports.database.transaction() as uow:
        if lasts(ports, uow, key.id, key.pg_provider, began_at) is None:
            uow.commit()
            return
        key_id = key.id
        detail = (
            f"PortOne shows payment {issue.imp_uid} no more, which issued key {key_id}: nothing is charged to the key"
        )
        proposal = (
            "look for it in PortOne's console (test payments: BILLING_PORTONE_INCLUDE_SANDBOX); charging goes on when "
            f"it is shown, or with: billing-worker key issuing-payment {key_id} --counts-for-none"
        )
        uow.alerts.open("issuing_payment", key_id, detail, ports.clock.now(), proposal=proposal)
        uow.commit()


def _follow(ports: Ports, uow: UnitOfWork, due: DueInvoice, key: BillingKey, seen: Seen) -> bool:
    """Do what the verdict says; returns whether to charge."""
    payment, now, owner = seen[0], ports.clock.now(), due.subscription.id
    if any(_comes_before(each, due.invoice) for each in uow.invoices.of_subscription(owner)):
        return False  # the oldest period comes first; this one is offered again when its claim has ended
    candidates = _candidates(uow, key)
    found = verdict(key, due.invoice, payment, candidates)
    if found is Verdict.PAYS and uow.invoices.with_merchant_uid(payment.merchant_uid) not in (None, due.invoice.id):
        found = Verdict.ASK
    match found:
        case Verdict.PAYS:
            _decide(uow, key, IssueUse.COUNTED, owner, now)
            uow.invoices.adopt_merchant_uid(due.invoice.id, payment.merchant_uid)
            record_payment(ports, uow, due.invoice.id, *seen)
        case Verdict.COVERS:
            _decide(uow, key, IssueUse.COUNTED, owner, now)
            events = cover(due.subscription, due.invoice, payment.imp_uid, now)
            uow.invoices.save(due.invoice)
            uow.subscriptions.save(due.subscription)
            uow.announce(events, now, ports.clock.real_now())
        case Verdict.ASK:
            # Its place in the queue is free again: when the answer comes, it is due at once.
            due.invoice.lease_until = None
            uow.invoices.save(due.invoice)
            _ask(uow, key, sorted({owner, *candidates}), now)
        case Verdict.CHARGE if not payment.holds_money or key.issue_claim is IssueUse.OPEN:
            _decide(uow, key, IssueUse.NONE, None, now)
    return found is Verdict.CHARGE


def decide(ports: Ports, key_id: str, subscription_id: str | None) -> BillingKey:
    """A person says what the issuing payment pays: the next unpaid period of a subscription, or (None) nothing.

    What was held for the answer goes on. Raises NotFound, InvalidInput, or Conflict where it is decided for good, or
    where the subscription is not charged to this key.
    """
    now = ports.clock.now()
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        if key.issue is None:
            raise Conflict(f"the payment that issued billing key {key_id} is not known (yet)", field="billing_key_id")
        if key.issue_claim is IssueUse.COUNTED:
            raise Conflict(f"payment {key.issue.imp_uid} paid for {key.issue_for} already", field="billing_key_id")
        if subscription_id is None:
            _decide(uow, key, IssueUse.NONE, None, now)
        else:
            _refuse_stranger(uow, key, subscription_id)
            _decide(uow, key, IssueUse.CHOSEN, subscription_id, now)
        note(ports, uow, Verb.ISSUING_PAYMENT_DECIDED, key_id, f"pays for {subscription_id or 'nothing'}")
        uow.commit()
    return key


def with_email(ports: Ports, uow: UnitOfWork, key: BillingKey, email: str) -> BillingKey:
    """Charge the key with this e-mail from now on, within the caller's transaction; the key is locked.

    A key that waited for it is looked up again at once. No scan reads a key that was given up: its alert stays open
    until somebody reads it (`confirm`). Raises InvalidInput: also for an e-mail that is not that of a known issuing
    payment.
    """
    email = entered("buyer_email", email, LONGEST_BUYER_EMAIL)
    issued = key.issue.buyer_email if key.issue is not None else None
    if issued is not None and normal_form(issued) == email:
        email = issued  # Paymentwall compares letter by letter: its own spelling is the right one
    checked = replace(key, buyer_email=email)
    if checked.issue is not None and checked.issue.buyer_email is None:
        # PortOne shows none: then the merchant's word is all there is.
        checked.issue = replace(checked.issue, buyer_email=email)
    if checked.issue is not None and not checked.email_agrees:
        problem = "is not the e-mail of the payment that issued the key"
        raise InvalidInput("buyer_email", masked_email(email), problem)
    if checked.status is KeyStatus.PENDING:
        checked.next_look_at = ports.clock.real_now()
    if not given_up(checked):
        uow.alerts.close("key_email", key.id, ports.clock.now())
    return checked


def given_up(key: BillingKey) -> bool:
    """Whether it may still be confirmed although no scan looks at it any more."""
    return key.awaits_confirmation and key.status is not KeyStatus.PENDING


def _candidates(uow: UnitOfWork, key: BillingKey) -> Sequence[str]:
    found = []
    for subscription in uow.subscriptions.of_key(key.id):
        first = next(iter(uow.invoices.of_subscription(subscription.id)), None)
        if may_be_for(key, subscription, first):
            found.append(subscription.id)
    return found


def _comes_before(other: Invoice, invoice: Invoice) -> bool:
    return other.status is InvoiceStatus.OPEN and other.period.index < invoice.period.index


def _ask(uow: UnitOfWork, key: BillingKey, subscriptions: Sequence[str], now: datetime) -> None:
    if key.issue is None:
        raise AssertionError(f"nothing is known of what issued {key.id}")
    told = f"payment {key.issue.imp_uid} over {key.issue.money}, which issued key {key.id}, may be for"
    detail = f"{told} {', '.join(subscriptions)}"
    way_out = f"billing-worker key issuing-payment {key.id} --counts-for SUBSCRIPTION_ID, or --counts-for-none"
    for ident in subscriptions:
        open_stop(uow, SUBSCRIPTION + ident, StopCause.ISSUE, f"{told} it; say so: {way_out}", [key.id], now=now)
    uow.alerts.open("issuing_payment", key.id, detail, now, proposal=f"say which: {way_out}")


def _decide(uow: UnitOfWork, key: BillingKey, claim: IssueUse, owner: str | None, now: datetime) -> None:
    """Note it, and let go on what was held for the answer."""
    key.use_issue(claim, owner)
    uow.keys.save(key)
    uow.alerts.close("issuing_payment", key.id, now)
    uow.doubts.end(key.id)
    for stop in uow.stops.list_open():
        if stop.cause is StopCause.ISSUE and key.id in stop.subjects:
            stop.clear(f"the issuing payment is {claim}", now)
            uow.stops.save(stop)
            uow.alerts.close("stopped", str(stop.id), now)


def _refuse_stranger(uow: UnitOfWork, key: BillingKey, subscription_id: str) -> None:
    try:
        subscription = uow.subscriptions.get(subscription_id)
    except NotFound as error:
        raise InvalidInput("counts_for", subscription_id, "there is no such subscription") from error
    if subscription.billing_key_id != key.id:
        raise Conflict(f"subscription {subscription_id} is not charged to key {key.id}", field="counts_for")
    if subscription.status is SubscriptionStatus.CANCELED:
        raise Conflict(f"subscription {subscription_id} is canceled", field="counts_for")
