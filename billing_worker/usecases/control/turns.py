"""When a charge may leave: each PG has its rate, monthly uses of a key, and quiet hours; each card has its caps.

All of it is decided in the transaction that writes the attempt, from rows that all processes share. A lost Redis lifts
no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.dunning.planner import opened
from billing_worker.domain.dunning.policy import Hours
from billing_worker.domain.giving_up import facts_of
from billing_worker.domain.moment import Moment
from billing_worker.domain.pg_limits import PgTurns, month_of
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.card_caps import OUTCOME_WAIT, CardCaps, is_watched


@dataclass(frozen=True, slots=True)
class Turn:
    """When a charge leaves: at once, at a time in the next seconds, or not before a later look."""

    call_at: datetime | None = None
    """Real time; None: at once."""
    look_at: datetime | None = None
    """Billing time; then it does not leave now."""


AT_ONCE = Turn()

MISSED_AFTER = timedelta(seconds=0.25)
"""A call that would leave this long after its turn waits for another: a process that was held up makes no burst."""


class Turns:
    """Gives the charges of one transaction their turns. The rows of PGs stay locked until its end."""

    def __init__(
        self, ports: Ports, uow: UnitOfWork, dues: Sequence[DueInvoice], moment: Moment, *, are_new: bool
    ) -> None:
        self._uow = uow
        self._limits = limits = ports.pg_limits
        self._ahead = ports.timing.ahead
        self._moment = moment
        self._are_new = are_new
        """Whether none of them waited for its turn before."""
        # Locked in one order, so that no two transactions wait for each other. Keys go first: two charges of one key
        # must not both take its last use of the month, or its last try below a cap.
        shared = {due.key.id for due in dues if is_watched(due) or due.key.pg_provider in limits.monthly_uses}
        if shared:
            locked = {key.id: key for key in uow.keys.lock_all(sorted(shared))}
            for due in dues:
                if due.key.id in locked:
                    due.key.declined_at = locked[due.key.id].declined_at
        self._caps = CardCaps(uow, dues, moment.billing)
        limited = sorted({due.key.pg_provider for due in dues} & limits.spacing.keys())
        self._rows: dict[str, PgTurns] = {pg: uow.pg_turns.lock(pg, moment.real) for pg in limited}
        self._used: dict[str, int] = {}

    def take(self, due: DueInvoice) -> Turn:
        """The turn of this charge; it counts as taken."""
        pg, now = due.key.pg_provider, self._moment.billing
        watched = is_watched(due)
        if watched or pg in self._limits.quiet:
            opens = self._opened(due, due.hours, now)
            if opens > now:
                return Turn(look_at=self._opened(due, due.hours_after_a_wait, opens))
        if watched and self._caps.are_full(due):
            return Turn(look_at=self._opened(due, due.hours_after_a_wait, now + OUTCOME_WAIT))
        most = self._limits.monthly_uses.get(pg)
        if most is not None and self._uses(due.key.id) >= most:
            return Turn(look_at=self._opened(due, due.hours_after_a_wait, month_of(now)[1]))
        turn = self._in_order(pg)
        if turn.look_at is None:
            if watched:
                self._caps.note(due)
            if most is not None:
                self._used[due.key.id] += 1
        return turn

    def save(self) -> None:
        """Write back which turns are taken."""
        for row in self._rows.values():
            self._uow.pg_turns.save(row)

    def _opened(self, due: DueInvoice, hours: Hours, at: datetime) -> datetime:
        return opened(hours, at, facts_of(due.subscription, due.invoice, due.key, self._limits))

    def _in_order(self, pg: str) -> Turn:
        row, now = self._rows.get(pg), self._moment
        if row is None:
            return AT_ONCE
        spacing = self._limits.spacing[pg]
        call_at = row.take(spacing, now.real, self._ahead, is_new=self._are_new)
        if call_at is not None:
            return Turn(call_at=call_at)
        return Turn(look_at=now.billing + row.queue(spacing, now.real, self._ahead))

    def _uses(self, key_id: str) -> int:
        if key_id not in self._used:
            self._used[key_id] = self._uow.spending.uses_of_key(key_id, month_of(self._moment.billing)[0])
        return self._used[key_id]


def wait_for_turn(ports: Ports, pg_provider: str, call_at: datetime, latest: datetime) -> bool:
    """Wait until the call may leave, for another turn where this one was missed; false where none comes in time.

    No transaction is open during the wait. Times are real.
    """
    while call_at <= latest:
        ports.clock.wait_until(call_at)
        now = ports.clock.moment().real
        if now - call_at <= MISSED_AFTER:
            return True
        if now > latest:
            break
        with ports.database.transaction() as uow:
            real_now = ports.clock.moment().real
            turns = uow.pg_turns.lock(pg_provider, real_now)
            spacing, ahead = ports.pg_limits.spacing[pg_provider], ports.timing.ahead
            turn = turns.take(spacing, real_now, ahead, is_new=False)
            if turn is None:
                break
            uow.pg_turns.save(turns)
            uow.commit()
        call_at = turn
    return False
