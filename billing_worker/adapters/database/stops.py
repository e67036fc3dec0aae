"""Stops, and who claimed this database, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, ScalarSelect, bindparam, func, insert, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables import billing_keys, environment_claims, invoices, stops
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.stop import ALL, LONGEST_REASON, PG, SUBSCRIPTION, Stop, StopCause, scopes_of
from billing_worker.domain.text import spellings
from billing_worker.ports import Spent

LONGEST_ACT_MS = 4_000
"""A first act takes milliseconds; one that lasts longer hangs, and nobody who stops the line waits for it."""

_OPEN = stops.c.closed_at.is_(None)

ON_INVOICE: ScalarSelect[int] = (
    select(stops.c.id)
    .where(
        _OPEN
        & or_(
            stops.c.scope == ALL,
            stops.c.scope == literal(PG).concat(billing_keys.c.pg_provider),
            stops.c.scope == literal(SUBSCRIPTION).concat(invoices.c.subscription_id),
        )
    )
    .order_by(stops.c.id)
    .limit(1)
    .scalar_subquery()
    .correlate(billing_keys, invoices)
)
"""The first open stop that holds the charges of an invoice, in a query of invoices and their keys."""

_REASON = f"""
    CASE WHEN excluded.cause <> 'breach' OR strpos(excluded.reason, stops.reason) > 0 THEN excluded.reason
         WHEN strpos(stops.reason, excluded.reason) > 0 THEN stops.reason
         ELSE left(stops.reason || '; ' || excluded.reason, {LONGEST_REASON}) END
"""

ELSEWHERE = (
    select(environment_claims.c.database != func.database_identity())
    .order_by(environment_claims.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
"""Whether this is another database than the one that was claimed; NULL where nobody claimed any."""

_WAITING = text("""
    SELECT count(*) FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
    WHERE i.status = 'open' AND i.next_attempt_at <= :now
      AND :scope IN ('all', 'pg:' || k.pg_provider, 'subscription:' || i.subscription_id)
      AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.closed_at IS NULL)
""")


class SqlStops(Repository[Stop]):
    """Stops."""

    table = stops
    kind = "stop"
    hydrate = staticmethod(rows.to_stop)

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging there; where it is stopped for this cause already, its reason is renewed and subjects added.

        The reason of a breach is added, too: whoever clears the stop accepts all of them, and must have read them.
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

    def holding(self, subscription_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold this subscription's charges on a key of this PG, oldest first."""
        scopes = scopes_of(subscription_id, pg_provider)
        return self._many(select(stops).where(_OPEN & stops.c.scope.in_(scopes)).order_by(stops.c.id))

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped there for this cause."""
        here = _OPEN & (stops.c.scope == scope) & (stops.c.cause == cause)
        return bool(self._connection.execute(select(select(stops.c.id).where(here).exists())).scalar_one())

    def accepted(self, cause: StopCause) -> frozenset[str]:
        """Subjects of stops of this cause that a person cleared."""
        closed = select(func.unnest(stops.c.subjects)).where(~_OPEN & (stops.c.cause == cause))
        return frozenset(self._connection.execute(closed).scalars())

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When a person last cleared a stop there."""
        here = (stops.c.scope == scope) & (stops.c.cause == cause)
        newest = select(stops.c.closed_at).where(here & ~_OPEN).order_by(stops.c.closed_at.desc()).limit(1)
        return self._connection.execute(newest).scalar_one_or_none()

    def waiting(self, scope: str, now: datetime) -> int:
        """How many invoices are due there and not started."""
        return int(self._connection.execute(_WAITING, {"scope": scope, "now": now}).scalar_one())

    def wait_for_begun(self) -> None:
        """Wait until every first act that had begun has ended. Raises Unavailable when one hangs."""
        self._connection.execute(text(f"SET LOCAL lock_timeout = {LONGEST_ACT_MS}"))
        self._connection.execute(
            select(func.pg_advisory_xact_lock(bindparam("key"))), {"key": AdvisoryLock.CHARGING.value}
        )


_HERE = text("SELECT database_identity()")

_CLAIM_FIRST = text("""
    INSERT INTO environment_claims (database, gateway, environment, claimed_at)
    SELECT :database, :gateway, :environment, :now
    WHERE NOT EXISTS (SELECT FROM environment_claims) AND NOT EXISTS (SELECT FROM payment_attempts)
""")


class SqlEnvironment:
    """Who claimed this database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def database(self) -> str:
        """What tells this database from every copy of it."""
        return str(self._connection.execute(_HERE).scalar_one())

    def claimed(self) -> Fingerprint | None:
        """The claim that is in force."""
        named = (environment_claims.c.database, environment_claims.c.gateway, environment_claims.c.environment)
        newest = select(*named).order_by(environment_claims.c.id.desc()).limit(1)
        row = self._connection.execute(newest).one_or_none()
        return None if row is None else Fingerprint(*row)

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that nobody claimed and in which nothing was ever charged; else change nothing."""
        # Two first scans at once must not claim it for two accounts.
        self._connection.execute(text("LOCK TABLE environment_claims IN SHARE ROW EXCLUSIVE MODE"))
        self._connection.execute(_CLAIM_FIRST, asdict(fingerprint) | {"now": now})

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""
        self._connection.execute(insert(environment_claims), asdict(fingerprint) | {"claimed_at": now})


_SPENT = text("""
    SELECT count(*) AS count,
           coalesce(sum(amount) FILTER (WHERE currency = :currency AND status <> 'declined'), 0)::bigint AS amount
    FROM payment_attempts WHERE started_at > :since AND status <> 'failed' AND NOT found
""")
"""What somebody charged at the gateway's console is none of this worker's charges."""

_SPENT_BY_CUSTOMER = text("""
    SELECT count(*) AS count, coalesce(sum(a.amount), 0)::bigint AS amount
    FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id JOIN subscriptions s ON s.id = i.subscription_id
    WHERE s.customer = ANY(:customers) AND a.started_at > :since AND a.currency = :currency
      AND a.status IN ('in_flight', 'unknown', 'approved')
""")

_KEYS_LOST = text("""
    SELECT count(DISTINCT billing_key_id) FILTER (WHERE decline_kind = 'hard' AND reason ~ :pattern),
           count(DISTINCT billing_key_id)
    FROM payment_attempts WHERE started_at > :since AND closed_at IS NOT NULL AND status <> 'failed'
""")


class SqlSpending:
    """What was charged lately. Read only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def since(self, since: datetime, currency: str) -> Spent:
        """Everything begun after `since`: the number of charges, and the sum of what was or may have been taken."""
        row = self._connection.execute(_SPENT, {"since": since, "currency": currency})
        return Spent(**row.mappings().one())

    def of_customer(self, customer: str, since: datetime, currency: str) -> Spent:
        """The same for one customer, in this currency, over all subscriptions, also those of an older spelling."""
        wanted = {"customers": list(spellings(customer)), "since": since, "currency": currency}
        return Spent(**self._connection.execute(_SPENT_BY_CUSTOMER, wanted).mappings().one())

    def lost_keys(self, since: datetime, pattern: str) -> tuple[int, int]:
        """Keys that the gateway called unknown, in the words of `pattern`, and all keys charged since then."""
        lost, charged = self._connection.execute(_KEYS_LOST, {"since": since, "pattern": pattern}).one()
        return lost, charged
