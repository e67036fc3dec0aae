"""The state of a database before work starts."""

from collections.abc import Sequence
from dataclasses import dataclass

VERSION_TABLE = "billing_alembic_version"
"""Our own name: Alembic's default, `alembic_version`, belongs to the merchant's application in the same database."""

NEWEST_MIGRATION = "0031"
"""The newest migration of this release. It is written here so that no process loads the migrations at start."""
EARLIER_MIGRATIONS = frozenset(
    {
        "0001",
        "0002",
        "0003",
        "0004",
        "0004_indexes",
        "0005",
        "0006",
        "0006_numbers",
        "0006_indexes",
        "0007",
        "0007_indexes",
        "0008",
        "0009",
        "0011",
        "0011_indexes",
        "0012",
        "0012_indexes",
        "0013",
        "0014",
        "0014_indexes",
        "0015",
        "0016",
        "0016_indexes",
        "0017",
        "0018",
        "0019",
        "0019_indexes",
        "0020",
        "0021",
        "0021_indexes",
        "0022",
        "0022_indexes",
        "0023",
        "0023_indexes",
        "0024",
        "0025",
        "0025_indexes",
        "0027",
        "0028",
        "0029",
        "0029_indexes",
        "0030",
        "0030_indexes",
    }
)
"""All known migrations. Any other belongs to a newer release."""


@dataclass(frozen=True, slots=True)
class Found:
    """The state of a database, seen from one of our transactions."""

    standby: bool
    read_only: bool
    encoding: str
    role: str
    schema: str | None
    """The schema for a new table."""
    search_path: str
    may_create: bool
    versioned: bool
    """Whether our own table of migrations exists."""
    version_schema: str | None
    """The schema of that table, or else of an `alembic_version`."""
    legacy: bool
    """Whether there is an `alembic_version` together with tables that only we have."""
    present: Sequence[str]
    """Tables with our names in that schema, ours or not."""
    withheld: Sequence[str]
    """Tables with our names that this role may not use."""
    limits: Sequence[int]
    """Milliseconds."""
    version: str | None
    """The migration of our tables; None before the first one."""

    @property
    def carried_over(self) -> bool:
        """Whether our own table has the migration, not one with Alembic's name."""
        return self.versioned or self.version is None

    @property
    def is_newer(self) -> bool:
        """Whether a later release made these tables."""
        return self.version is not None and self.version not in EARLIER_MIGRATIONS | {NEWEST_MIGRATION}
