"""Decisions in shadow mode, as use cases see them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from billing_worker.domain.shadow import ShadowCharge


class Shadow(Protocol):
    """What this worker would have charged, and the days that were compared with PortOne's books."""

    def add(self, charge: ShadowCharge) -> None:
        """Store a decision. A day that was compared already is compared again."""

    def save_all(self, charges: Sequence[ShadowCharge]) -> None:
        """Store the results: decisions are written back, and what only the old biller charged is new."""

    def claim_day(self, before: date, real_now: datetime, lease_until: datetime) -> date | None:
        """The oldest day before this one that is to be compared, leased to the caller; None if there is none.

        Every day counts since the first decision, also one without any.
        """

    def lock_day(self, day: date) -> bool:
        """Lock the day until the transaction ends; whether it is still to be compared."""

    def close_day(self, day: date, real_now: datetime) -> None:
        """The day is compared."""

    def decided_between(self, start: datetime, end: datetime) -> Sequence[tuple[ShadowCharge, str]]:
        """The decisions of this span (half open) without a result, each with the customer_uid that would be charged."""

    def keys_in_shadow(self, customer_uids: Sequence[str], *, everything: bool) -> dict[str, str]:
        """Those of these customer_uids that only decisions are made for, each with the id of such a subscription.

        `everything`: every subscription counts, as the whole installation is in shadow.
        """

    def explained_by(self, imp_uids: Sequence[str]) -> frozenset[str]:
        """Those of these payments that another decision is explained by already."""


class ShadowRecords(Protocol):
    """The records of shadow mode in a transaction."""

    @property
    def shadow(self) -> Shadow:
        """Shadow mode."""
