"""The watch of the gateway in memory."""

from datetime import datetime

from billing_worker.domain.gateway_watch import GATEWAY, GatewayWatch
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.refund import RefundStatus
from billing_worker.domain.schedule import ScheduleStatus
from billing_worker.domain.timing import LARGEST_BACKOFF
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either

STEPS = (RefundStatus.PENDING, RefundStatus.UNKNOWN)


class MemoryGatewayWatch(Table[GatewayWatch]):
    """The watch of the gateway: one row."""

    kind, entity = "watch", GatewayWatch

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.probes = DueIndex()

    def get(self, ident: str = GATEWAY) -> GatewayWatch:
        """A copy of the watch; an empty one if none was stored."""
        return super().get(ident) if ident in self.rows else GatewayWatch()

    def lock(self, ident: str = GATEWAY) -> GatewayWatch:
        """The same, stored."""
        if ident not in self.rows:
            self.add(GatewayWatch())
        return self.get(ident)

    def guard(self, before: GatewayWatch | None, after: GatewayWatch) -> None:  # noqa: ARG002 - one interface
        """Check: calls in a row have their trouble."""
        if (after.trouble is None) != (after.in_a_row == 0) or (after.trouble is None) != (after.noted_at is None):
            raise GuardBroken(f"{after.in_a_row} calls in a row met {after.trouble}")

    def watch(self, before: GatewayWatch | None, after: GatewayWatch | None) -> None:
        """Index the next probe."""
        self.probes.set(GATEWAY, either(before, after).next_probe_at if after is None else after.next_probe_at)

    def answered_since(self, noted_at: datetime) -> bool:
        """Whether an attempt was approved or declined after this moment of billing time."""
        return self._rows.attempts.closed_after(noted_at)

    def wake(self, moment: Moment) -> None:
        """Make due now what waits for its next try or look."""
        others, real_now = self._rows, moment.real
        for attempt in list(others.attempts.rows.values()):
            if attempt.status is AttemptStatus.UNKNOWN and attempt.next_look_at and attempt.next_look_at > real_now:
                woken = others.attempts.get(attempt.id)
                woken.next_look_at = real_now
                others.attempts.save(woken)
        for row in list(others.refunds.rows.values()):
            if row.status in STEPS and row.next_step_at and row.next_step_at > real_now:
                refund = others.refunds.get(row.id)
                refund.next_step_at = real_now
                others.refunds.save(refund)
        for key in list(others.keys.rows.values()):
            if key.looks > 0 and key.next_look_at and key.next_look_at > real_now:
                woken_key = others.keys.get(key.id)
                woken_key.next_look_at = real_now
                others.keys.save(woken_key)
        for call in list(others.key_calls.rows.values()):
            if call.next_step_at and call.next_step_at > real_now >= call.lease_until:
                woken_call = others.key_calls.get(call.id)
                woken_call.next_step_at = real_now
                others.key_calls.save(woken_call)
        self._wake_schedules(real_now)
        self._wake_invoices(moment)

    def _wake_schedules(self, real_now: datetime) -> None:
        schedules = self._rows.schedules
        for row in list(schedules.rows.values()):
            free = row.lease_until is None or row.lease_until <= real_now
            waits = row.next_step_at is not None and row.next_step_at > real_now
            if waits and free and row.status is not ScheduleStatus.REGISTERED:
                woken = schedules.get(row.id)
                woken.next_step_at = real_now
                schedules.save(woken)

    def _wake_invoices(self, moment: Moment) -> None:
        others, now = self._rows, moment.billing
        for row in list(others.invoices.rows.values()):
            waits = row.next_attempt_at is not None and now < row.next_attempt_at <= now + LARGEST_BACKOFF
            if not waits or row.status is not InvoiceStatus.OPEN or row.awaits_key or row.taken_back:
                continue
            attempts = [others.attempts.rows[ident] for ident in others.attempts.by_invoice[row.id]]
            last = max(attempts, key=lambda attempt: attempt.number, default=None)
            if row.failures > 0 and last is not None and last.status is AttemptStatus.FAILED:
                invoice = others.invoices.get(row.id)
                invoice.next_attempt_at = now
                others.invoices.save(invoice)
