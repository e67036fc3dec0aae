"""Invariants of the gateway's schedules: one payment a period, and both books equal at rest (I1, I26)."""

from collections.abc import Container, Iterator
from datetime import datetime, timedelta

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.schedule import Schedule
from billing_worker.domain.subscription import Subscription
from billing_worker.simulation.fleet.ledger import AGAIN, SCHEDULE, Planned, Row
from billing_worker.simulation.judge.docket import RENEWING, Docket, Finding

GRACE = timedelta(minutes=10)
"""Work that has just become due may be under way."""

NEAR = timedelta(minutes=10)
AHEAD = timedelta(days=35)
"""A period is registered while it begins between these two from now."""

COMPARED = timedelta(minutes=50)
"""What changed beside its subscription revokes a schedule an hour before its date."""


class Schedules:
    """Checks each payment that a schedule made, and compares both books at rest."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    def paid(self, row: Row) -> None:
        """Check that no other payment of the same period holds money: each way has its own order numbers."""
        own = self._docket.scheduled(row.merchant_uid)
        if own is None:
            return
        siblings = [each for each in self._docket.rows.schedules.rows.values() if _period(each) == _period(own)]
        key = self._docket.rows.keys.rows[own.billing_key_id]
        if row.cause == SCHEDULE and key.issue is not None and key.issue_claim == "open":
            text = f"{row.merchant_uid} is charged before the payment that issued {key.id} is decided"
            self._docket.found("I1", text, row.merchant_uid, own.subscription_id)
        orders = {each.merchant_uid for each in siblings}
        order = self._docket.rows.invoices.order_ids.rows.get(row.merchant_uid)
        orders |= set(self._docket.orders[order.invoice_id]) if order is not None else set()
        paid = [each for uid in sorted(orders) for each in self._docket.ledger.orders[uid]]
        holding = [each.imp_uid for each in paid if each.holds and each.cause in (AGAIN, SCHEDULE)]
        if len(holding) > 1:
            text = f"period {own.period_index} of {own.subscription_id} is paid by {holding}"
            self._docket.found("I1", text, row.merchant_uid, own.subscription_id)

    def at_rest(self, alerted: Container[tuple[str, str]]) -> Iterator[Finding]:
        """What differs between both books, hours after all faults have stopped. An open alert is a stated reason."""
        for planned in self._docket.ledger.schedules.values():
            if planned.status == "scheduled" and planned.at > self._docket.now + GRACE:
                yield from self._live(planned, alerted)
        for row in self._docket.rows.schedules.rows.values():
            yield from self._ours(row, alerted)
        for subscription in self._docket.rows.subscriptions.rows.values():
            yield from self._wished(subscription, alerted)

    def _live(self, planned: Planned, alerted: Container[tuple[str, str]]) -> Iterator[Finding]:
        """Check that the gateway will charge only what a subscription wants. What a clerk moved is told."""
        own = self._docket.scheduled(planned.merchant_uid)
        about = (planned.merchant_uid,)
        if own is not None and own.status in ("registered", "executed") and _has_alert(own, alerted):
            return
        if own is None or own.status != "registered":
            known = "unknown here" if own is None else own.status
            yield "I26", f"{planned.merchant_uid} is scheduled at the gateway, and {known}", about
            return
        here = (own.money.amount, own.money.currency, _second(own.schedule_at))
        if here != (planned.amount, planned.currency, planned.at):
            yield "I26", f"{planned.merchant_uid} is scheduled otherwise than written: {planned}", about
        subscription = self._docket.rows.subscriptions.rows[own.subscription_id]
        wanted = (subscription.next_period_index, subscription.next_period_start, subscription.billing_key_id)
        soon = planned.at <= self._docket.now + COMPARED
        if not self._wants(subscription, soon=soon) or wanted != (
            own.period_index,
            own.schedule_at,
            own.billing_key_id,
        ):
            text = f"{planned.merchant_uid} is scheduled, and {subscription.id} does not want it"
            yield "I26", text, (planned.merchant_uid, subscription.id)

    def _ours(self, row: Schedule, alerted: Container[tuple[str, str]]) -> Iterator[Finding]:
        """Check that what is registered here is at the gateway, and that nothing is half done."""
        if row.status == "registered" and _has_alert(row, alerted):
            return
        if row.status in ("registering", "revoking"):
            fresh = row.sent_at is None and row.created_at > self._docket.now - GRACE
            if not fresh and (AlertKind.SCHEDULE_UNCLEAR, row.id) not in alerted:
                yield "I26", f"schedule {row.id} is {row.status}: {row.note}", (row.id, row.merchant_uid)
        elif row.status == "registered" and row.schedule_at <= self._docket.now - GRACE:
            yield "I26", f"schedule {row.id} is registered for {row.schedule_at}", (row.id, row.merchant_uid)
        elif row.status == "registered" and row.schedule_at > self._docket.now + GRACE:
            planned = self._docket.ledger.schedules.get(row.merchant_uid)
            ran_early = planned is not None and planned.status == "executed"
            if planned is None or (planned.status != "scheduled" and not ran_early):
                text = f"schedule {row.id} is registered, at the gateway {planned}"
                yield "I26", text, (row.id, row.merchant_uid)

    def _wished(self, subscription: Subscription, alerted: Container[tuple[str, str]]) -> Iterator[Finding]:
        """Check that a period which the gateway is to charge is registered there."""
        away = subscription.next_period_start - self._docket.now
        if not NEAR + GRACE < away < AHEAD - GRACE or not self._wants(subscription, soon=True):
            return
        own = [row for row in self._docket.rows.schedules.rows.values() if row.subscription_id == subscription.id]
        coming = [row for row in own if row.period_index == subscription.next_period_index]
        refused = (AlertKind.SCHEDULE_REFUSED, subscription.id) in alerted
        # One that ran early has charged it, or tried in vain: then a worker tries again.
        if not refused and not any(row.closed_at is None or row.status == "executed" for row in coming):
            text = f"the period of {subscription.next_period_start} of {subscription.id} is not registered"
            yield "I26", text, (subscription.id,)

    def _wants(self, subscription: Subscription, *, soon: bool) -> bool:
        """Whether it wants its next period charged by the gateway; its key and stops count when that is soon."""
        renews = subscription.status in RENEWING and not subscription.cancel_at_period_end
        chosen = subscription.collection == "portone_schedule" and subscription.held_since is None
        return renews and chosen and not (soon and self._held(subscription))

    def _held(self, subscription: Subscription) -> bool:
        """Whether a stop holds its charges, or its key cannot be charged (yet)."""
        key = self._docket.rows.keys.rows[subscription.billing_key_id]
        here = ("all", f"pg:{key.pg_provider}", f"subscription:{subscription.id}")
        stopped = any(row.closed_at is None and row.scope in here for row in self._docket.rows.stops.rows.values())
        undecided = key.issue is not None and key.issue_claim in ("open", "chosen")
        return stopped or key.status != "active" or undecided


def _has_alert(row: Schedule, alerted: Container[tuple[str, str]]) -> bool:
    return (AlertKind.SCHEDULE_DIFFERS, row.id) in alerted


def _period(row: Schedule) -> tuple[str, int]:
    return row.subscription_id, row.period_index


def _second(at: datetime) -> datetime:
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)
