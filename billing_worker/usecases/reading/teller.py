"""The explanations of `why`: the state, the history, and the next step of each entity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.action import Action as Act
from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.events import EventType
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.money import Money
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund, left_of, refundable
from billing_worker.domain.subscription import RENEWING, Subscription, SubscriptionStatus
from billing_worker.ports.alerts import Alert
from billing_worker.ports.lists import Kind
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words, together
from billing_worker.usecases.reading.heard import heard_about
from billing_worker.usecases.reading.invoice_state import InvoiceStates
from billing_worker.usecases.reading.key_state import state_of_key
from billing_worker.usecases.reading.outline import Outline, outline_of_many
from billing_worker.usecases.reading.refund_state import State, state_of_refund
from billing_worker.usecases.reading.scheduled import way_of
from billing_worker.usecases.reading.waits import (
    cards_of,
    next_charge,
)

MOST_EVENTS = 10_000
"""More than any subscription has."""
MOST_ROWS = 100
_NO_PERIOD = (SubscriptionStatus.CANCELED, SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Teller:
    """Explains the state at one moment, to one reader."""

    uow: UnitOfWork
    now: datetime
    limits: PgLimits
    words: Words

    @property
    def _states(self) -> InvoiceStates:
        return InvoiceStates(self.uow, self.now, self.limits, self.words)

    def listed(self, kind: Kind, **wanted: object) -> Sequence[Any]:
        """The newest matches of a kind."""
        return self.uow.lists.part(kind, wanted, MOST_ROWS, None).items

    def of_customer(self, customer: str, subscriptions: Sequence[Subscription]) -> Outline:
        """A customer with several subscriptions: each in a line."""
        live = [each.id for each in subscriptions if each.status is not SubscriptionStatus.CANCELED]
        many = {"customer": customer, "count": len(subscriptions), "live": len(live)}
        subject, each = self.words.say("why.customer.subscriptions", **many), self.of_subscription
        return outline_of_many(subject, {one.id: each(one) for one in subscriptions}, live, self.words)

    def of_payments(self, customer: str, payments: Sequence[Invoice]) -> Outline:
        """A customer with several single payments and no subscription: each in a line."""
        live = [each.id for each in payments if each.status is InvoiceStatus.OPEN]
        many = {"customer": customer, "count": len(payments), "live": len(live)}
        subject = self.words.say("why.customer.payments", **many)
        return outline_of_many(subject, {each.id: self.of_invoice(each) for each in payments}, live, self.words)

    def of_invoice(self, invoice: Invoice) -> Outline:
        """An invoice: its attempts, its refunds, and what comes next."""
        attempts = self.uow.attempts.of_invoice(invoice.id)
        subscription = self.uow.subscriptions.get(own) if (own := invoice.subscription_id) is not None else None
        key = self.uow.keys.get(invoice.billing_key_id)
        about = {"invoice": invoice.id, "money": invoice.money, "order": invoice.merchant_uid}
        subject = self.words.say("why.invoice", purpose=self._purpose(invoice), **about)
        refunds = self.uow.refunds.of_invoice(invoice.id)
        answer, then, ways_out = self._states.of(invoice, attempts, subscription, key)
        answer = together(answer, self._given_back(attempts))
        under_way = next((refund for refund in refunds if refund.is_open), None)
        if under_way is not None:
            said = self.words.say("why.refund_under_way", refund=under_way.id, money=under_way.money)
            then = together(then, said, state_of_refund(under_way, invoice.id, self.words).next)
        subjects = [invoice.id, *(attempt.id for attempt in attempts), *(refund.id for refund in refunds)]
        described = [self._attempt_line(each) for each in attempts] + [self._refund_line(each) for each in refunds]
        alerts, heard = self._alerts(subjects), heard_about(self.uow, invoice.id, self.words)
        return Outline(subject, answer, described, then, list(ways_out), alerts, self._acts(subjects), heard)

    def _purpose(self, invoice: Invoice) -> str:
        date, say = self.words.date, self.words.say
        if invoice.period is not None:
            return say("why.invoice.period", start=date(invoice.period.start), end=date(invoice.period.end))
        single = invoice.of_single
        day = self.words.day(single.at)
        return say("why.invoice.single", name=repr(single.name), customer=single.customer, day=day)

    def of_refund(self, refund: Refund) -> Outline:
        """A refund, and the others of the same payment."""
        attempt = self.uow.attempts.get(refund.attempt_id)
        about = {"refund": refund.id, "money": refund.money, "payment": attempt.imp_uid}
        subject = self.words.say("why.refund", invoice=attempt.invoice_id, **about)
        answer, then, ways_out = state_of_refund(refund, attempt.invoice_id, self.words)
        left = Money(refundable(attempt), attempt.money.currency)
        history = [self._refund_line(each) for each in self.uow.refunds.of_attempt(attempt.id)]
        then = together(then, self.words.say("why.refund.left", money=left))
        alerts = self._alerts([refund.id, attempt.id])
        return Outline(subject, answer, history, then, list(ways_out), alerts, self._acts([refund.id]))

    def _given_back(self, attempts: Sequence[PaymentAttempt]) -> str:
        paid = [attempt for attempt in attempts if attempt.status is AttemptStatus.APPROVED]
        given = sum(attempt.refunded for attempt in paid)
        if not given:
            return ""
        currency = paid[0].money.currency
        return self.words.say("why.given_back", given=Money(given, currency), left=Money(left_of(paid), currency))

    def _refund_line(self, refund: Refund) -> str:
        return self.words.say(
            "why.refund_line",
            day=self.words.day(refund.created_at),
            refund=refund.id,
            money=refund.money,
            cause=self.words.of(refund.cause),
            reason=self.words.reason(refund.reason),
            status=self.words.of(refund.status),
        )

    def of_subscription(self, subscription: Subscription) -> Outline:
        """A subscription: its periods, and what comes next."""
        plan = self.uow.plans.get(subscription.plan_id)
        key = self.uow.keys.get(subscription.billing_key_id)
        invoices = self.uow.invoices.of_subscription(subscription.id)
        about = {"customer": subscription.customer, "plan": self._of_plan(plan)}
        subject = self.words.say("why.subscription", subscription=subscription.id, **about)
        unpaid = [each for each in invoices if each.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)]
        described = [(each.owed_from, self._period_line(each)) for each in invoices]
        history = [line for _, line in sorted(described + self._skipped(subscription))]
        state, status = self._first_owed(subscription, unpaid, key), self.words.of(subscription.status)
        answer = self.words.say("why.periods", status=status, count=len(invoices), unpaid=len(unpaid))
        answer = together(answer, state.answer, cards_of(self.uow, subscription, key, self.words))
        then, ways_out = self._next_period(subscription), list(state.ways_out)
        if subscription.held_since is not None and subscription.status in RENEWING:
            answer = together(answer, self.words.say("why.late", date=self.words.date(subscription.next_period_start)))
            ways_out += [] if subscription.cancel_at_period_end else [_decide(subscription)]
        then = together(state.next, then, way_of(self.uow, subscription, self.words))
        owned = [subscription.id, subscription.customer, *(each.id for each in invoices)]
        periods = [(subscription.id, subscription.next_period_index - back) for back in (1, 0)]
        scheduled = [each.id for each in self.uow.schedules.of_periods(periods)]
        alerts, heard = self._alerts([subscription.id, *scheduled]), heard_about(self.uow, subscription.id, self.words)
        return Outline(subject, answer, history, then, ways_out, alerts, self._acts(owned, plan.id), heard)

    def _next_period(self, subscription: Subscription) -> str:
        """What becomes of its next period."""
        say, start = self.words.say, self.words.day(subscription.next_period_start)
        if subscription.cancel_at_period_end and subscription.status in RENEWING:
            return say("why.ends", day=start)
        if subscription.held_since is not None and subscription.status in RENEWING:
            return say("why.late.next")
        if subscription.status in _NO_PERIOD:
            return say(f"why.no_period.{subscription.status}")
        return next_charge(self.limits, start, self.words)

    def _period_line(self, invoice: Invoice) -> str:
        about = {"money": invoice.money, "attempts": invoice.attempts, "invoice": invoice.id}
        date, status = self.words.date(invoice.owed_from), self.words.of(invoice.status)
        return self.words.say("why.period_line", date=date, status=status, **about)

    def _first_owed(self, subscription: Subscription, unpaid: Sequence[Invoice], key: BillingKey) -> State:
        """The state of its first unpaid invoice, or else a stop that holds the next one."""
        if unpaid:
            owed, attempts = unpaid[0], self.uow.attempts.of_invoice(unpaid[0].id)
            charged = key if owed.billing_key_id == key.id else self.uow.keys.get(owed.billing_key_id)
            return self._states.of(owed, attempts, subscription, charged)
        held = self._states.held(subscription.id, key, is_due=False) if subscription.status in RENEWING else None
        return held or State("", "")

    def of_key(self, key: BillingKey) -> Outline:
        """A billing key, and whether it may be charged."""
        answer, then, ways_out = state_of_key(self.uow, key, self.words)
        subject = self.words.say("why.key", key=key.id, pg=key.pg_provider)
        return Outline(subject, answer, [], then, list(ways_out), self._alerts([key.id]), self._acts([key.id]))

    def _skipped(self, subscription: Subscription) -> list[tuple[datetime, str]]:
        """Waived late periods, from the events."""
        found = []
        for message in self.uow.outbox.of_stream(subscription.id, MOST_EVENTS):
            if message.event.type is EventType.SUBSCRIPTION_PERIODS_SKIPPED:
                data = message.event.data
                first, last = (datetime.fromisoformat(str(data[name])) for name in ("first", "last"))
                span = {"first": self.words.date(first), "last": self.words.date(last)}
                found.append((first, self.words.say("why.waived", count=data["count"], **span)))
        return found

    def _attempt_line(self, attempt: PaymentAttempt) -> str:
        about = {"number": attempt.number, "attempt": attempt.id, "status": self.words.of(attempt.status)}
        line, category = self.words.say("why.attempt", day=self.words.day(attempt.started_at), **about), ""
        if attempt.decline_kind is not None:
            known = attempt.decline_category
            category = self.words.say("why.attempt.not_classified") if known is None else self.words.of(known)
            final = "hard" if attempt.decline_kind is DeclineKind.HARD else "soft"
            line += f", {category}, {self.words.say(f'why.attempt.{final}')}"
        return f"{line}: {self.words.reason(attempt.reason)}" if attempt.reason else line

    def _acts(self, subjects: Sequence[str], plan_id: str | None = None) -> list[str]:
        """The actions on these, and the decisions on late periods of their whole plan."""
        found = self.uow.actions.of_subjects(subjects, MOST_ROWS)
        if plan_id is not None:
            of_plan = self.uow.actions.of_subjects([plan_id], MOST_ROWS)
            decided = [act for act in of_plan if act.verb is Verb.LATE_PERIODS_DECIDED]
            found = sorted([*found, *decided], key=lambda act: (act.at, act.id or 0))[-MOST_ROWS:]
        return [self._act_line(act) for act in found]

    def _act_line(self, act: Act) -> str:
        line = f"{self.words.day(act.at)} {act.actor}: {self.words.of(act.verb)} {act.subject_id}"
        return f"{line} ({act.detail})" if act.detail else line

    def _alerts(self, subjects: Sequence[str]) -> list[Alert]:
        return [alert for subject in subjects for alert in self.uow.alerts.of_subject(subject)]

    def _of_plan(self, plan: Plan) -> str:
        about = {"name": plan.name, "money": plan.money, "zone": plan.calendar.zone}
        return self.words.say("why.subscription.plan", calendar=self.words.calendar(plan.calendar), **about)


def _decide(subscription: Subscription) -> WayOut:
    return WayOut(Action.DECIDE_LATE_PERIODS, {"subscription": subscription.id})
