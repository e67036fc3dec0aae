"""What comes back from the second gateway."""

from dataclasses import dataclass
from typing import Any

from billing_worker.domain.payment import Evidence

OK = "OK"


@dataclass(frozen=True)
class Said:
    """An answer: its type (OK without one), its fields, and itself as evidence."""

    type: str
    fields: dict[str, Any]
    evidence: Evidence


@dataclass(frozen=True)
class Silence:
    """No answer that could be read."""

    reason: str
    sent: bool = True
