"""Compare our schedules with PortOne's own list, and name the differences. Nothing is changed.

The list is only a reason to look: each difference of one of ours is read singly, and compared with what is here then.
So what changes meanwhile is no difference, and neither is a list that lags behind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing_worker.domain.comparison import Span
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.order_number import read_merchant_uid
from billing_worker.domain.schedule import (
    AHEAD,
    GatewaySchedule,
    Schedule,
    ScheduleListing,
    ScheduleStatus,
    UnreadableSchedule,
)
from billing_worker.domain.schedule_difference import Difference, difference_of, difference_of_stranger, unreadable_of
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork

MARGIN = timedelta(days=1)
"""The comparison begins so long before now: what ran just now is recorded soon."""

TOGETHER = timedelta(days=7)
"""The dates of one list: a portfolio's whole list would outlast a lease, and be large."""

MOST_READ = 50
"""Of our schedules that differ in the list, so many are read singly by one comparison, the nearest dates first."""


class ListUnread(Unavailable):
    """PortOne's list of schedules could not be read."""


@dataclass(slots=True)
class Compared:
    """The result of a comparison."""

    start: datetime
    end: datetime
    agreeing: int = 0
    foreign: int = 0
    """Schedules at PortOne that concern no key that is charged here."""
    differences: list[Difference] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Orders of ours that differ in the list, and could not be read singly, or were too many."""


def nothing() -> None:
    """The default of what is done before each call."""


def coming(ports: Ports) -> Span:
    """The dates that can be registered at PortOne now, with a margin."""
    now = ports.clock.moment().billing
    return now - MARGIN, now + AHEAD + MARGIN


def compare_schedules(ports: Ports, span: Span | None = None, before_call: Callable[[], None] = nothing) -> Compared:
    """Compare the schedules whose dates lie in this span, or else in all that can be registered. Raises ListUnread."""
    found = Compared(*(span or coming(ports)))
    run = _Run(ports, found, before_call)
    start = found.start
    while start < found.end:
        end = min(start + TOGETHER, found.end)
        before_call()
        listing = ports.gateway.schedules_between(start, end)
        if listing.trouble is not None:
            raise ListUnread(f"PortOne's schedules could not be read: {listing.trouble}")
        run.look_at(listing, start, end)
        start = end
    return found


@dataclass(slots=True)
class _Run:
    """One comparison, part by part."""

    ports: Ports
    found: Compared
    before_call: Callable[[], None]
    seen: set[str] = field(default_factory=set)
    """Orders of ours that were compared: the two dates of one that was moved may lie in two parts."""
    reads: int = 0

    def look_at(self, listing: ScheduleListing, start: datetime, end: datetime) -> None:
        """Compare one part of the list with ours of the same dates, and with all that it names."""
        shown = {each.merchant_uid: each for each in listing.schedules}
        garbled = {row.merchant_uid: row for row in listing.unreadable}
        with self.ports.database.transaction() as uow:
            own = {each.merchant_uid: each for each in uow.schedules.to_compare(start, end, [*shown, *garbled])}
            strangers = [each for order, each in shown.items() if order not in own]
            self._note_strangers(uow, strangers, [row for row in listing.unreadable if row.merchant_uid not in own])
        for ours in sorted(own.values(), key=lambda each: (each.schedule_at, each.id)):
            order, theirs = ours.merchant_uid, shown.get(ours.merchant_uid)
            differs = order in garbled or difference_of(ours, theirs) is not None
            if order in self.seen or not (differs or theirs is not None):
                continue
            self.seen.add(order)
            if differs:
                self._read(ours, garbled.get(order))
            else:
                self.found.agreeing += ours.status is ScheduleStatus.REGISTERED

    def _read(self, ours: Schedule, garbled: UnreadableSchedule | None) -> None:
        """Read it singly, and compare that with what is here then."""
        if self.reads >= MOST_READ:
            self.found.unread.append(ours.merchant_uid)
            return
        self.reads += 1
        self.before_call()
        reading = self.ports.gateway.read_schedule(ours.merchant_uid)
        with self.ports.database.transaction() as uow:
            ours = uow.schedules.get(ours.id)
        if reading.trouble is None:
            difference = difference_of(ours, reading.schedule)
            self.found.agreeing += difference is None and ours.status is ScheduleStatus.REGISTERED
        elif garbled is not None:
            difference = unreadable_of(ours, garbled)
        else:
            difference = None
            self.found.unread.append(ours.merchant_uid)
        self.found.differences += [difference] if difference is not None else []

    def _note_strangers(
        self, uow: UnitOfWork, shown: Sequence[GatewaySchedule], garbled: Sequence[UnreadableSchedule]
    ) -> None:
        """Note what no schedule here says, and may charge one of our keys, or bears a number of ours.

        A number of ours counts whichever card it charges: after a restore, the books may have forgotten the customer.
        What the old biller has scheduled for a key in shadow is expected.
        """
        every: list[GatewaySchedule | UnreadableSchedule] = [*shown, *garbled]
        rows = [row for row in every if row.may_run]
        uids = list({row.customer_uid for row in rows if row.customer_uid})
        keys = uow.keys.with_customer_uids(uids)
        in_shadow = uow.shadow.keys_in_shadow(uids, everything=self.ports.shadow)
        for row in rows:
            number = read_merchant_uid(row.merchant_uid)
            key_id = keys.get(row.customer_uid) if row.customer_uid not in in_shadow else None
            is_ours = key_id is not None or (number is not None and number.environment == self.ports.environment)
            hides_whose = isinstance(row, UnreadableSchedule) and not row.customer_uid
            if is_ours or hides_whose:
                self.found.differences.append(difference_of_stranger(row, key_id))
            else:
                self.found.foreign += 1
