"""Notices to customers in memory, with the constraints of their SQL table."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import WARNINGS, Channel, Notice, NoticeKind, NoticeStatus
from billing_worker.domain.notices.written import Cause
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.notices import Mark
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either
from billing_worker.simulation.memory.unserved import Unserved


@dataclass(slots=True)
class _Mark(Mark):
    """A mark, as its table stores it."""


class _Marks(Table[_Mark]):
    """How far the coming charges were looked at."""

    kind, entity = "mark", _Mark


class MemoryNotices(Table[Notice]):
    """Notices to customers."""

    kind, entity = "notice", Notice

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self.due = DueIndex()
        self.marks = _Marks(journal)
        self._tables = rows
        self._of: defaultdict[tuple[str, Channel], dict[str, None]] = defaultdict(dict)
        """Ids by subject and channel, in the order of writing."""
        self._steps: dict[tuple[str, str, str, str], str] = {}

    def guard(self, before: Notice | None, after: Notice) -> None:
        """Check: one for each step, and a closed one has its time."""
        if before is None and _step(after) in self._steps:
            raise GuardBroken(f"notice {after.id} repeats {self._steps[_step(after)]}")
        if after.waits != (after.closed_at is None):
            raise GuardBroken(f"notice {after.id} is {after.status} and closed at {after.closed_at}")

    def watch(self, before: Notice | None, after: Notice | None) -> None:
        """Index notices by their subject, their step, and the next try."""
        row = either(before, after)
        if after is None:
            del self._steps[_step(row)], self._of[row.subject_id, row.channel][row.id]
        else:
            self._steps[_step(row)] = row.id
            self._of[row.subject_id, row.channel].setdefault(row.id)
        waits = after is not None and after.waits
        self.due.set(row.id, _due_from(row) if waits else None)

    def write(self, named: Sequence[tuple[str, Channel, Cause]], moment: Moment) -> None:
        """Store these, as the SQL statement does."""
        for ident, channel, cause in named:
            if cause.kind is NoticeKind.RECOVERED and not self._warnings(cause.subject_id, channel):
                continue
            due_at = moment.real + cause.after
            new = Notice(
                id=ident,
                kind=cause.kind,
                channel=channel,
                subject_id=cause.subject_id,
                step=cause.step,
                customer=cause.customer,
                created_at=moment.billing,
                due_at=due_at,
                next_try_at=due_at,
                invoice_id=cause.invoice_id,
                subscription_id=cause.subscription_id,
            )
            known = self._steps.get(_step(new))
            if known is None:
                self.add(new)
                continue
            found = self.get(known)
            if found.status is NoticeStatus.SUPERSEDED and not found.may_have_arrived:
                found.status, found.closed_at, found.note = NoticeStatus.PENDING, None, None
                found.tries, found.first_tried_at = 0, None
                found.created_at, found.due_at, found.next_try_at = moment.billing, due_at, due_at
                self.save(found)

    def lock_waiting(self, notice: Notice, real_now: datetime) -> Sequence[Notice]:
        """Notices of its subject on its channel that wait and are due, in the order of writing."""
        found = [self.get(ident) for ident in self._of[notice.subject_id, notice.channel]]
        return [each for each in found if each.waits and (each.due_at <= real_now or each.id == notice.id)]

    def warned(self, notice: Notice) -> bool:
        """Whether a notice of a failure of its subject may have left by its channel."""
        return any(each.may_have_arrived for each in self._warnings(notice.subject_id, notice.channel))

    def _warnings(self, subject_id: str, channel: Channel) -> list[Notice]:
        found = [self.rows[ident] for ident in self._of[subject_id, channel]]
        return [each for each in found if each.kind in WARNINGS]

    def claim_due(self, channel: Channel, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of notices to send by this channel, longest wait first; leased to the caller."""

        def since(ident: str) -> datetime | None:
            row = self.rows[ident]
            return row.next_try_at if row.channel is channel else None

        ids: Sequence[str] = self.due.take_of(real_now, limit, since)
        for ident in ids:
            notice = self.get(ident)
            notice.lease_until = lease_until
            self.save(notice)
        return ids

    def claim_early(self, channel: Channel, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused notice that waits for a later time: a probe of the channel, another each time."""
        later = [row for row in self._refused(channel) if row.next_try_at > real_now]
        free = [row for row in later if row.lease_until is None or row.lease_until <= real_now]
        if not free:
            return []
        notice = self.get(min(free, key=lambda row: (row.fence, row.next_try_at)).id)
        notice.lease_until = lease_until
        self.save(notice)
        return [notice.id]

    def resume(self, channel: Channel, real_now: datetime) -> int:
        """Make refused notices of this channel due now, after an outage of it; returns their number."""
        ids = [row.id for row in self._refused(channel) if not row.is_sent_now(real_now)]
        for ident in ids:
            notice = self.get(ident)
            notice.next_try_at = real_now
            self.save(notice)
        return len(ids)

    def _refused(self, channel: Channel) -> list[Notice]:
        return [row for row in self.rows.values() if row.waits and row.channel is channel and row.tries > 0]

    def under_way(self, channel: Channel, real_now: datetime) -> int:
        """The number of notices of this channel that are claimed or being sent."""
        ends = (row.lease_until for row in self.rows.values() if row.channel is channel)
        return sum(end is not None and end > real_now for end in ends)

    def forget(self, before: datetime, limit: int) -> int:  # noqa: ARG002 - the port's
        """Delete no notice: a run keeps all of them to its end."""
        return 0

    def lock_mark(self, plan_id: str, kind: NoticeKind, now: datetime) -> Mark:
        """The mark of a plan and a kind; a new one stands at `now`."""
        ident = f"{plan_id}:{kind}"
        if ident not in self.marks.rows:
            self.marks.add(_Mark(ident, now))
        return self.marks.get(ident)

    def save_mark(self, mark: Mark) -> None:
        """Write the mark back."""
        self.marks.save(_Mark(mark.id, mark.until, mark.last_id))

    def next_charges(self, plan_id: str, mark: Mark, until: datetime, limit: int) -> Sequence[Subscription]:
        """Subscriptions of a plan whose next charge comes after the mark, up to `until`, soonest first."""
        found = [
            each
            for each in self._tables.subscriptions.rows.values()
            if each.plan_id == plan_id
            and each.status in RENEWING
            and each.held_since is None
            and not each.cancel_at_period_end
            and each.collection is not Collection.SHADOW
            and (each.next_period_start, each.id) > (mark.until, mark.last_id)
            and each.next_period_start <= until
        ]
        return sorted(found, key=lambda each: (each.next_period_start, each.id))[:limit]

    of_subjects: Any = Unserved()


def _step(notice: Notice) -> tuple[str, str, str, str]:
    return notice.subject_id, notice.kind, notice.step, notice.channel


def _due_from(row: Notice) -> datetime:
    return row.next_try_at if row.lease_until is None else max(row.next_try_at, row.lease_until)
