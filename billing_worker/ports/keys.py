"""Billing keys, and the payments at Paymentwall that issue them, as use cases see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.pingback import PingbackPayment


class Pingbacks(Protocol):
    """Payments at Paymentwall, as their pingbacks describe them."""

    def start(self, ref: str, uid: str, goodsid: str | None, now: datetime) -> PingbackPayment:
        """The payment with this ref, locked until the end of the transaction; stored as new if it is unknown."""

    def save(self, payment: PingbackPayment) -> None:
        """Write the payment back."""

    def newest(self, uid: str, goodsid: str | None) -> PingbackPayment | None:
        """The newest payment of this uid that is not undecided; only of this goodsid, if given."""


class BillingKeys(Protocol):
    """Billing keys."""

    def get(self, key_id: str) -> BillingKey:
        """The key. Raises NotFound."""

    def lock(self, key_id: str) -> BillingKey:
        """The key, locked until the end of the transaction. Raises NotFound."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of pending keys whose next look is due, oldest first. Postpones their look to `lease_until`."""

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""

    def add(self, key: BillingKey) -> None:
        """Store a new key. Raises Conflict, with the id of the key that already has its customer_uid or external_id."""

    def save(self, key: BillingKey) -> None:
        """Write the key back."""

    def pg_providers(self) -> Sequence[str]:
        """The names of all PGs that have a key."""


class KeyRecords(Protocol):
    """The records of billing keys in a transaction."""

    @property
    def keys(self) -> BillingKeys:
        """Billing keys."""

    @property
    def pingbacks(self) -> Pingbacks:
        """Payments at Paymentwall."""
