"""The inbox in memory, as its SQL table stores it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing_worker.domain.notification import READ_WINDOW
from billing_worker.domain.payment import PaymentStatus
from billing_worker.ports.incoming import Arrival, Echo, InboxMessage, InboxStatus, Stored
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, Table, either
from billing_worker.simulation.memory.unserved import Unserved

PORTONE = "portone"
RECORDED = "the charge had been recorded from its own answer"


class MemoryInbox(Table[InboxMessage]):
    """Notifications received."""

    kind, entity = "inbox message", InboxMessage

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self._known: dict[tuple[str, str], int] = {}
        self._naming: defaultdict[str, dict[int, None]] = defaultdict(dict)
        self._number = 0
        self.due = DueIndex()

    def add_arrivals(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[Stored]:
        """Store them as if one after the other; the same one again counts, and takes this status."""
        ids = [self._put(arrival, real_now) for arrival in arrivals]
        return [Stored(row.id, row.is_foreign, row.next_try_at) for row in map(self.rows.__getitem__, ids)]

    def _put(self, arrival: Arrival, real_now: datetime) -> int:
        known = self._known.get((arrival.source, arrival.dedupe_key))
        if known is None:
            return self._put_new(arrival, real_now)
        message, next_try = self.get(known), arrival.next_try_at
        if message.read_at is not None:
            next_try = max(next_try, message.read_at + READ_WINDOW)
        waits = message.status is InboxStatus.RECEIVED
        if not waits:
            message.waiting_since = real_now
        keeps = waits and arrival.status is InboxStatus.RECEIVED
        message.next_try_at = min(message.next_try_at, next_try) if keeps else next_try
        message.not_before, message.last_received_at, message.closed_at = next_try, real_now, None
        message.deliveries, message.status, message.tries = message.deliveries + 1, arrival.status, 0
        message.is_foreign = self._is_foreign(arrival)
        self.save(message)
        return known

    def _put_new(self, arrival: Arrival, real_now: datetime) -> int:
        self._number += 1
        message = InboxMessage(
            self._number,
            arrival.source,
            arrival.dedupe_key,
            arrival.payload,
            arrival.status,
            real_now,
            arrival.next_try_at,
            tries=0,
            deliveries=1,
            note=None,
            is_foreign=self._is_foreign(arrival),
        )
        self.add(message)
        return message.id

    def _is_foreign(self, arrival: Arrival) -> bool:
        known = self._rows.invoices.order_ids.rows
        return arrival.source == PORTONE and arrival.payload["merchant_uid"] not in known

    def watch(self, before: InboxMessage | None, after: InboxMessage | None) -> None:
        """Index messages by source and dedupe key, and by the next try."""
        if after is None:
            gone = either(before, after)
            del self._known[gone.source, gone.dedupe_key]
            del self._naming[gone.payload.get("merchant_uid", "")][gone.id]
            self.due.set(gone.id, None)
            return
        self._known[after.source, after.dedupe_key] = after.id
        self._naming[after.payload.get("merchant_uid", "")][after.id] = None
        self.due.set(after.id, after.next_try_at if after.status is InboxStatus.RECEIVED else None)

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks about payments recorded as paid, but not those that an operator reopened."""
        closed = 0
        for ident in self.due.ripe(real_now):
            message = self.get(ident)
            said = message.payload
            if message.source != PORTONE or message.is_foreign or said["status"] != PaymentStatus.PAID:
                continue
            if message.waits_since > (message.last_received_at or message.received_at):
                continue
            if self._rows.attempts.echo_of(said["imp_uid"], said["merchant_uid"]) is Echo.RECORDED:
                message.status, message.note, message.closed_at = InboxStatus.APPLIED, RECORDED, real_now
                self.save(message)
                closed += 1
        return closed

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int, *, foreign: bool) -> Sequence[int]:
        """Ids of (foreign) messages that wait to be applied, oldest first. Postpones them to `lease_until`."""

        def since(ident: int) -> datetime | None:
            row = self.rows[ident]
            return row.next_try_at if row.is_foreign is foreign else None

        ids = self.due.take_of(real_now, limit, since)
        for ident in ids:
            message = self.get(ident)
            message.next_try_at = lease_until
            self.save(message)
        return ids

    def foreign_waits(self, real_now: datetime) -> bool:
        """Whether a foreign notification waits to be applied."""
        return any(self.rows[ident].is_foreign for ident in self.due.ripe(real_now))

    def read_since(self, merchant_uid: str, since: datetime, *, other_than: int) -> int:
        """The number of other notifications with this merchant_uid about which the gateway was read since then."""
        read = (self.rows[ident].read_at for ident in self._naming[merchant_uid] if ident != other_than)
        return sum(at is not None and at > since for at in read)

    list: Any = Unserved()
    count: Any = Unserved()
    lock_some: Any = Unserved()
    let_go_foreign: Any = Unserved()
    forget: Any = Unserved()
