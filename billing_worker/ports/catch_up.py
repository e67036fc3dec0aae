"""Late work, as the use cases see it: what waits, at which pace it starts, and what a person decided."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.catch_up import Bucket, CatchUpMode
from billing_worker.domain.subscription import Subscription


class Work(StrEnum):
    """What is paced, each with a bucket of its own, so that neither starves the other."""

    RENEWALS = "renewals"
    INVOICES = "invoices"
    FOREIGN_READS = "foreign_reads"
    """Reads of the gateway about notifications whose merchant_uid was never ours."""
    TIDYING = "tidying"
    """Looking after the inbox: once a minute."""


@dataclass(frozen=True, slots=True)
class DueBetween:
    """Which due work a scan may claim: due later than `after`, and at `until` at the latest (billing time).

    `failed` narrows invoices to those that could not be placed before (True), or to the others (False).
    """

    after: datetime
    until: datetime
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose late periods are meant: one subscription's, one plan's, or everybody's where neither is named."""

    plan_id: str | None = None
    subscription_id: str | None = None


class CatchUp(Protocol):
    """Late subscriptions and invoices, and the buckets that pace them."""

    def late(self, before: datetime, chosen: Chosen) -> Generator[Subscription]:
        """Renewing subscriptions whose next period began at or before this, oldest first.

        Read only, no locks. Close it before the transaction ends.
        """

    def decide(self, mode: CatchUpMode, before: datetime, until: datetime, chosen: Chosen) -> Mapping[str, int]:
        """Note a person's word on the periods that had begun by `until`, and end the hold.

        Only for subscriptions whose next period began at or before `before`; returns how many, by plan.
        """

    def held(self, plan_id: str) -> int:
        """How many subscriptions of a plan wait for a person."""

    def answered(self) -> Sequence[str]:
        """Plans whose alert is open although nobody of them waits any more."""

    def unasked(self) -> Sequence[str]:
        """Plans of which somebody waits for a person although no alert is open: it was closed by hand."""

    def waits(self, work: Work, before: datetime, now: datetime, real_now: datetime) -> bool:
        """Whether there is work of this kind that nobody has claimed and that is due since `before` or failed."""

    def lock_bucket(self, work: Work, real_now: datetime, *, full: bool = False) -> Bucket:
        """The bucket, locked until the end of the transaction; an empty one, or a full one, where there is none yet."""

    def save_bucket(self, bucket: Bucket) -> None:
        """Write the bucket back."""
