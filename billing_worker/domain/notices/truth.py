"""Whether a notice is still true when it is about to be sent: asked under the lock of the records that it is about.

Between the event and the delivery lie quiet hours, a mail server that is down, and other charges. So a notice about a
failure is dropped once the invoice is paid, waits while an outcome is not known, and never follows its own recovery.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import FAILURES, Notice, NoticeKind
from billing_worker.domain.notices.written import step_of
from billing_worker.domain.pg_limits import SEOUL
from billing_worker.domain.schedule import Collection
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.domain.subscription import RENEWING, Subscription

OUTCOME_COMES = timedelta(minutes=1)
"""A notice that waits for an outcome looks again so soon."""

DUE_FOR = timedelta(hours=1)
"""So long a failure waits for a charge that is due already: its outcome is the better news. After that a stop holds the
charge, and the customer hears what is known."""


@dataclass(frozen=True, slots=True)
class Send:
    """It is true: send it."""


@dataclass(frozen=True, slots=True)
class Later:
    """It is not certain yet."""

    until: datetime
    """Real time."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It is not true any more."""

    reason: str


Verdict = Send | Later | Drop


def of_invoice(notice: Notice, locked: LockedInvoice, moment: Moment, *, warned: bool) -> Verdict:
    """The verdict on a notice about an invoice. `warned`: a notice of its failure may have reached the customer."""
    if locked.subscription is not None and locked.subscription.collection is Collection.SHADOW:
        return Drop("the subscription is in shadow")
    if notice.kind is NoticeKind.RECOVERED:
        return _recovered(locked, warned=warned)
    if locked.has_open_attempt:
        # Its outcome may be a payment, also of an invoice that was given up.
        return Later(moment.real + OUTCOME_COMES)
    return _failed(notice, locked.invoice, moment)


def _failed(notice: Notice, invoice: Invoice, moment: Moment) -> Verdict:
    """The verdict on a failure: true while its invoice is as it was then, and no outcome is about to come."""
    is_dead = notice.kind in FAILURES and invoice.awaits_key
    if notice.step != step_of(invoice.declines, invoice.billing_key_id, is_dead=is_dead):
        return Drop("another try, or another card, came after it")
    is_open = invoice.status is InvoiceStatus.OPEN
    if is_open and notice.kind not in FAILURES:
        # Reopened by hand: it will be paid, or given up once more.
        return Later(moment.real + OUTCOME_COMES)
    if not is_open and (notice.kind in FAILURES or invoice.status is not InvoiceStatus.UNCOLLECTIBLE):
        return Drop(f"the invoice is {invoice.status}")
    comes_soon = is_open and not is_dead and invoice.is_due(moment.billing)
    if comes_soon and moment.real - notice.due_at < DUE_FOR:
        return Later(moment.real + OUTCOME_COMES)
    return Send()


def _recovered(locked: LockedInvoice, *, warned: bool) -> Verdict:
    if locked.invoice.status is not InvoiceStatus.PAID or not any(each.holds_money for each in locked.attempts):
        return Drop("the payment was given back")
    return Send() if warned else Drop("the customer heard of no failure")


def of_next_charge(
    notice: Notice, subscription: Subscription, key: BillingKey, now: datetime, expires_on: date | None
) -> Verdict:
    """The verdict on a notice about the next charge of a subscription. `expires_on`: the card's last day, if known."""
    start = subscription.next_period_start
    if subscription.collection is Collection.SHADOW:
        return Drop("the subscription is in shadow")
    if subscription.status not in RENEWING or subscription.cancel_at_period_end:
        return Drop("no further period is charged")
    if notice.step != str(subscription.next_period_index) or start <= now or subscription.held_since is not None:
        return Drop("its period was charged, or left out")
    if key.status is not KeyStatus.ACTIVE:
        return Drop(f"the billing key is {key.status}")
    if notice.kind is NoticeKind.CARD_EXPIRING and not expires_before(expires_on, start):
        return Drop("the card does not expire before the next charge")
    return Send()


def expires_before(expires_on: date | None, charge: datetime) -> bool:
    """Whether a card is no longer valid at a charge. Its last day is told in Korea's time; False if it is not known."""
    return expires_on is not None and charge.astimezone(SEOUL).date() > expires_on
