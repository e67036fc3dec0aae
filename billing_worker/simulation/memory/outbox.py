"""Events for the merchant, and what is known of the receiver, in memory, as their SQL tables keep them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.errors import NotFound
from billing_worker.domain.events import Event
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.simulation.memory.tables import DueIndex, Entry, Table, either
from billing_worker.simulation.memory.unserved import Unserved


@dataclass(slots=True)
class Stream:
    """The last place that was given in a stream."""

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
        """Only the first waiting event of each stream may be sent."""
        row = either(before, after)
        queue = self._queues[row.event.stream_id]
        was, waits = next(iter(queue), None), after is not None and after.waits
        if waits:
            queue.setdefault(row.id)
        else:
            queue.pop(row.id, None)
        if waits and before is not None and not before.waits:
            # A delivery was undone: it stands before those that came later.
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
        """Ids of messages to deliver, those first that wait longest, at most one a stream; leased to the caller."""
        ids = self.due.take_of(real_now, limit, lambda ident: self.rows[ident].next_try_at)
        for ident in ids:
            message = self.get(ident)
            message.lease_until = lease_until
            self.save(message)
        return ids

    def under_way(self, real_now: datetime) -> int:
        """How many are claimed or being sent."""
        ends = (self.rows[ident].lease_until for ident in self._leased)
        return sum(end is not None and end > real_now for end in ends)

    def held_back(self, message: OutboxMessage) -> bool:
        """Whether an earlier one of its stream waits."""
        return next(iter(self._queues[message.event.stream_id])) != message.id

    def given_up(self) -> int:
        """How many were given up."""
        return sum(row.abandoned_at is not None for row in self.rows.values())

    def hasten(self, real_now: datetime) -> int:
        """Let all that wait for another try be due now, as if they had not been tried; returns how many."""
        tried = [row.id for row in self.rows.values() if row.waits and row.tries > 0]
        for ident in tried:
            message = self.get(ident)
            message.next_try_at, message.tries, message.first_tried_at = real_now, 0, None
            self.save(message)
        return len(tried)

    def forget(self, before: datetime, limit: int) -> int:  # noqa: ARG002 - the port's
        """A run keeps every event to its end, so none is ever forgotten."""
        return 0

    def let_go(self, before: datetime, real_now: datetime, limit: int) -> int:  # noqa: ARG002 - the port's
        """Nor is one let go that has no receiver."""
        return 0

    def announce(self, ident: str, event: Event, now: datetime, real_now: datetime) -> None:
        """Write one event down, in the next place of its stream."""
        name = event.stream_id
        if name not in self.streams.rows:
            self.streams.add(Stream(name, 0))
        stream = self.streams.get(name)
        stream.last_sequence += 1
        self.streams.save(stream)
        super().add(OutboxMessage(ident, event, now, real_now, 0, None, None, stream.last_sequence))

    latest: Any = Unserved()
    of_stream: Any = Unserved()
    replay: Any = Unserved()


class MemoryEndpoints(Table[Endpoint]):
    """What is known of the merchant's receiver."""

    kind, entity = "endpoint", Endpoint

    def find(self, ident: str) -> Endpoint | None:
        """The endpoint, if it is known."""
        try:
            return self.get(ident)
        except NotFound:
            return None

    def add(self, entity: Endpoint) -> bool:
        """Store a new one; False where it is known."""
        if entity.id in self.rows:
            return False
        super().add(entity)
        return True
