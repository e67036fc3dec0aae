"""Declines, as use cases see them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownText:
    """A text of a PG that no rule understands, and how often it came."""

    pg: str
    text: str
    """Masked; runs of digits are `#`, so that one text with other numbers counts as one."""
    count: int
    last_at: datetime
    """Billing time."""
    invoice_id: str
    """An invoice that was declined so."""
