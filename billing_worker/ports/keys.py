"""Billing keys, and the payments at Paymentwall that issue them, as use cases see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.key_call import KeyCall
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

    def claim_expiry_looks(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of keys whose month of expiry is to be looked at, oldest first. Postpones the look to `lease_until`.

        All three are billing time.
        """

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""

    def with_customer_uids(self, customer_uids: Sequence[str]) -> Mapping[str, str]:
        """Ids of the keys stored under these customer_uids, by these."""

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""

    def lock_all(self, key_ids: Sequence[str]) -> Sequence[BillingKey]:
        """These keys, locked in the order of their ids until the end of the transaction."""

    def add(self, key: BillingKey) -> None:
        """Store a new key. Raises Conflict, with the id of the key that already has its customer_uid or external_id."""

    def save(self, key: BillingKey) -> None:
        """Write the key back."""

    def charging(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions and single payments that this key still pays for, or is being charged for.

        Those are subscriptions that are not canceled, also where it is a fallback, and those with an open invoice or an
        open attempt on the key.
        """

    def pg_providers(self) -> Sequence[str]:
        """The names of all PGs that have a key."""


class KeyCalls(Protocol):
    """Calls that store or delete keys at the gateway. The key's row is their lock."""

    def get(self, call_id: str) -> KeyCall:
        """The call. Raises NotFound."""

    def add(self, call: KeyCall) -> None:
        """Store a new call. Raises Conflict while another one about this key is open."""

    def save(self, call: KeyCall) -> None:
        """Write the call back."""

    def of_key(self, key_id: str) -> Sequence[KeyCall]:
        """All calls about a key, oldest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open calls whose next step is due, oldest first. Postpones the step to `lease_until`."""


class KeyRecords(Protocol):
    """The records of billing keys in a transaction."""

    @property
    def keys(self) -> BillingKeys:
        """Billing keys."""

    @property
    def key_calls(self) -> KeyCalls:
        """Calls about keys."""

    @property
    def pingbacks(self) -> Pingbacks:
        """Payments at Paymentwall."""
