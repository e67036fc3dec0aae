"""What a database is like, before anybody works there."""

from collections.abc import Sequence
from dataclasses import dataclass

VERSION_TABLE = "billing_alembic_version"
"""Our own name: Alembic's own, `alembic_version`, belongs to the merchant's application in the same database."""

NEWEST_MIGRATION = "0014_indexes"
"""Of this release; written here so that no process loads the migrations in order to start."""
EARLIER_MIGRATIONS = frozenset(
    {"0001", "0002", "0003", "0004", "0004_indexes", "0005", "0006", "0006_numbers", "0006_indexes"}
    | {"0007", "0007_indexes", "0008", "0009", "0011", "0011_indexes", "0012", "0012_indexes", "0013", "0014"}
)
"""All others are of a newer release."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a database is like, seen from one of our own transactions."""

    standby: bool
    read_only: bool
    encoding: str
    role: str
    schema: str | None
    """Where a new table would be made."""
    search_path: str
    may_create: bool
    versioned: bool
    """Our own table of migrations is there."""
    version_schema: str | None
    """Where that table is, or else an `alembic_version`."""
    legacy: bool
    """There is an `alembic_version`, and beside it the tables that only we have."""
    present: Sequence[str]
    """Tables of our names where ours would be made, whosever they are."""
    withheld: Sequence[str]
    """Tables of our names that this role may not work with."""
    limits: Sequence[int]
    """Milliseconds."""
    version: str | None
    """The migration of our tables; None before the first one."""

    @property
    def carried_over(self) -> bool:
        """Whether our migration stands in a table of our own, not in one of Alembic's name."""
        return self.versioned or self.version is None

    @property
    def is_newer(self) -> bool:
        """Whether a later release made these tables."""
        return self.version is not None and self.version not in EARLIER_MIGRATIONS | {NEWEST_MIGRATION}
