"""The explanations of `why`: the state, the history, and the next step of each entity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from billing_worker.domain.action import Verb
from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import Action, AlertKind, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.events import EventType
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.money import Money
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund, RefundCause, left_of, refundable
from billing_worker.domain.subscription import RENEWING, Subscription, SubscriptionStatus
from billing_worker.ports.alerts import Alert
from billing_worker.ports.lists import Kind
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.reading.heard import heard_about
from billing_worker.usecases.reading.key_state import state_of_key
from billing_worker.usecases.reading.outline import Outline, outline_of_many
from billing_worker.usecases.reading.refund_state import State, state_of_refund
from billing_worker.usecases.reading.scheduled import way_of
from billing_worker.usecases.reading.waits import (
    cap_of,
    cards_of,
    limit_of,
    missing_of,
    next_charge,
    not_the_customers,
    ways_to_confirm,
    when_ended,
)

MOST_EVENTS = 10_000
"""More than any subscription has."""
MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Teller:
    """Explains the state at one moment, in one time zone."""

    uow: UnitOfWork
    now: datetime
    zone: ZoneInfo
    limits: PgLimits

    def listed(self, kind: Kind, **wanted: object) -> Sequence[Any]:
        """The newest matches of a kind."""
        return self.uow.lists.part(kind, wanted, MOST_ROWS, None).items

    def of_customer(self, customer: str, subscriptions: Sequence[Subscription]) -> Outline:
        """A customer with several subscriptions: each in a line."""
        live = [each.id for each in subscriptions if each.status is not SubscriptionStatus.CANCELED]
        subject = f"customer {customer}: {len(subscriptions)} subscriptions, {len(live)} of them live"
        return outline_of_many(subject, {each.id: self.of_subscription(each) for each in subscriptions}, live)

    def of_payments(self, customer: str, payments: Sequence[Invoice]) -> Outline:
        """A customer with several single payments and no subscription: each in a line."""
        live = [each.id for each in payments if each.status is InvoiceStatus.OPEN]
        subject = f"customer {customer}: {len(payments)} single payments, {len(live)} of them open"
        return outline_of_many(subject, {each.id: self.of_invoice(each) for each in payments}, live)

    def of_invoice(self, invoice: Invoice) -> Outline:
        """An invoice: its attempts, its refunds, and what comes next."""
        attempts = self.uow.attempts.of_invoice(invoice.id)
        subscription = self.uow.subscriptions.get(own) if (own := invoice.subscription_id) is not None else None
        key = self.uow.keys.get(invoice.billing_key_id)
        subject = f"invoice {invoice.id}: {invoice.money} for {self._purpose(invoice)}, order {invoice.merchant_uid}"
        refunds = self.uow.refunds.of_invoice(invoice.id)
        answer, then, ways_out = self._state_of(invoice, attempts, subscription, key)
        answer += self._given_back(attempts)
        under_way = next((refund for refund in refunds if refund.is_open), None)
        if under_way is not None:
            then += f" Refund {under_way.id} over {under_way.money} is under way."
            then += " " + state_of_refund(under_way, invoice.id, self._day).next
        subjects = [invoice.id, *(attempt.id for attempt in attempts), *(refund.id for refund in refunds)]
        described = [self._attempt_line(each) for each in attempts] + [self._refund_line(each) for each in refunds]
        alerts, heard = self._alerts(subjects), heard_about(self.uow, invoice.id, self._day)
        return Outline(subject, answer, described, then, list(ways_out), alerts, self._acts(subjects), heard)

    def _purpose(self, invoice: Invoice) -> str:
        if invoice.period is not None:
            return f"{self._date(invoice.period.start)} to {self._date(invoice.period.end)}"
        single = invoice.of_single
        return f"{single.name!r}, a single payment of {single.customer} at {self._day(single.at)}"

    def of_refund(self, refund: Refund) -> Outline:
        """A refund, and the others of the same payment."""
        attempt = self.uow.attempts.get(refund.attempt_id)
        subject = f"refund {refund.id}: {refund.money} of payment {attempt.imp_uid}, invoice {attempt.invoice_id}"
        answer, then, ways_out = state_of_refund(refund, attempt.invoice_id, self._day)
        left = Money(refundable(attempt), attempt.money.currency)
        history = [self._refund_line(each) for each in self.uow.refunds.of_attempt(attempt.id)]
        then += f" Of this payment {left} is left."
        alerts = self._alerts([refund.id, attempt.id])
        return Outline(subject, answer, history, then, list(ways_out), alerts, self._acts([refund.id]))

    def _given_back(self, attempts: Sequence[PaymentAttempt]) -> str:
        paid = [attempt for attempt in attempts if attempt.status is AttemptStatus.APPROVED]
        given = sum(attempt.refunded for attempt in paid)
        if not given:
            return ""
        currency = paid[0].money.currency
        return f" Given back so far: {Money(given, currency)}; left: {Money(left_of(paid), currency)}."

    def _refund_line(self, refund: Refund) -> str:
        cause = "a payment too many" if refund.cause is RefundCause.SURPLUS else "an operator asked"
        line = f"{self._day(refund.created_at)} refund {refund.id} of {refund.money}, {cause} ({refund.reason})"
        return f"{line}: {refund.status}"

    def _state_of(  # noqa: C901, PLR0911 - one sentence a state
        self, invoice: Invoice, attempts: Sequence[PaymentAttempt], owner: Subscription | None, key: BillingKey
    ) -> State:
        ended = owner is not None and owner.status is SubscriptionStatus.CANCELED
        open_attempt = next((attempt for attempt in attempts if attempt.is_open), None)
        match invoice.status:
            case InvoiceStatus.PAID:
                return self._paid(attempts)
            case InvoiceStatus.VOID:
                covered = invoice.last_reason if owner is not None and not ended else None
                what = "payment" if owner is None else "subscription"
                answer = f"Not charged: the {what} was canceled before it was paid."
                return State(f"Nothing is owed: {covered}." if covered else answer, "Nothing: this is final.")
            case InvoiceStatus.UNCOLLECTIBLE:
                return _given_up(invoice, owner, key, self.zone)
        if open_attempt is not None:
            return self._open(open_attempt)
        if ended:
            return State("Not charged: the subscription is canceled.", "Nothing: this is final.")
        if key.status is KeyStatus.PENDING:
            return self._unconfirmed(invoice, key)
        held = self._held(invoice.owner_id, key, is_due=invoice.is_due(self.now))
        if held is not None:
            return held
        if key.status is not KeyStatus.ACTIVE:
            answer = f"Not charged: the billing key is {key.status} ({key.invalid_reason})."
            until = self._day(invoice.next_attempt_at)
            if owner is None:
                return State(answer, f"Given up on {until}. Another payment needs another card.", (_end(invoice),))
            ways_out = (WayOut(Action.SET_SUBSCRIPTION_KEY, {"subscription": owner.id}),)
            return State(answer, f"Given up on {until} unless the customer gives another card.", ways_out)
        if invoice.awaits_decision:
            times = "once" if invoice.taken_back == 1 else f"{invoice.taken_back} times"
            answer = f"Not charged: it was paid and given back at the gateway {times}."
            once_more = WayOut(Action.RETRY_INVOICE, {"invoice": invoice.id})
            return State(answer, "Nothing by itself: an operator decides.", (once_more, _end(invoice)))
        if invoice.is_due(self.now):
            return State("Due now, and not started yet.", "The next scan hands it to a worker, within seconds.")
        waits = cap_of(key, self.now) or limit_of(self.uow, invoice, key, self.limits, self.now)
        if invoice.last_reason is not None:
            what = "was paid and given back" if invoice.taken_back else "could not be placed"
            what = "declined" if invoice.declines or invoice.spared else what
            answer = f"Not paid yet: it {what} ({invoice.last_reason}).{not_the_customers(attempts)}"
            return State(answer, f"The next try is on {self._day(invoice.next_attempt_at)}.{waits}")
        return State("Not due yet.", f"It is charged on {self._day(invoice.next_attempt_at)}.{waits}")

    def _unconfirmed(self, invoice: Invoice, key: BillingKey) -> State:
        answer = f"Waiting: the billing key must not be charged before it is confirmed: {missing_of(self.uow, key)}."
        confirmed = f"as soon as the confirmation of key {key.id} arrives"
        later = f"on {self._day(invoice.next_attempt_at)} or {confirmed}, whichever is later"
        then = confirmed if invoice.is_due(self.now) else later
        return State(answer, f"It is charged {then}.", ways_to_confirm(key))

    def _paid(self, attempts: Sequence[PaymentAttempt]) -> State:
        paid = next(a for a in attempts if a.status is AttemptStatus.APPROVED and not a.surplus)
        answer = f"Paid on {self._day(paid.closed_at)} by attempt {paid.number} (payment {paid.imp_uid})."
        card = self.uow.keys.get(paid.billing_key_id)
        if card.issue is not None and card.issue.imp_uid == paid.imp_uid:
            answer = f"Paid by payment {paid.imp_uid}, with which key {card.id} was issued; nothing was charged."
        return State(answer, "Nothing: this will not be charged again.")

    def _held(self, owner_id: str, key: BillingKey, *, is_due: bool) -> State | None:
        holding = self.uow.stops.holding(owner_id, key.pg_provider)
        if not holding:
            return None
        ways_out = tuple(
            WayOut(action, {"key": key.id, "subscription": owner_id, "stop": str(stop.id)})
            for stop in holding
            for action in RULES[AlertKind.STOPPED].cases[stop.cause].actions
        )
        return State(f"Not charged: {holding[0]}.", when_ended(holding, is_due=is_due), ways_out)

    def _open(self, attempt: PaymentAttempt) -> State:
        if attempt.scheduled:
            answer = f"PortOne charges it by its schedule: attempt {attempt.number} waits for the result."
            then = f"A webhook, or the read at {self._day(attempt.next_look_at)}, tells it. No worker charges."
            return State(answer, then)
        if attempt.status is AttemptStatus.IN_FLIGHT:
            answer = f"Being charged: attempt {attempt.number} is on its way."
            return State(answer, "The answer, or a read of the gateway, decides.")
        answer = f"Not known: attempt {attempt.number} was sent and its outcome is unclear ({attempt.reason})."
        then = f"The gateway is read again at {self._day(attempt.next_look_at)}; until it is known, nothing is "
        return State(answer, then + "charged again.")

    def of_subscription(self, subscription: Subscription) -> Outline:
        """A subscription: its periods, and what comes next."""
        plan = self.uow.plans.get(subscription.plan_id)
        key = self.uow.keys.get(subscription.billing_key_id)
        invoices = self.uow.invoices.of_subscription(subscription.id)
        subject = f"subscription {subscription.id}: {subscription.customer} on {_of_plan(plan)}"
        unpaid = [each for each in invoices if each.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)]
        described = [
            (
                each.owed_from,
                f"{self._date(each.owed_from)} {each.status}: {each.money}, {each.attempts} attempts ({each.id})",
            )
            for each in invoices
        ]
        history = [line for _, line in sorted(described + self._skipped(subscription))]
        state, next_start = self._first_owed(subscription, unpaid, key), self._day(subscription.next_period_start)
        answer = f"It is {subscription.status}; {len(invoices)} periods so far, {len(unpaid)} not paid. {state.answer}"
        answer, ways_out = answer.rstrip() + cards_of(self.uow, subscription, key, self._day), list(state.ways_out)
        then = {
            SubscriptionStatus.CANCELED: "Nothing: no further period is opened.",
            SubscriptionStatus.UNPAID: "No further period is opened until an invoice is paid.",
            SubscriptionStatus.PAUSED: "No further period is opened while it is paused.",
        }.get(subscription.status, next_charge(self.limits, next_start))
        if subscription.held_since is not None and subscription.status in RENEWING:
            answer += f" The period of {self._date(subscription.next_period_start)} is late: an operator must decide."
            then = "On hold until an operator decides."
            ways_out += [] if subscription.cancel_at_period_end else [_decide(subscription)]
        if subscription.cancel_at_period_end and subscription.status in RENEWING:
            then = f"It ends on {next_start} and is not charged again."
        then = f"{state.next} {then}".lstrip() + way_of(self.uow, subscription, self._day)
        owned = [subscription.id, *(each.id for each in invoices)]
        periods = [(subscription.id, subscription.next_period_index - back) for back in (1, 0)]
        scheduled = [each.id for each in self.uow.schedules.of_periods(periods)]
        alerts, heard = self._alerts([subscription.id, *scheduled]), heard_about(self.uow, subscription.id, self._day)
        return Outline(subject, answer, history, then, ways_out, alerts, self._acts(owned, plan.id), heard)

    def _first_owed(self, subscription: Subscription, unpaid: Sequence[Invoice], key: BillingKey) -> State:
        """The state of its first unpaid invoice, or else a stop that holds the next one."""
        if unpaid:
            owed, attempts = unpaid[0], self.uow.attempts.of_invoice(unpaid[0].id)
            charged = key if owed.billing_key_id == key.id else self.uow.keys.get(owed.billing_key_id)
            return self._state_of(owed, attempts, subscription, charged)
        held = self._held(subscription.id, key, is_due=False) if subscription.status in RENEWING else None
        return held or State("", "")

    def of_key(self, key: BillingKey) -> Outline:
        """A billing key, and whether it may be charged."""
        answer, then, ways_out = state_of_key(self.uow, key, self._day)
        subject = f"billing key {key.id} at {key.pg_provider}"
        return Outline(subject, answer, [], then, list(ways_out), self._alerts([key.id]), self._acts([key.id]))

    def _skipped(self, subscription: Subscription) -> list[tuple[datetime, str]]:
        """Waived late periods, from the events."""
        found = []
        for message in self.uow.outbox.of_stream(subscription.id, MOST_EVENTS):
            if message.event.type is EventType.SUBSCRIPTION_PERIODS_SKIPPED:
                data = message.event.data
                first, last = (datetime.fromisoformat(str(data[name])) for name in ("first", "last"))
                line = f"{self._date(first)} to {self._date(last)} waived: {data['count']} late periods, never charged"
                found.append((first, line))
        return found

    def _attempt_line(self, attempt: PaymentAttempt) -> str:
        line = f"{self._day(attempt.started_at)} attempt {attempt.number} ({attempt.id}): {attempt.status}"
        if attempt.decline_kind is not None:
            final = "final on this key" if attempt.decline_kind is DeclineKind.HARD else "may work later"
            line += f", {attempt.decline_category or 'not classified'}, {final}"
        return f"{line}: {attempt.reason}" if attempt.reason else line

    def _acts(self, subjects: Sequence[str], plan_id: str | None = None) -> list[str]:
        """The actions on these, and the decisions on late periods of their whole plan."""
        found = self.uow.actions.of_subjects(subjects, MOST_ROWS)
        if plan_id is not None:
            of_plan = self.uow.actions.of_subjects([plan_id], MOST_ROWS)
            decided = [act for act in of_plan if act.verb is Verb.LATE_PERIODS_DECIDED]
            found = sorted([*found, *decided], key=lambda act: (act.at, act.id or 0))[-MOST_ROWS:]
        lines = ((f"{self._day(act.at)} {act.actor}: {act.verb} {act.subject_id}", act.detail) for act in found)
        return [f"{line} ({detail})" if detail else line for line, detail in lines]

    def _alerts(self, subjects: Sequence[str]) -> list[Alert]:
        return [alert for subject in subjects for alert in self.uow.alerts.of_subject(subject)]

    def _date(self, when: datetime) -> str:
        return f"{when.astimezone(self.zone):%Y-%m-%d}"

    def _day(self, when: datetime | None) -> str:
        return f"{when.astimezone(self.zone):%Y-%m-%d %H:%M %Z}" if when is not None else "an unknown date"


def _given_up(invoice: Invoice, owner: Subscription | None, key: BillingKey, zone: ZoneInfo) -> State:
    tries = f"dunning gave up after {invoice.declines} declines; the last: " if invoice.declines else ""
    answer = f"Not paid: {tries}{invoice.last_reason or key.invalid_reason}."
    if invoice.win_back_at is not None and key.status is KeyStatus.ACTIVE:
        then = f"It is tried once more on {invoice.win_back_at.astimezone(zone):%Y-%m-%d %H:%M %Z}."
        return State(answer, then, (WayOut(Action.RETRY_INVOICE, {"invoice": invoice.id}),))
    if owner is None and key.status is not KeyStatus.ACTIVE:
        return State(answer, "Nothing: its card is not charged any more. Another payment needs another card.")
    ways_out = (WayOut(Action.RETRY_INVOICE, {"invoice": invoice.id}),)
    return State(answer, "Nothing by itself. An operator can try again.", ways_out)


def _end(invoice: Invoice) -> WayOut:
    if invoice.subscription_id is None:
        return WayOut(Action.CANCEL_PAYMENT, {"invoice": invoice.id})
    return WayOut(Action.CANCEL_SUBSCRIPTION, {"subscription": invoice.subscription_id})


def _decide(subscription: Subscription) -> WayOut:
    return WayOut(Action.DECIDE_LATE_PERIODS, {"subscription": subscription.id})


def _of_plan(plan: Plan) -> str:
    return f"{plan.name} ({plan.money}, {plan.calendar}, {plan.calendar.zone})"
