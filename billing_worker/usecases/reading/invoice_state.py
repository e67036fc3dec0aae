"""The state of an invoice, in words of `why`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import Action, AlertKind, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words, together
from billing_worker.usecases.reading.refund_state import State
from billing_worker.usecases.reading.waits import (
    cap_of,
    limit_of,
    missing_of,
    not_the_customers,
    stop_in_words,
    ways_to_confirm,
    when_ended,
)


@dataclass(frozen=True, slots=True)
class InvoiceStates:
    """Explains invoices at one moment, to one reader."""

    uow: UnitOfWork
    now: datetime
    limits: PgLimits
    words: Words

    def of(  # noqa: C901, PLR0911 - one sentence a state
        self, invoice: Invoice, attempts: Sequence[PaymentAttempt], owner: Subscription | None, key: BillingKey
    ) -> State:
        """Where an invoice of this owner (None: a single payment) on this key stands, and what follows."""
        ended = owner is not None and owner.status is SubscriptionStatus.CANCELED
        open_attempt = next((attempt for attempt in attempts if attempt.is_open), None)
        say = self.words.say
        match invoice.status:
            case InvoiceStatus.PAID:
                return self._paid(attempts)
            case InvoiceStatus.VOID:
                covered = invoice.last_reason if owner is not None and not ended else None
                canceled = say(f"why.void.{'payment' if owner is None else 'subscription'}")
                answer = say("why.void.covered", reason=self.words.reason(covered)) if covered else canceled
                return State(answer, say("why.final"))
            case InvoiceStatus.UNCOLLECTIBLE:
                return _given_up(invoice, owner, key, self.words)
        if open_attempt is not None:
            return self._open(open_attempt)
        if ended:
            return State(say("why.canceled"), say("why.final"))
        if key.status is KeyStatus.PENDING:
            return self._unconfirmed(invoice, key)
        held = self.held(invoice.owner_id, key, is_due=invoice.is_due(self.now))
        if held is not None:
            return held
        if key.status is not KeyStatus.ACTIVE:
            return self._on_dead_key(invoice, owner, key)
        if invoice.awaits_decision:
            once = ".once" if invoice.taken_back == 1 else ""
            once_more = WayOut(Action.RETRY_INVOICE, {"invoice": invoice.id})
            answer = say(f"why.taken_back{once}", times=invoice.taken_back)
            return State(answer, say("why.taken_back.next"), (once_more, _end(invoice)))
        if invoice.is_due(self.now):
            return State(say("why.due"), say("why.due.next"))
        return self._later(invoice, attempts, key)

    def _on_dead_key(self, invoice: Invoice, owner: Subscription | None, key: BillingKey) -> State:
        reason, day = self.words.reason(key.invalid_reason), self.words.day(invoice.next_attempt_at)
        answer = self.words.say("why.dead_key", status=self.words.of(key.status), reason=reason)
        if owner is None:
            return State(answer, self.words.say("why.dead_key.payment", day=day), (_end(invoice),))
        ways_out = (WayOut(Action.SET_SUBSCRIPTION_KEY, {"subscription": owner.id}),)
        return State(answer, self.words.say("why.dead_key.subscription", day=day), ways_out)

    def _later(self, invoice: Invoice, attempts: Sequence[PaymentAttempt], key: BillingKey) -> State:
        day, say = self.words.day(invoice.next_attempt_at), self.words.say
        waits = cap_of(key, self.now, self.words)
        waits = waits or limit_of(self.uow, invoice, key, limits=self.limits, now=self.now, words=self.words)
        if invoice.last_reason is None:
            return State(say("why.not_due"), together(say("why.not_due.next", day=day), waits))
        what = "taken_back" if invoice.taken_back else "not_placed"
        what = "declined" if invoice.declines or invoice.spared else what
        answer = say(f"why.not_paid.{what}", reason=self.words.reason(invoice.last_reason))
        answer = together(answer, not_the_customers(attempts, self.words))
        return State(answer, together(say("why.not_paid.next", day=day), waits))

    def _unconfirmed(self, invoice: Invoice, key: BillingKey) -> State:
        answer = self.words.say("why.unconfirmed", missing=missing_of(self.uow, key, self.words))
        when = "due" if invoice.is_due(self.now) else "later"
        then = self.words.say(f"why.unconfirmed.{when}", key=key.id, day=self.words.day(invoice.next_attempt_at))
        return State(answer, then, ways_to_confirm(key))

    def _paid(self, attempts: Sequence[PaymentAttempt]) -> State:
        paid = next(a for a in attempts if a.status is AttemptStatus.APPROVED and not a.surplus)
        card = self.uow.keys.get(paid.billing_key_id)
        issued = card.issue is not None and card.issue.imp_uid == paid.imp_uid
        day, say = self.words.day(paid.closed_at), self.words.say
        about = {"day": day, "number": paid.number, "payment": paid.imp_uid, "key": card.id}
        return State(say("why.paid.issuing" if issued else "why.paid", **about), say("why.paid.next"))

    def held(self, owner_id: str, key: BillingKey, *, is_due: bool) -> State | None:
        """What a stop does to its charges; None if none holds them."""
        holding = self.uow.stops.holding(owner_id, key.pg_provider)
        if not holding:
            return None
        ways_out = tuple(
            WayOut(action, {"key": key.id, "subscription": owner_id, "stop": str(stop.id)})
            for stop in holding
            for action in RULES[AlertKind.STOPPED].cases[stop.cause].actions
        )
        answer = self.words.say("why.held", stop=stop_in_words(holding[0], self.words))
        return State(answer, when_ended(holding, self.words, is_due=is_due), ways_out)

    def _open(self, attempt: PaymentAttempt) -> State:
        name = "in_flight" if attempt.status is AttemptStatus.IN_FLIGHT else "unknown"
        name = "scheduled" if attempt.scheduled else name
        reason, day = self.words.reason(attempt.reason), self.words.day(attempt.next_look_at)
        answer = self.words.say(f"why.{name}", number=attempt.number, reason=reason)
        return State(answer, self.words.say(f"why.{name}.next", day=day))


def _given_up(invoice: Invoice, owner: Subscription | None, key: BillingKey, words: Words) -> State:
    dunning, reason = ".dunning" if invoice.declines else "", words.reason(invoice.last_reason or key.invalid_reason)
    answer = words.say(f"why.given_up{dunning}", count=invoice.declines, reason=reason)
    again = (WayOut(Action.RETRY_INVOICE, {"invoice": invoice.id}),)
    if invoice.win_back_at is not None and key.status is KeyStatus.ACTIVE:
        return State(answer, words.say("why.given_up.win_back", day=words.day(invoice.win_back_at)), again)
    if owner is None and key.status is not KeyStatus.ACTIVE:
        return State(answer, words.say("why.given_up.dead_key"))
    return State(answer, words.say("why.given_up.next"), again)


def _end(invoice: Invoice) -> WayOut:
    if invoice.subscription_id is None:
        return WayOut(Action.CANCEL_PAYMENT, {"invoice": invoice.id})
    return WayOut(Action.CANCEL_SUBSCRIPTION, {"subscription": invoice.subscription_id})
