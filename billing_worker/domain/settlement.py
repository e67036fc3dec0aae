"""Apply an outcome to the attempt, the invoice, the subscription and the key: one function, used by every path.

The synchronous answer, a webhook's re-read, the resolver and an operator's refresh all end in `settle`. Settling the
same outcome twice changes nothing the second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.calendar import AnchoredCalendar
from billing_worker.domain.declines.reasons import Advice, DeclineKind
from billing_worker.domain.dunning.caps import remember
from billing_worker.domain.dunning.planner import TryFacts, next_try, opened, used_up_at
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.events import Event, EventType, of_invoice, of_key, of_subscription_by
from billing_worker.domain.fallback import Cards, charge_another
from billing_worker.domain.giving_up import facts_of, fall_behind, give_up, give_up_again, void_if_open
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.notices.written import next_try_is_last
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Failed, Outcome, Unknown
from billing_worker.domain.pg_limits import NO_LIMITS, SEOUL, PgLimits
from billing_worker.domain.plan import Plan
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.spared import declined_alike, spared_wait
from billing_worker.domain.subscription import AWAITING_PAYMENT, Subscription, SubscriptionStatus
from billing_worker.domain.timing import technical_backoff

TAKEN_BACK_PAUSE = timedelta(days=1)
"""A net-cancel looks like a clerk's refund. The operator gets a day to cancel the subscription."""

ROUNDS_BY_ITSELF = 1
"""How often an invoice is charged again by itself after its payment was taken back. The first time may be a PG's
reversal. A second time suggests that a clerk does not want this charge, so an operator decides."""


@dataclass(slots=True, kw_only=True)
class LockedInvoice:
    """An invoice with everything that an outcome can touch, read once under the lock of the subscription's row.

    No function reads these rows again: two objects of one row could undo each other's changes. A single payment has no
    subscription, and its own row is the lock.
    """

    subscription: Subscription | None
    invoice: Invoice
    agreed: Plan | SinglePayment
    """What says the product's name."""
    policy: DunningPolicy
    """When to try again, and what comes last: the version that the invoice began with."""
    keys: dict[str, BillingKey]
    """The keys of the attempts by id; the invoice's own key if it has no attempt."""
    attempts: list[PaymentAttempt]
    """All attempts of the invoice, by number."""
    events: list[Event] = field(default_factory=list)
    """Events to announce."""

    @property
    def of_period(self) -> Subscription:
        """The subscription whose period it is for; a single payment has none."""
        if self.subscription is None:
            raise AssertionError(f"invoice {self.invoice.id} is a single payment")
        return self.subscription

    @property
    def is_canceled(self) -> bool:
        """Whether its subscription is canceled: nothing more is charged for it."""
        return self.subscription is not None and self.subscription.status is SubscriptionStatus.CANCELED

    @property
    def has_open_attempt(self) -> bool:
        """Whether an attempt of the invoice has no known outcome."""
        return any(attempt.is_open for attempt in self.attempts)

    def about(self, attempt: PaymentAttempt) -> "Settlement":
        """The settlement of this attempt; it shares everything with this invoice."""
        return Settlement(
            subscription=self.subscription,
            invoice=self.invoice,
            agreed=self.agreed,
            policy=self.policy,
            keys=self.keys,
            attempts=self.attempts,
            events=self.events,
            attempt=attempt,
        )


@dataclass(slots=True, kw_only=True)
class Settlement(LockedInvoice):
    """One attempt of an invoice, with all records that its outcome can change."""

    attempt: PaymentAttempt
    cards: Cards | None = None
    """The keys of its subscription, where the outcome may need them."""

    @property
    def key(self) -> BillingKey:
        """The key that the attempt was begun with; the invoice may have another key since."""
        return self.keys[self.attempt.billing_key_id]

    @property
    def request(self) -> ChargeRequest:
        """The request of this attempt to the gateway."""
        return self.attempt.request(self.key, self.agreed.name, self.invoice.options)

    def announce(self, kind: EventType, **more: str | int | None) -> None:
        """Note an event of the invoice for the outbox."""
        more.setdefault("attempt_id", self.attempt.id)
        more.setdefault("merchant_uid", self.attempt.merchant_uid)
        more.setdefault("billing_key_id", self.attempt.billing_key_id)
        self.events.append(of_invoice(kind, self.subscription, self.invoice, **more))


def take_events(settlements: Sequence[Settlement]) -> list[Event]:
    """All events of these settlements, once: settlements of one invoice share their events."""
    taken: list[Event] = []
    for settlement in settlements:
        taken += settlement.events
        settlement.events.clear()
    return taken


def settle(settlement: Settlement, outcome: Outcome, now: datetime, limits: PgLimits = NO_LIMITS) -> bool:
    """Apply an outcome. Returns whether it changed the attempt; events are left in `settlement.events`.

    The next try keeps to the hours of its PG in `limits`.

    Only a late approval changes a closed attempt.
    """
    attempt = settlement.attempt
    if not attempt.is_open and (attempt.status is AttemptStatus.APPROVED or not isinstance(outcome, Approved)):
        return False
    match outcome:
        case Approved():
            _approve(settlement, outcome, now)
        case Declined():
            _decline(settlement, outcome, now, limits)
        case Failed():
            _fail(settlement, outcome, now)
        case Unknown():
            attempt.reason = outcome.reason
            attempt.refused = attempt.refused or outcome.duplicate
            if attempt.status is AttemptStatus.IN_FLIGHT:
                attempt.move_to(AttemptStatus.UNKNOWN, now)
    if settlement.is_canceled and not attempt.is_open:
        void_if_open(settlement.subscription, settlement.invoice, settlement.events, now)
    return True


def _approve(settlement: Settlement, outcome: Approved, now: datetime) -> None:
    invoice, attempt = settlement.invoice, settlement.attempt
    attempt.move_to(AttemptStatus.APPROVED, now)
    attempt.imp_uid = outcome.payment.imp_uid
    attempt.reason = attempt.decline_kind = attempt.decline_category = attempt.decline_advice = None
    if invoice.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
        attempt.surplus = True
        settlement.announce(EventType.PAYMENT_SURPLUS, imp_uid=attempt.imp_uid)
        return
    invoice.move_to(InvoiceStatus.PAID, now)
    invoice.last_reason = None
    settlement.announce(EventType.INVOICE_PAID, imp_uid=attempt.imp_uid)
    subscription = settlement.subscription
    if subscription is None:
        return
    if settlement.policy.hours.paid_hour:
        subscription.paid_hour = now.astimezone(SEOUL).hour
    if subscription.status in AWAITING_PAYMENT:
        _activate(settlement, subscription, now)


def _activate(settlement: Settlement, subscription: Subscription, now: datetime) -> None:
    skipped, agreed = 0, settlement.agreed
    if subscription.status is SubscriptionStatus.UNPAID and isinstance(agreed, Plan):
        if settlement.policy.ending.moves_date and isinstance(agreed.calendar, AnchoredCalendar):
            skipped = subscription.begin_again(agreed.calendar, now, paid=True)
        else:
            # Periods that began while it was unpaid are left out: a customer does not pay for time without service.
            skipped = subscription.skip_to(agreed.calendar, now)
    subscription.move_to(SubscriptionStatus.ACTIVE)
    kind = EventType.SUBSCRIPTION_ACTIVATED
    settlement.events.append(of_subscription_by(kind, subscription, settlement.invoice, skipped_periods=skipped))


def _decline(settlement: Settlement, outcome: Declined, now: datetime, limits: PgLimits) -> None:
    invoice, attempt, key = settlement.invoice, settlement.attempt, settlement.key
    attempt.move_to(AttemptStatus.DECLINED, now)
    attempt.imp_uid = outcome.imp_uid
    attempt.decline_kind = outcome.kind
    attempt.decline_category, attempt.decline_advice = outcome.decline.category, outcome.decline.advice
    attempt.reason = outcome.reason
    if outcome.kind is DeclineKind.HARD and key.invalidate(outcome.reason):
        settlement.events.append(of_key(EventType.BILLING_KEY_INVALID, key, reason=outcome.reason))
    if outcome.decline.advice is not Advice.FIX_CONFIGURATION:
        key.declined_at = remember(key.declined_at, now)
    if invoice.status is not InvoiceStatus.OPEN:
        return
    invoice.last_reason = outcome.reason
    facts = facts_of(settlement.subscription, invoice, key, limits)
    alike = declined_alike(attempt, settlement.attempts)
    wait = spared_wait(outcome.decline.advice, key.pg_provider, alike, settlement.policy)
    if wait is not None and not settlement.is_canceled:
        invoice.spared += 1
        # The customer may have given another card while this one was being charged: that one is tried at once.
        same_card = invoice.billing_key_id == key.id
        invoice.next_attempt_at = opened(settlement.policy.hours, now + wait, facts) if same_card else now
        return
    spends, asked_again = invoice.spends_a_step(now), invoice.is_tried_again
    invoice.declines += spends
    if settlement.is_canceled:
        _announce_decline(settlement, outcome, None)
        return
    next_attempt = _after_decline(settlement, outcome, now, facts, spends=spends)
    _announce_decline(settlement, outcome, next_attempt)
    if next_attempt is None:
        ends = give_up_again if asked_again else give_up
        ends(settlement.subscription, invoice, settlement.policy, settlement.events, now, facts)
    elif not invoice.is_tried_again:
        fall_behind(settlement.subscription, invoice, settlement.events)


def _announce_decline(settlement: Settlement, outcome: Declined, next_attempt: datetime | None) -> None:
    invoice = settlement.invoice
    settlement.announce(
        EventType.INVOICE_PAYMENT_FAILED,
        imp_uid=outcome.imp_uid,
        decline_kind=outcome.kind,
        decline_category=outcome.decline.category,
        decline_advice=outcome.decline.advice,
        reason=outcome.reason,
        next_attempt_at=next_attempt.isoformat() if next_attempt else None,
        next_billing_key_id=invoice.billing_key_id if next_attempt and not invoice.awaits_key else None,
        next_is_last=next_try_is_last(settlement.policy, invoice, outcome.decline.category, next_attempt),
    )


def _after_decline(
    settlement: Settlement, outcome: Declined, now: datetime, facts: TryFacts, *, spends: bool
) -> datetime | None:
    """When the invoice is charged again; None when dunning is used up.

    A charge by hand does not spend a step: the policy goes on at its own date.
    """
    invoice, policy, is_dead = settlement.invoice, settlement.policy, outcome.kind is DeclineKind.HARD
    left = (policy, invoice.declines, outcome.decline.category, now, facts)
    goes_on_at = next_try(*left) if spends else invoice.resumes_at
    if invoice.billing_key_id != settlement.key.id:
        # The customer gave another card while this one was being charged. Try it at once, as one that is given later.
        if not invoice.is_tried_again:
            invoice.wait_for_policy(now if is_dead else goes_on_at)
            invoice.try_by_hand(now)
        else:
            invoice.go_on_at_once(invoice.billing_key_id, now)
    elif (is_dead or goes_on_at is None) and charge_another(settlement.cards, invoice, settlement.attempts, now):
        return now
    elif is_dead:
        end = used_up_at(*left)
        invoice.await_key(end, outcome.reason)
        return end if end > now else None
    else:
        invoice.wait_for_policy(goes_on_at)
    return invoice.next_attempt_at


def _fail(settlement: Settlement, outcome: Failed, now: datetime) -> None:
    invoice, attempt = settlement.invoice, settlement.attempt
    attempt.move_to(AttemptStatus.FAILED, now)
    attempt.reason = outcome.reason
    if invoice.status is InvoiceStatus.OPEN:
        invoice.failures += 1
        invoice.last_reason = outcome.reason
        if not outcome.taken_back:
            invoice.next_attempt_at = now + technical_backoff(invoice.failures)
            return
        invoice.taken_back += 1
        by_itself = invoice.single is None and invoice.taken_back <= ROUNDS_BY_ITSELF
        invoice.next_attempt_at = now + TAKEN_BACK_PAUSE if by_itself else None
