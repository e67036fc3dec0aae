"""How a module that writes one kind of call gets it sent, and its answer kept."""

from collections.abc import Sequence
from typing import Protocol

from billing_worker.adapters.portone.client import Result
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.payment import Evidence


class Ask(Protocol):
    """Sends one call, whose answer is blanked of these texts before any other code reads it."""

    def __call__(self, call: Call, also_secret: Sequence[str] = ()) -> Result:
        """The result."""


class Record(Protocol):
    """Makes evidence of an answer, without these texts."""

    def __call__(self, call: Call, status: int | None, body: bytes, also_secret: Sequence[str] = ()) -> Evidence:
        """The evidence."""
