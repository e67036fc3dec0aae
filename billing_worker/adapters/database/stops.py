"""Stops in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Table, bindparam, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys
from billing_worker.adapters.database.tables.control import stops
from billing_worker.domain.stop import ALL, INVOICE, LONGEST_REASON, PG, SUBSCRIPTION, Stop, StopCause, scopes_of

LONGEST_ACT_MS = 4_000
"""A first act takes milliseconds. A longer one hangs, and stopping the line does not wait for it."""

_OPEN = stops.c.closed_at.is_(None)


SCOPE_OF_INVOICE = f"coalesce('{SUBSCRIPTION}' || i.subscription_id, '{INVOICE}' || i.id)"
"""The smallest scope of an invoice `i`: see `scope_of`."""


def first_stop(scope: ColumnElement[str], *within: Table) -> ScalarSelect[int]:
    """The first open stop that holds charges in this smallest scope, in a query of these tables with the key."""
    own = (ALL, literal(PG).concat(billing_keys.c.pg_provider), scope)
    holding = _OPEN & or_(*(stops.c.scope == scope for scope in own))
    first = select(stops.c.id).where(holding).order_by(stops.c.id).limit(1)
    return first.scalar_subquery().correlate(*within)


_REASON = f"""
    CASE WHEN excluded.cause <> 'breach' OR strpos(excluded.reason, stops.reason) > 0 THEN excluded.reason
         WHEN strpos(stops.reason, excluded.reason) > 0 THEN stops.reason
         ELSE left(stops.reason || '; ' || excluded.reason, {LONGEST_REASON}) END
"""


_WAITING = text(f"""
    SELECT count(*) FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
    WHERE i.status = 'open' AND i.next_attempt_at <= :now
      AND :scope IN ('all', 'pg:' || k.pg_provider, {SCOPE_OF_INVOICE})
      AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.closed_at IS NULL)
""")  # noqa: S608 - made of constants


class SqlStops(Repository[Stop]):
    """Stops."""

    table = stops
    kind = "stop"
    hydrate = staticmethod(rows.to_stop)

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging in a scope. If it is already stopped for this cause, renew its reason and add the subjects.

        The reason of a breach is added too: an operator who clears the stop accepts all breaches, and must have read
        them.
        """
        values = {"scope": scope, "cause": cause, "reason": reason, "subjects": list(subjects), "opened_at": now}
        added = "ARRAY(SELECT DISTINCT unnest(stops.subjects || excluded.subjects) ORDER BY 1)"
        statement = (
            upsert(stops)
            .values(values)
            .on_conflict_do_update(
                index_elements=["scope", "cause"],
                index_where=_OPEN,
                set_={"reason": text(_REASON), "subjects": text(added)},
            )
            .returning(*stops.c)
        )
        return self.adopt(dict(self._connection.execute(statement).mappings().one()))

    def list_open(self) -> Sequence[Stop]:
        """Open stops, oldest first."""
        return self._many(select(stops).where(_OPEN).order_by(stops.c.id))

    def holding(self, owner_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold the charges of this subscription, or single payment, on a key of this PG."""
        scopes = scopes_of(owner_id, pg_provider)
        return self._many(select(stops).where(_OPEN & stops.c.scope.in_(scopes)).order_by(stops.c.id))

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped in this scope for this cause."""
        here = _OPEN & (stops.c.scope == scope) & (stops.c.cause == cause)
        return bool(self._connection.execute(select(select(stops.c.id).where(here).exists())).scalar_one())

    def accepted(self, cause: StopCause) -> frozenset[str]:
        """The subjects of the stops of this cause that an operator cleared."""
        closed = select(func.unnest(stops.c.subjects)).where(~_OPEN & (stops.c.cause == cause))
        return frozenset(self._connection.execute(closed).scalars())

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When an operator last cleared a stop in this scope."""
        here = (stops.c.scope == scope) & (stops.c.cause == cause)
        newest = select(stops.c.closed_at).where(here & ~_OPEN).order_by(stops.c.closed_at.desc()).limit(1)
        return self._connection.execute(newest).scalar_one_or_none()

    def waiting(self, scope: str, now: datetime) -> int:
        """The number of invoices in this scope that are due but not started."""
        return int(self._connection.execute(_WAITING, {"scope": scope, "now": now}).scalar_one())

    def wait_for_begun(self) -> None:
        """Wait until every first act that has begun has ended. Raises Unavailable when one hangs."""
        self._connection.execute(text(f"SET LOCAL lock_timeout = {LONGEST_ACT_MS}"))
        self._connection.execute(
            select(func.pg_advisory_xact_lock(bindparam("key"))), {"key": AdvisoryLock.CHARGING.value}
        )
