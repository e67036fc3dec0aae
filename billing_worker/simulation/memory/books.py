"""Sums over the whole database in memory, as the SQL statements make them."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.calendar import zone_named
from billing_worker.domain.catch_up import BACKLOG_AFTER
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus
from billing_worker.domain.subscription import RENEWING
from billing_worker.ports.incoming import InboxStatus, Sought
from billing_worker.ports.review import SettledPayment, Standing, Tally
from billing_worker.simulation.memory.alerts import AlertTable
from billing_worker.simulation.memory.inbox import MemoryInbox
from billing_worker.simulation.memory.outbox import MemoryOutbox
from billing_worker.simulation.memory.rows import Rows

MANY = 10**9


class MemoryBooks:
    """What the database says as a whole."""

    def __init__(self, rows: Rows, alerts: AlertTable, inbox: MemoryInbox, outbox: MemoryOutbox) -> None:
        self._rows = rows
        self._alerts = alerts
        self._inbox = inbox
        self._outbox = outbox

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line a month and currency, oldest first."""
        zone = zone_named(timezone)
        groups: dict[tuple[str, str], list[Invoice]] = {}
        for row in self._rows.invoices.rows.values():
            month = f"{row.period.start.astimezone(zone):%Y-%m}"
            groups.setdefault((month, row.money.currency), []).append(row)
        return [self._tally(month, currency, groups[month, currency]) for month, currency in sorted(groups)]

    def standing(self, now: datetime, real_now: datetime) -> Standing:
        """How things stand."""
        others = self._rows
        waiting = [row for row in others.invoices.rows.values() if row.status is InvoiceStatus.OPEN]
        states = [others.attempts.rows[each].status for each in others.attempts.open_of.values()]
        blocked = {row.id for row in waiting if others.keys.rows[row.billing_key_id].status is KeyStatus.PENDING}
        late = [row for row in waiting if row.is_due(now)]
        free = [row for row in late if row.id not in blocked and row.id not in others.attempts.open_of]
        renewing = [row for row in others.subscriptions.rows.values() if row.status in RENEWING]
        fresh = [row for row in renewing if row.held_since is None]
        old = now - BACKLOG_AFTER
        paced = [row for row in free if row.is_due(old) or row.failures > 0]
        received = Sought(status=InboxStatus.RECEIVED)
        return Standing(
            periods_due=sum(row.next_period_start <= now for row in fresh),
            due=len(free),
            in_flight=states.count(AttemptStatus.IN_FLIGHT),
            unknown=states.count(AttemptStatus.UNKNOWN),
            waiting_for_key=sum(row.id in blocked for row in late),
            in_dunning=sum(row.declines > 0 for row in waiting),
            late=len(paced) + sum(row.next_period_start <= old for row in fresh),
            on_hold=sum(row.held_since is not None for row in renewing),
            oldest_due=min((row.next_attempt_at for row in free if row.next_attempt_at), default=None),
            open_alerts=len(self._alerts.open_ids),
            open_stops=len(others.stops.open_ids),
            undelivered_events=sum(row.waits for row in self._outbox.rows.values()),
            abandoned_events=sum(row.abandoned_at is not None for row in self._outbox.rows.values()),
            unapplied_notifications=self._inbox.count(received),
            stuck_notifications=self._inbox.count(Sought(stuck_at=real_now)),
            foreign_notifications=self._inbox.count(Sought(status=InboxStatus.RECEIVED, foreign=True)),
            oldest_notification=min((row.waits_since for row in self._inbox.list(received, MANY)), default=None),
            compared_until=None,
        )

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""
        approved = (row for row in self._rows.attempts.rows.values() if row.status is AttemptStatus.APPROVED)
        found = [
            SettledPayment(
                row.merchant_uid,
                row.imp_uid or "",
                row.money.amount,
                row.money.currency,
                self._rows.invoices.rows[row.invoice_id].period.start,
                row.surplus,
            )
            for row in approved
        ]
        return sorted(found, key=lambda each: (each.period_start, each.merchant_uid))

    def _tally(self, month: str, currency: str, rows: Sequence[Invoice]) -> Tally:
        states = [row.status for row in rows]
        paid = [row for row in rows if row.status is InvoiceStatus.PAID]
        ids = {row.id for row in rows}
        attempts = self._rows.attempts.rows.values()
        return Tally(
            month=month,
            currency=currency,
            invoices=len(rows),
            paid=len(paid),
            paid_amount=sum(row.money.amount for row in paid),
            open=states.count(InvoiceStatus.OPEN),
            uncollectible=states.count(InvoiceStatus.UNCOLLECTIBLE),
            void=states.count(InvoiceStatus.VOID),
            recovered=sum(row.declines > 0 for row in paid),
            refunded_amount=sum(one.refunded for one in attempts if one.invoice_id in ids and not one.surplus),
        )
