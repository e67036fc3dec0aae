"""Events for the merchant, and the health of the merchant's receiver, in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import repository, rows
from billing_worker.adapters.database.repository import Repository, Values
from billing_worker.adapters.database.tables.outgoing import FORGOTTEN, event_endpoints, outbox
from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.events import PAYLOAD_VERSION, Event
from billing_worker.domain.moment import Moment
from billing_worker.ports.outgoing import EventFilter, OutboxMessage

# The row of a stream is locked until the commit: places are given in the order of the commits, without gaps. Streams
# are taken in the order of their ids, or two transactions could wait for each other's stream.
_ADD = text("""
    WITH told AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb))
            AS e(stream_id text, place int, total int, id text, type text, subject_id text, data jsonb)),
    stream AS (
        INSERT INTO event_streams AS s (id, last_sequence)
        SELECT stream_id, total FROM told WHERE place = 1 ORDER BY stream_id
        ON CONFLICT (id) DO UPDATE SET last_sequence = s.last_sequence + excluded.last_sequence
        RETURNING id, last_sequence)
    INSERT INTO outbox (id, type, subject_id, stream_id, stream_sequence, version, data, occurred_at, next_try_at,
                        tries, fence, replays)
    SELECT t.id, t.type, t.subject_id, t.stream_id, stream.last_sequence - t.total + t.place, :version, t.data,
           :now, :real_now, 0, 0, 0
    FROM told t JOIN stream ON stream.id = t.stream_id
    ORDER BY t.stream_id, t.place
""")

_EARLIER = """
    FROM outbox earlier
    WHERE earlier.stream_id = o.stream_id AND earlier.stream_sequence < o.stream_sequence
      AND earlier.delivered_at IS NULL AND earlier.abandoned_at IS NULL AND (earlier.replays = 0 OR o.replays > 0)
"""

_NONE_EARLIER = f"(SELECT earlier.id {_EARLIER} ORDER BY earlier.stream_id, earlier.stream_sequence LIMIT 1) IS NULL"

# One look-up per row, in the index of waiting events: with old statistics the planner would otherwise compare every
# waiting event with every other.
_CLAIM = text(f"""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM outbox o
        WHERE delivered_at IS NULL AND abandoned_at IS NULL AND next_try_at <= :real_now
          AND (lease_until IS NULL OR lease_until <= :real_now)
          AND {_NONE_EARLIER}
        ORDER BY next_try_at, sequence LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE outbox SET lease_until = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")  # noqa: S608 - no outside text in it

_CLAIM_EARLY = text(f"""
    UPDATE outbox SET lease_until = :lease_until
    WHERE id = (
        SELECT id FROM outbox o
        WHERE delivered_at IS NULL AND abandoned_at IS NULL AND tries > 0 AND next_try_at > :real_now
          AND (lease_until IS NULL OR lease_until <= :real_now)
          AND {_NONE_EARLIER}
        ORDER BY fence, next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")  # noqa: S608 - no outside text in it

_HELD_BACK = text(f"SELECT EXISTS (SELECT {_EARLIER}) FROM outbox o WHERE o.id = :ident")  # noqa: S608 - as above

_DUE_AT_ONCE = """
    WITH chosen AS MATERIALIZED (
        SELECT id FROM outbox
        WHERE delivered_at IS NULL AND abandoned_at IS NULL AND tries > 0
          AND (sending_until IS NULL OR sending_until <= :real_now)
        FOR UPDATE SKIP LOCKED)
    UPDATE outbox SET next_try_at = :real_now{more} WHERE id IN (SELECT id FROM chosen)
"""
_HASTEN = text(_DUE_AT_ONCE.format(more=", tries = 0, first_tried_at = NULL"))
_RESUME = text(_DUE_AT_ONCE.format(more=""))

_REPLAY = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id, row_number() OVER (ORDER BY sequence) - 1 AS place FROM (
            SELECT id, sequence FROM outbox
            WHERE id = ANY(:ids) AND (delivered_at IS NOT NULL OR abandoned_at IS NOT NULL)
            ORDER BY sequence FOR UPDATE) found)
    UPDATE outbox SET delivered_at = NULL, abandoned_at = NULL, note = NULL, tries = 0, first_tried_at = NULL,
        next_try_at = CAST(:real_now AS timestamptz) + chosen.place * CAST(:pause AS interval), replays = replays + 1
    FROM chosen WHERE outbox.id = chosen.id
""")

# Two kinds of events explain periods that were left out; without them an audit would take the gap for lost money. The
# index leaves them out: they would pile up at its beginning, and each scan would read all of them.
_FORGET = text(f"""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM outbox WHERE delivered_at < :before AND {FORGOTTEN}
        ORDER BY delivered_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM outbox WHERE id IN (SELECT id FROM chosen)
""")  # noqa: S608 - no outside text in it

_LET_GO = text(f"""
    WITH chosen AS MATERIALIZED (
        SELECT id, {FORGOTTEN} AS forgotten FROM outbox
        WHERE delivered_at IS NULL AND abandoned_at IS NULL AND next_try_at < :before
        ORDER BY next_try_at LIMIT :limit FOR UPDATE SKIP LOCKED),
    closed AS (
        UPDATE outbox SET delivered_at = :real_now, note = 'no receiver was named'
        WHERE id IN (SELECT id FROM chosen WHERE NOT forgotten)),
    gone AS (DELETE FROM outbox WHERE id IN (SELECT id FROM chosen WHERE forgotten))
    SELECT count(*) FROM chosen
""")  # noqa: S608 - as above


def _values(message: OutboxMessage) -> Values:
    values = repository.plain(message)
    event: Event = values.pop("event")
    stream = event.stream_id
    return values | {"type": event.type, "subject_id": event.subject_id, "stream_id": stream, "data": event.data}


class SqlOutbox(Repository[OutboxMessage]):
    """Events for the merchant."""

    table = outbox
    kind = "event"
    hydrate = staticmethod(rows.to_outbox_message)
    values = staticmethod(_values)

    def add_events(self, events: Sequence[tuple[str, Event]], moment: Moment) -> None:
        """Store several with one statement; of one stream in the order given."""
        told: list[dict[str, Any]] = []
        for stream_id, members in groupby(sorted(events, key=_stream), key=_stream):
            of_stream = list(members)
            told += [
                {"stream_id": stream_id, "place": place, "total": len(of_stream), "id": ident}
                | {"type": event.type, "subject_id": event.subject_id, "data": event.data}
                for place, (ident, event) in enumerate(of_stream, 1)
            ]
        wanted = {"version": PAYLOAD_VERSION, "now": moment.billing, "real_now": moment.real}
        self._connection.execute(_ADD, wanted | {"events": json.dumps(told)})

    def latest(self, limit: int) -> Sequence[OutboxMessage]:
        """The newest events, newest first."""
        return self._many(select(outbox).order_by(outbox.c.sequence.desc()).limit(limit))

    def of_stream(self, ident: str, limit: int) -> Sequence[OutboxMessage]:
        """Events of one subscription with all that belongs to it, or of one key, newest first."""
        own = select(outbox).where(outbox.c.stream_id == ident)
        return self._many(own.order_by(outbox.c.stream_sequence.desc()).limit(limit))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of messages to deliver, longest wait first, at most one per stream; leased to the caller."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM, wanted).scalars())

    def claim_early(self, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused message that waits for a later time: a probe of the receiver, another each time."""
        wanted = {"real_now": real_now, "lease_until": lease_until}
        return list(self._connection.execute(_CLAIM_EARLY, wanted).scalars())

    def under_way(self, real_now: datetime) -> int:
        """The number of events that are claimed or being sent."""
        statement = select(func.count()).where(outbox.c.lease_until > real_now)
        return int(self._connection.execute(statement).scalar_one())

    def held_back(self, message: OutboxMessage) -> bool:
        """Whether an earlier event of its stream waits. A replayed event holds back only other replayed events."""
        return bool(self._connection.execute(_HELD_BACK, {"ident": message.id}).scalar_one())

    def given_up(self) -> int:
        """The number of events given up and not replayed since."""
        statement = select(func.count()).where(outbox.c.abandoned_at.is_not(None))
        return int(self._connection.execute(statement).scalar_one())

    def hasten(self, real_now: datetime) -> int:
        """Make all events that wait for another try due now, as if not tried before; returns their number."""
        return self._connection.execute(_HASTEN, {"real_now": real_now}).rowcount

    def resume(self, real_now: datetime) -> int:
        """Make them due now after an outage of the receiver; returns their number."""
        return self._connection.execute(_RESUME, {"real_now": real_now}).rowcount

    def replay(self, wanted: EventFilter, real_now: datetime, pause: timedelta, limit: int) -> int:
        """Send matching events again, in order, one each `pause`; returns their number.

        Waiting events stay as they are.
        """
        closed = or_(outbox.c.delivered_at.is_not(None), outbox.c.abandoned_at.is_not(None))
        fitting = select(outbox.c.id).where(*_conditions(wanted), closed).order_by(outbox.c.sequence).limit(limit)
        ids = list(self._connection.execute(fitting).scalars())
        return self._connection.execute(_REPLAY, {"ids": ids, "real_now": real_now, "pause": pause}).rowcount

    def forget(self, before: datetime, limit: int) -> int:
        """Delete events delivered before this; returns their number. Events that an audit needs are kept."""
        return self._connection.execute(_FORGET, {"before": before, "limit": limit}).rowcount

    def let_go(self, before: datetime, real_now: datetime, limit: int) -> int:
        """Forget events that have waited for a receiver since before this; returns how many. An audit's are kept."""
        wanted = {"before": before, "real_now": real_now, "limit": limit}
        return int(self._connection.execute(_LET_GO, wanted).scalar_one())


def _stream(pair: tuple[str, Event]) -> str:
    return pair[1].stream_id


def _conditions(wanted: EventFilter) -> list[Any]:
    column, found = outbox.c, []
    if wanted.subscription_id is not None:
        found.append(column.stream_id == wanted.subscription_id)
    if wanted.type is not None:
        found.append(column.type == wanted.type)
    if wanted.failed:
        found += [column.delivered_at.is_(None), or_(column.tries > 0, column.abandoned_at.is_not(None))]
    if wanted.given_up:
        found.append(column.abandoned_at.is_not(None))
    if wanted.since is not None:
        found.append(column.occurred_at >= wanted.since)
    return found


class SqlEndpoints(Repository[Endpoint]):
    """The health of the merchant's receivers."""

    table = event_endpoints
    kind = "endpoint"
    hydrate = staticmethod(rows.to_endpoint)

    def find(self, ident: str) -> Endpoint | None:
        """The endpoint as last written."""
        row = self._connection.execute(self._get, {"ident": ident}).mappings().one_or_none()
        return self.adopt(dict(row)) if row is not None else None

    def add(self, entity: Endpoint) -> bool:
        """Store a new one; False if it is already stored."""
        statement = insert(event_endpoints).values(repository.plain(entity)).on_conflict_do_nothing()
        added = self._connection.execute(statement.returning(event_endpoints.c.id))
        return added.scalar_one_or_none() is not None
