"""Settle the payment that issued a key: it pays one period of a subscription, or nothing.

This is decided right before the first charge of the key, under the locks of a charge, so that no order of registering,
confirming and subscribing can bypass it.
"""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.alerts import AlertKind, Fact, Facts
from billing_worker.domain.billing_key import (
    BillingKey,
    IssueUse,
    IssuingPayment,
)
from billing_worker.domain.giving_up import cover
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.issuing_payment import Seen, Verdict, may_be_for, verdict
from billing_worker.domain.moment import Moment
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.domain.stop import SUBSCRIPTION, StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.stop_charging import open_stop
from billing_worker.usecases.key.decide import use_issuing_payment
from billing_worker.usecases.settle.doubt import lasts, reads_work
from billing_worker.usecases.settle.record import record_payment


def settle_by_issuing_payment(ports: Ports, invoice_id: str, issue: IssuingPayment) -> bool:
    """Let the issuing payment, as the gateway now shows it, pay the invoice, or ask an operator.

    Returns whether to charge the invoice as usual. After a failed read, the next scan tries again.
    """
    began_at = ports.clock.moment().real
    listing = ports.gateway.payment(issue.imp_uid)
    if listing.trouble is not None:
        return False
    if not listing.payments:
        _doubt(ports, invoice_id, issue, began_at)
        return False
    with ports.database.transaction() as uow:
        locked = uow.lock_invoice(invoice_id)
        owner, invoice = locked.of_period.id, locked.invoice
        key = locked.keys[invoice.billing_key_id] = uow.keys.lock(invoice.billing_key_id)
        moment = ports.clock.moment()
        if key.undecided_issue(owner) is None:
            return True
        held = locked.has_open_attempt or uow.stops.holding(owner, key.pg_provider)
        if held or not invoice.is_due(moment.billing):
            return False
        if uow.doubts.end(key.id):
            uow.alerts.close(AlertKind.ISSUING_PAYMENT, key.id, moment)
        charge = _follow(ports, uow, locked, key, listing.payments[0], moment=moment)
        uow.commit()
    return charge


def _doubt(ports: Ports, invoice_id: str, issue: IssuingPayment, began_at: datetime) -> None:
    """Doubt the payment after a read without it. An alert opens when that lasts while other reads work."""
    with ports.database.transaction() as uow:
        key = uow.keys.get(uow.invoices.get(invoice_id).billing_key_id)
    if not reads_work(ports, invoice_id, key.customer_uid):
        return
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        if lasts(ports, uow, key.id, key.pg_provider, began_at=began_at, real_now=moment.real) is None:
            uow.commit()
            return
        facts: Facts = {"case": "unseen", "payment": issue.imp_uid}
        uow.alerts.open(AlertKind.ISSUING_PAYMENT, key.id, facts, moment)
        uow.commit()


def _follow(
    ports: Ports, uow: UnitOfWork, locked: LockedInvoice, key: BillingKey, seen: Seen, *, moment: Moment
) -> bool:
    """Apply the verdict; returns whether to charge."""
    payment = seen[0]
    invoice, owner = locked.invoice, locked.of_period.id
    if any(_comes_before(each, invoice) for each in uow.invoices.of_subscription(owner)):
        return False  # the oldest period comes first; this invoice is offered again after its claim
    candidates = _candidates(uow, key)
    found = verdict(key, invoice, payment, candidates)
    if found is Verdict.PAYS and uow.invoices.with_merchant_uid(payment.merchant_uid) not in (None, invoice.id):
        found = Verdict.ASK
    match found:
        case Verdict.PAYS:
            use_issuing_payment(uow, key, IssueUse.COUNTED, owner, moment)
            uow.invoices.adopt_merchant_uid(invoice.id, payment.merchant_uid)
            record_payment(ports, uow, locked, *seen, moment=moment)
        case Verdict.COVERS:
            use_issuing_payment(uow, key, IssueUse.COUNTED, owner, moment)
            events = cover(locked.of_period, invoice, payment.imp_uid, moment.billing)
            uow.invoices.save(invoice)
            uow.subscriptions.save(locked.of_period)
            uow.announce(events, moment)
        case Verdict.ASK:
            # Release its place in the queue: after the decision it is due at once.
            invoice.lease_until = None
            uow.invoices.save(invoice)
            _ask(uow, key, sorted({owner, *candidates}), moment)
        case Verdict.CHARGE if not payment.holds_money or key.issue_claim is IssueUse.OPEN:
            use_issuing_payment(uow, key, IssueUse.NONE, None, moment)
    return found is Verdict.CHARGE


def _candidates(uow: UnitOfWork, key: BillingKey) -> Sequence[str]:
    found = []
    for subscription in uow.subscriptions.of_key(key.id):
        first = next(iter(uow.invoices.of_subscription(subscription.id)), None)
        if may_be_for(key, subscription, first):
            found.append(subscription.id)
    return found


def _comes_before(other: Invoice, invoice: Invoice) -> bool:
    return other.status is InvoiceStatus.OPEN and other.owed_from < invoice.owed_from


def _ask(uow: UnitOfWork, key: BillingKey, subscriptions: Sequence[str], moment: Moment) -> None:
    if key.issue is None:
        raise AssertionError(f"nothing is known of what issued {key.id}")
    reason = f"payment {key.issue.imp_uid} over {key.issue.money}, which issued key {key.id}, may be for it"
    for ident in subscriptions:
        open_stop(uow, SUBSCRIPTION + ident, StopCause.ISSUE, reason, [key.id], moment=moment)
    facts: dict[str, Fact] = {"case": "unclear", "payment": key.issue.imp_uid, "money": str(key.issue.money)}
    uow.alerts.open(AlertKind.ISSUING_PAYMENT, key.id, facts | {"subscriptions": subscriptions}, moment)
