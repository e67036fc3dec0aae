"""Refunds, as use cases see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.refund import Refund


class Refunds(Protocol):
    """Refunds. The subscription's row is their lock, as for attempts."""

    def get(self, refund_id: str) -> Refund:
        """The refund. Raises NotFound."""

    def add(self, refund: Refund) -> None:
        """Store a new refund. Raises Conflict while another one of this payment is open."""

    def save(self, refund: Refund) -> None:
        """Write the refund back."""

    def of_attempt(self, attempt_id: str) -> Sequence[Refund]:
        """All refunds of one payment, oldest first."""

    def of_invoice(self, invoice_id: str) -> Sequence[Refund]:
        """All refunds of an invoice's payments, oldest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open refunds whose next step is due, oldest first. Postpones the step to `lease_until`."""


class RefundRecords(Protocol):
    """The records of refunds in a transaction."""

    @property
    def refunds(self) -> Refunds:
        """Refunds."""
