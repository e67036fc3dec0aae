"""The claimed environment in PostgreSQL."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text

from billing_worker.adapters.database.tables.control import environment_claims
from billing_worker.domain.environment import Fingerprint

ELSEWHERE = (
    select(environment_claims.c.database != func.database_identity())
    .order_by(environment_claims.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
"""Whether this is another database than the claimed one; NULL without a claim."""


_HERE_AND_CLAIMED = text("""
    SELECT database_identity(), claimed.database, claimed.gateway, claimed.environment
    FROM (SELECT 1) AS here
    LEFT JOIN (SELECT * FROM environment_claims ORDER BY id DESC LIMIT 1) AS claimed ON true
""")


_CLAIM_FIRST = text("""
    INSERT INTO environment_claims (database, gateway, environment, claimed_at)
    SELECT :database, :gateway, :environment, :now
    WHERE NOT EXISTS (SELECT FROM environment_claims) AND NOT EXISTS (SELECT FROM payment_attempts)
""")


class SqlEnvironment:
    """The claim on this database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def here_and_claimed(self) -> tuple[str, Fingerprint | None]:
        """The identity that distinguishes this database from every copy of it, and the claim that is in force."""
        here, *claimed = self._connection.execute(_HERE_AND_CLAIMED).one()
        return here, None if claimed[0] is None else Fingerprint(*claimed)

    def claimed_again_at(self) -> datetime | None:
        """Billing time of the claim in force; None for the first one, which no database came before."""
        newest = select(environment_claims.c.claimed_at).order_by(environment_claims.c.id.desc()).limit(2)
        found: list[datetime] = list(self._connection.execute(newest).scalars())
        return found[0] if len(found) > 1 else None

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that has no claim and no charges; else change nothing."""
        # Two first scans at once must not claim the database for two accounts.
        self._connection.execute(text("LOCK TABLE environment_claims IN SHARE ROW EXCLUSIVE MODE"))
        self._connection.execute(_CLAIM_FIRST, asdict(fingerprint) | {"now": now})

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""
        self._connection.execute(insert(environment_claims), asdict(fingerprint) | {"claimed_at": now})
