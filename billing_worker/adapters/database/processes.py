"""The processes of this installation in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.stops import SCOPE_OF_INVOICE
from billing_worker.adapters.database.tables.operation import process_watches, processes, refused_notifications
from billing_worker.adapters.database.tables.schema import in_list
from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.moment import Moment
from billing_worker.domain.presence import Observed, Presence, Source, Unstarted, Watch
from billing_worker.domain.subscription import COLLECTING, RENEWING
from billing_worker.ports.presence import Refusals

WATCH = "processes"
"""The id of the one row of the watch."""

REHEARSAL = "rehearsal"
"""The id of a row that is always rolled back."""

LONGEST_REHEARSAL_MS = 2_000
"""A first act takes milliseconds: a session that holds its lock for so long is stuck."""

A_DAY = timedelta(days=1)
TOLD_WITHIN = timedelta(minutes=10)
"""A payment younger than this may still be told of."""
REFUSALS_KEPT = timedelta(days=7)

_WATCH = select(process_watches.c.since, process_watches.c.seen_at).where(process_watches.c.id == WATCH)

# Where charges begin, the last line alone is read.
_UNSTARTED = text(f"""
    SELECT count(*) AS count, min(since) AS since FROM (
        SELECT i.next_attempt_at AS since FROM invoices i
        LEFT JOIN subscriptions s ON s.id = i.subscription_id
        JOIN billing_keys k ON k.id = i.billing_key_id
        WHERE i.status = 'open' AND i.next_attempt_at <= :before
          AND k.status <> 'pending' AND (i.subscription_id IS NULL OR {in_list("s.status", COLLECTING)})
          AND NOT EXISTS (SELECT FROM payment_attempts a
                          WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))
          AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                          AND t.scope IN ('all', 'pg:' || k.pg_provider, {SCOPE_OF_INVOICE}))
        UNION ALL
        SELECT s.next_period_start FROM subscriptions s
        JOIN billing_keys k ON k.id = s.billing_key_id
        WHERE {in_list("s.status", RENEWING)} AND s.held_since IS NULL AND s.next_period_start <= :before
          AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                          AND t.scope IN ('all', 'pg:' || k.pg_provider, 'subscription:' || s.id))) waiting
    WHERE NOT EXISTS (SELECT FROM payment_attempts WHERE started_at > :before)
""")  # noqa: S608 - made of constants

_CAME = text("SELECT EXISTS (SELECT FROM inbox WHERE received_at > :since AND source = :source)")

_PINGBACKS = text("SELECT EXISTS (SELECT FROM pingback_payments)")

_PAID = text("""
    SELECT count(*) FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id
    WHERE a.closed_at > :since AND a.closed_at <= :until AND a.imp_uid IS NOT NULL AND a.status = 'approved'
      AND k.pg_provider = coalesce(:pg, k.pg_provider)
""")


class SqlProcesses:
    """Signs of processes, and the facts of a look at them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def give_sign(self, sign: Presence) -> None:
        """Keep the newest sign of a process."""
        values = {name: getattr(sign, name) for name in ("role", "seen_at", "rung_at", "worked_at")}
        values |= {"queues": list(sign.queues)}
        statement = insert(processes).on_conflict_do_update(index_elements=["name"], set_=values)
        self._connection.execute(statement, values | {"name": sign.name, "started_at": sign.started_at})

    def leave(self, name: str) -> None:
        """Forget a process that ended as it should."""
        self._connection.execute(delete(processes).where(processes.c.name == name))

    def forget(self, before: datetime) -> None:
        """Forget those whose last sign is older."""
        self._connection.execute(delete(processes).where(processes.c.seen_at < before))

    def lock_watch(self, real_now: datetime) -> Watch | None:
        """The watch, locked until the end of the transaction; None while another process looks."""
        first = {"id": WATCH, "since": real_now, "seen_at": real_now - A_DAY}
        self._connection.execute(insert(process_watches).on_conflict_do_nothing(), first)
        row = self._connection.execute(_WATCH.with_for_update(skip_locked=True)).mappings().one_or_none()
        return None if row is None else Watch(**row)

    def save_watch(self, watch: Watch) -> None:
        """Write the watch back."""
        here = process_watches.c.id == WATCH
        self._connection.execute(update(process_watches).where(here).values(since=watch.since, seen_at=watch.seen_at))

    def rehearse(self, real_now: datetime) -> None:
        """Take the lock of a first act, and write a row that is not to be kept. Raises Busy, Unavailable."""
        self._connection.execute(text(f"SET LOCAL lock_timeout = {LONGEST_REHEARSAL_MS}"))
        self._connection.execute(select(func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value)))
        self._connection.execute(insert(process_watches), {"id": REHEARSAL, "since": real_now, "seen_at": real_now})

    def observe(self, moment: Moment, unstarted_after: timedelta) -> Observed:
        """All facts of a look. `unstarted_after` is billing time."""
        found = self._connection.execute(select(processes).order_by(processes.c.name)).mappings()
        row = self._connection.execute(_WATCH).mappings().one_or_none()
        due = {"before": moment.billing - unstarted_after}
        unstarted = self._connection.execute(_UNSTARTED, due).mappings().one()
        sources = [self._source("portone", None, moment)]
        # Pingbacks are missed only where some came before: few merchants let Paymentwall send them here, too.
        if self._connection.execute(_PINGBACKS).scalar_one():
            sources.append(self._source("paymentwall", PAYMENTWALL, moment))
        return Observed(
            processes=[Presence(**{**each, "queues": tuple(each["queues"])}) for each in found],
            watch=None if row is None else Watch(**row),
            unstarted=Unstarted(**unstarted),
            sources=sources,
        )

    def add_refused(self, real_now: datetime, refused: Refusals) -> None:
        """Count refused notifications: one row an hour, source and reason."""
        hour = real_now.replace(minute=0, second=0, microsecond=0)
        statement = insert(refused_notifications)
        added = {"count": refused_notifications.c.count + statement.excluded.count}
        adding = statement.on_conflict_do_update(index_elements=["hour", "source", "reason"], set_=added)
        # In one order: two processes that add the same ones wait for each other only one way.
        for (source, reason), count in sorted(refused.items()):
            self._connection.execute(adding, {"hour": hour, "source": source, "reason": reason, "count": count})
        too_old = refused_notifications.c.hour < real_now - REFUSALS_KEPT
        self._connection.execute(delete(refused_notifications).where(too_old))

    def refused_since(self, since: datetime) -> Sequence[tuple[str, str, int]]:
        """Source, reason and count of refused notifications, to the hour; the most frequent first."""
        table = refused_notifications.c
        total = func.sum(table.count)
        wanted = select(table.source, table.reason, total).where(table.hour > since)
        ordered = wanted.group_by(table.source, table.reason).order_by(total.desc(), table.source, table.reason)
        return [(source, reason, int(count)) for source, reason, count in self._connection.execute(ordered)]

    def _source(self, source: str, pg: str | None, moment: Moment) -> Source:
        came = {"source": source, "since": moment.real - A_DAY}
        if self._connection.execute(_CAME, came).scalar_one():
            return Source(source, came=True, paid=0)
        paid = {"since": moment.billing - A_DAY, "until": moment.billing - TOLD_WITHIN, "pg": pg}
        count = int(self._connection.execute(_PAID, paid).scalar_one())
        refused = [(reason, n) for of, reason, n in self.refused_since(moment.real - A_DAY) if of == source]
        most = refused[0][0] if refused else None
        return Source(source, came=False, paid=count, refused=sum(n for _, n in refused), reason=most)
