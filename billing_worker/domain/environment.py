"""The database, the gateway account and the environment's name: none of them may change unnoticed.

A restored backup, a copied database or a staging system with live credentials would charge a second time what the
original charges. Such a copy has another fingerprint, and charges nothing until an operator claims it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of one installation. Holds no secret."""

    database: str
    """`SYSTEM/DATABASE/TIMELINE`: PostgreSQL's system identifier, the database's oid and the timeline of its
    write-ahead log; `?` for a part that this role may not read."""
    gateway: str
    """Host of the gateway, and a short digest of the API key: enough to distinguish two keys, not enough to find
    one."""
    environment: str
    """The first characters of every merchant_uid."""

    def is_another_database_of(self, claimed: "Fingerprint") -> bool:
        """Whether only the database differs: the account's books at the gateway are those of the claimed one."""
        return self.database != claimed.database and (self.gateway, self.environment) == (
            claimed.gateway,
            claimed.environment,
        )

    def differences(self, claimed: "Fingerprint") -> list[str]:
        """The differences from the claimed fingerprint, one line each."""
        names = ("PostgreSQL's system identifier", "the database's oid", "the timeline of the write-ahead log")
        parts = zip(names, claimed.database.split("/"), self.database.split("/"), strict=False)
        found = [f"{name} was {was}, is {now}" for name, was, now in parts if was != now]
        if self.gateway != claimed.gateway:
            found.append(f"the gateway's account was {claimed.gateway}, is {self.gateway}")
        if self.environment != claimed.environment:
            found.append(f"BILLING_ENVIRONMENT was {claimed.environment}, is {self.environment}")
        return found
