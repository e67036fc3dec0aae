"""What a command line ended with, and what it left in the database."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("plans", "billing_keys", "subscriptions", "invoices", "outbox")


@dataclass(frozen=True)
class Said:
    """What a command line ended with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return dict(json.loads(self.err)["error"])

    def refuses(self, status: int, *words: str) -> None:
        """One line on standard error with these words, nothing on standard output, no traceback."""
        assert self.status == status, self
        assert self.out == ""
        assert self.err.startswith("billing-worker: ")
        assert len(self.err.splitlines()) == 1, self.err
        assert "Traceback" not in self.err
        assert "mistake in billing-worker" not in self.err
        for word in words:
            assert word in self.err, self.err


Command = Callable[..., Said]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | variables


def stored(database_url: str) -> dict[str, int]:
    """How many rows each table has."""
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES}  # noqa: S608
    finally:
        engine.dispose()
