"""An operator's decision on the payment that issued a key, and on its e-mail."""

from dataclasses import replace

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import (
    LONGEST_BUYER_EMAIL,
    BillingKey,
    IssueUse,
    KeyStatus,
    masked_email,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import StopCause
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.domain.text import entered, normal_form
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note


def decide(ports: Ports, key_id: str, subscription_id: str | None) -> BillingKey:
    """Decide what the issuing payment pays: the next unpaid period of a subscription, or (None) nothing.

    Charges that waited for the decision go on. Raises NotFound, InvalidInput, or Conflict if it is already decided for
    good, or if the subscription is not charged to this key.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        if key.issue is None:
            raise Conflict(f"the payment that issued billing key {key_id} is not known (yet)", field="billing_key_id")
        if key.issue_claim is IssueUse.COUNTED:
            raise Conflict(f"payment {key.issue.imp_uid} paid for {key.issue_for} already", field="billing_key_id")
        if subscription_id is None:
            use_issuing_payment(uow, key, IssueUse.NONE, None, moment)
        else:
            _refuse_stranger(uow, key, subscription_id)
            use_issuing_payment(uow, key, IssueUse.CHOSEN, subscription_id, moment)
        note(
            ports, uow, Verb.ISSUING_PAYMENT_DECIDED, key_id, f"pays for {subscription_id or 'nothing'}", at=moment.real
        )
        uow.commit()
    return key


def with_email(uow: UnitOfWork, key: BillingKey, email: str, moment: Moment) -> BillingKey:
    """Charge the key with this e-mail from now on, within the caller's transaction; the key is locked.

    A key that waited for it is read again at once. No scan reads a key that was given up: its alert stays open until
    `confirm` reads it. Raises InvalidInput, also for another e-mail than that of a known issuing payment.
    """
    email = entered("buyer_email", email, LONGEST_BUYER_EMAIL)
    issued = key.issue.buyer_email if key.issue is not None else None
    if issued is not None and normal_form(issued) == email:
        email = issued  # Paymentwall compares letter by letter: its own spelling is the right one
    checked = replace(key, buyer_email=email)
    if checked.issue is not None and checked.issue.buyer_email is None:
        # PortOne shows none, so the merchant's e-mail is used.
        checked.issue = replace(checked.issue, buyer_email=email)
    if checked.issue is not None and not checked.email_agrees:
        problem = "is not the e-mail of the payment that issued the key"
        raise InvalidInput("buyer_email", masked_email(email), problem)
    if checked.status is KeyStatus.PENDING:
        checked.next_look_at = moment.real
    if not given_up(checked):
        uow.alerts.close(AlertKind.KEY_EMAIL, key.id, moment)
    return checked


def given_up(key: BillingKey) -> bool:
    """Whether it may still be confirmed although no scan reads it any more."""
    return key.awaits_confirmation and key.status is not KeyStatus.PENDING


def use_issuing_payment(uow: UnitOfWork, key: BillingKey, claim: IssueUse, owner: str | None, moment: Moment) -> None:
    """Note the decision, and release the charges that waited for it."""
    key.use_issue(claim, owner)
    uow.keys.save(key)
    uow.alerts.close(AlertKind.ISSUING_PAYMENT, key.id, moment)
    uow.doubts.end(key.id)
    for stop in uow.stops.list_open():
        if stop.cause is StopCause.ISSUE and key.id in stop.subjects:
            stop.clear(f"the issuing payment is {claim}", moment.billing)
            uow.stops.save(stop)
            uow.alerts.close(AlertKind.STOPPED, str(stop.id), moment)


def _refuse_stranger(uow: UnitOfWork, key: BillingKey, subscription_id: str) -> None:
    try:
        subscription = uow.subscriptions.get(subscription_id)
    except NotFound as error:
        raise InvalidInput("counts_for", subscription_id, "there is no such subscription") from error
    if subscription.billing_key_id != key.id:
        raise Conflict(f"subscription {subscription_id} is not charged to key {key.id}", field="counts_for")
    if subscription.status is SubscriptionStatus.CANCELED:
        raise Conflict(f"subscription {subscription_id} is canceled", field="counts_for")
