"""Which notices an event causes: a pure rule, applied in the transaction that writes the event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.declines.reasons import Category, DeclineKind
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.events import Event, EventType
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.notices.notice import NoticeKind

WARNED_BEFORE = timedelta(days=2)
"""An invoice whose card is dead has no last try: its last warning comes this long before it is given up."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A notice to write."""

    kind: NoticeKind
    subject_id: str
    step: str
    customer: str
    subscription_id: str | None
    invoice_id: str | None
    after: timedelta = timedelta(0)
    """How long after the event it is due."""


def next_try_is_last(policy: DunningPolicy, invoice: Invoice, category: Category, at: datetime | None) -> bool:
    """Whether dunning ends if the next try (at this time, if there is one) is declined alike."""
    return at is not None and not invoice.awaits_key and policy.step(invoice.declines + 1, category) is None


def step_of(declines: int, billing_key_id: str, *, is_dead: bool) -> str:
    """The state of an unpaid invoice that a customer hears about: one notice of a kind for each."""
    return f"{declines}:{billing_key_id}:dead" if is_dead else f"{declines}:{billing_key_id}"


def causes_of(events: Sequence[Event], now: datetime) -> list[Cause]:
    """The notices that these events cause, in their order. `now` is when they happen."""
    causes = [cause for event in events for cause in _causes(event, now)]
    return list({(cause.subject_id, cause.kind, cause.step): cause for cause in causes}.values())


def _causes(event: Event, now: datetime) -> list[Cause]:
    match event.type:
        case EventType.INVOICE_PAYMENT_FAILED:
            return _failure(event, now)
        case EventType.INVOICE_UNCOLLECTIBLE:
            return [_cause(NoticeKind.GIVEN_UP, event, _step(event, is_dead=False))]
        case EventType.INVOICE_PAID:
            # The table keeps it only if the customer heard of a failure.
            return [_cause(NoticeKind.RECOVERED, event, "paid")]
    return []


def _failure(event: Event, now: datetime) -> list[Cause]:
    """A failure that another try, or another card, can still cure. The end of dunning has an event of its own."""
    again = event.data["next_attempt_at"]
    if again is None:
        return []
    wait = datetime.fromisoformat(str(again)) - now
    if wait <= timedelta(0):
        # Another card is tried at once: only its outcome is news.
        return []
    is_dead = event.data["decline_kind"] == DeclineKind.HARD
    step = _step(event, is_dead=is_dead)
    if not is_dead:
        return [_cause(NoticeKind.LAST_WARNING if event.data["next_is_last"] else NoticeKind.FAILED, event, step)]
    told = [_cause(NoticeKind.FAILED, event, step)]
    if wait > 2 * WARNED_BEFORE:
        told.append(_cause(NoticeKind.LAST_WARNING, event, step, wait - WARNED_BEFORE))
    return told


def _step(event: Event, *, is_dead: bool) -> str:
    return step_of(int(str(event.data["declines"] or 0)), str(event.data["billing_key_id"]), is_dead=is_dead)


def _cause(kind: NoticeKind, event: Event, step: str, after: timedelta = timedelta(0)) -> Cause:
    data = event.data
    owner = data["subscription_id"]
    return Cause(
        kind,
        subject_id=event.subject_id,
        step=step,
        customer=str(data["customer"]),
        subscription_id=None if owner is None else str(owner),
        invoice_id=event.subject_id,
        after=after,
    )
