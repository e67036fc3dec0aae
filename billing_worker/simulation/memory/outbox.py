"""Events for the merchant, and the receiver's health, in memory, as their SQL tables store them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.errors import NotFound
from billing_worker.domain.events import Event
from billing_worker.domain.moment import Moment
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.simulation.memory.tables import DueIndex, Entry, Table, either
from billing_worker.simulation.memory.unserved import Unserved


@dataclass(slots=True)
class Stream:
    """The last used place in a stream."""

    id: str
    last_sequence: int


class Streams(Table[Stream]):
    """Streams of events."""

    kind, entity = "stream", Stream


class MemoryOutbox(Table[OutboxMessage]):
    """Events for the merchant."""

    kind, entity = "event", OutboxMessage

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self.due = DueIndex()
        self.streams = Streams(journal)
        self._queues: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._leased: set[str] = set()

    def watch(self, before: OutboxMessage | None, after: OutboxMessage | None) -> None:
        """Index the first waiting event of each stream: only that may be sent."""
        row = either(before, after)
        queue = self._queues[row.event.stream_id]
        was, waits = next(iter(queue), None), after is not None and after.waits
        if waits:
            queue.setdefault(row.id)
        else:
            queue.pop(row.id, None)
        if waits and before is not None and not before.waits:
            # A delivery was undone: its event comes before later ones.
            queue = self._queues[row.event.stream_id] = {row.id: None} | queue
        if after is not None and after.lease_until is not None:
            self._leased.add(row.id)
        else:
            self._leased.discard(row.id)
        first = next(iter(queue), None)
        for ident in {was: None, row.id: None, first: None}:
            if ident is not None:
                self.due.set(ident, self._due_from(ident) if ident == first else None)

    def _due_from(self, ident: str) -> datetime:
        row = self.rows[ident]
        return row.next_try_at if row.lease_until is None else max(row.next_try_at, row.lease_until)

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of messages to deliver, longest wait first, at most one per stream; leased to the caller."""
        ids = self.due.take_of(real_now, limit, lambda ident: self.rows[ident].next_try_at)
        for ident in ids:
            message = self.get(ident)
            message.lease_until = lease_until
            self.save(message)
        return ids

    def claim_early(self, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused message that waits for a later time: a probe of the receiver, another each time."""
        waiting = [
            row
            for row in self.rows.values()
            if row.waits and row.tries > 0 and row.next_try_at > real_now and not self._is_leased(row, real_now)
        ]
        free = [row for row in waiting if not self.held_back(row)]
        if not free:
            return []
        message = self.get(min(free, key=lambda row: (row.fence, row.next_try_at)).id)
        message.lease_until = lease_until
        self.save(message)
        return [message.id]

    @staticmethod
    def _is_leased(row: OutboxMessage, real_now: datetime) -> bool:
        return row.lease_until is not None and row.lease_until > real_now

    def under_way(self, real_now: datetime) -> int:
        """The number of events that are claimed or being sent."""
        ends = (self.rows[ident].lease_until for ident in self._leased)
        return sum(end is not None and end > real_now for end in ends)

    def held_back(self, message: OutboxMessage) -> bool:
        """Whether an earlier event of its stream waits."""
        return next(iter(self._queues[message.event.stream_id])) != message.id

    def given_up(self) -> int:
        """The number of events given up."""
        return sum(row.abandoned_at is not None for row in self.rows.values())

    def hasten(self, real_now: datetime) -> int:
        """Make all events that wait for another try due now, as if not tried before; returns their number."""
        tried = [row.id for row in self.rows.values() if row.waits and row.tries > 0]
        for ident in tried:
            message = self.get(ident)
            message.next_try_at, message.tries, message.first_tried_at = real_now, 0, None
            self.save(message)
        return len(tried)

    def resume(self, real_now: datetime) -> int:
        """Make them due now after an outage of the receiver; returns their number."""
        tried = [row.id for row in self.rows.values() if row.waits and row.tries > 0]
        for ident in tried:
            message = self.get(ident)
            message.next_try_at = real_now
            self.save(message)
        return len(tried)

    def forget(self, before: datetime, limit: int) -> int:  # noqa: ARG002 - the port's
        """Delete no event: a run keeps all of them to its end."""
        return 0

    def let_go(self, before: datetime, real_now: datetime, limit: int) -> int:  # noqa: ARG002 - the port's
        """A run also keeps the events that have no receiver."""
        return 0

    def announce(self, ident: str, event: Event, moment: Moment) -> None:
        """Write one event in the next place of its stream."""
        name = event.stream_id
        if name not in self.streams.rows:
            self.streams.add(Stream(name, 0))
        stream = self.streams.get(name)
        stream.last_sequence += 1
        self.streams.save(stream)
        super().add(OutboxMessage(ident, event, moment.billing, moment.real, 0, None, None, stream.last_sequence))

    latest: Any = Unserved()
    of_stream: Any = Unserved()
    replay: Any = Unserved()


class MemoryEndpoints(Table[Endpoint]):
    """The health of the merchant's receiver."""

    kind, entity = "endpoint", Endpoint

    def find(self, ident: str) -> Endpoint | None:
        """The endpoint, if it is stored."""
        try:
            return self.get(ident)
        except NotFound:
            return None

    def add(self, entity: Endpoint) -> bool:
        """Store a new one; False if it is already stored."""
        if entity.id in self.rows:
            return False
        super().add(entity)
        return True
