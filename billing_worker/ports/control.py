"""What may hold a charge back: stops, the claimed environment, budgets, and the pace and decisions of late work."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.catch_up import Bucket, CatchUpMode
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import Stop, StopCause
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


@dataclass(frozen=True, slots=True)
class Spent:
    """What was charged, or may have been, within a window."""

    count: int
    amount: int
    """Of the one currency that was asked for, in minor units."""


class CatchUp(Protocol):
    """Late subscriptions and invoices, and the buckets that pace them."""

    def late(self, before: datetime, chosen: Chosen) -> Generator[Subscription]:
        """Renewing subscriptions whose next period began at or before this, oldest first.

        Read only, no locks. Close it before the transaction ends.
        """

    def decide(self, mode: CatchUpMode, before: datetime, until: datetime, chosen: Chosen) -> Mapping[str, int]:
        """Note an operator's word on the periods that had begun by `until`, and end the hold.

        Only for subscriptions whose next period began at or before `before`; returns how many, by plan.
        """

    def held(self, plan_id: str) -> int:
        """How many subscriptions of a plan wait for an operator."""

    def answered(self) -> Sequence[str]:
        """Plans whose alert is open although nobody of them waits any more."""

    def unasked(self) -> Sequence[str]:
        """Plans of which somebody waits for an operator although no alert is open: it was closed by hand."""

    def waits(self, work: Work, before: datetime, moment: Moment) -> bool:
        """Whether there is work of this kind that nobody has claimed and that is due since `before` or failed."""

    def lock_bucket(self, work: Work, real_now: datetime, *, full: bool = False) -> Bucket:
        """The bucket, locked until the end of the transaction; an empty one, or a full one, where there is none yet."""

    def save_bucket(self, bucket: Bucket) -> None:
        """Write the bucket back."""


class Stops(Protocol):
    """Where, and why, no new charge may begin."""

    def get(self, stop_id: int) -> Stop:
        """The stop. Raises NotFound."""

    def lock(self, stop_id: int) -> Stop:
        """The stop, locked until the end of the transaction. Raises NotFound."""

    def save(self, stop: Stop) -> None:
        """Write the stop back."""

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging there; where it is stopped for this cause already, its reason is renewed and subjects added.

        The reason of a breach is added, too: whoever clears the stop accepts all of them, and must have read them.
        """

    def list_open(self) -> Sequence[Stop]:
        """Open stops, oldest first."""

    def holding(self, subscription_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold this subscription's charges on a key of this PG, oldest first."""

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped there for this cause."""

    def accepted(self, cause: StopCause) -> frozenset[str]:
        """Subjects of stops of this cause that an operator cleared."""

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When an operator last cleared a stop there."""

    def waiting(self, scope: str, now: datetime) -> int:
        """How many invoices are due there and not started."""

    def wait_for_begun(self) -> None:
        """Wait until every first act that had begun has ended. Raises Unavailable when one hangs."""


class Environment(Protocol):
    """Who claimed this database."""

    def database(self) -> str:
        """What tells this database from every copy of it."""

    def claimed(self) -> Fingerprint | None:
        """The claim that is in force."""

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that nobody claimed and in which nothing was ever charged; else change nothing."""

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""


class Spending(Protocol):
    """What was charged lately. Read only."""

    def since(self, since: datetime, currency: str) -> Spent:
        """Everything begun after `since`: the number of charges, and the sum of what was or may have been taken."""

    def of_customer(self, customer: str, since: datetime, currency: str) -> Spent:
        """The same for one customer, in this currency, over all subscriptions."""

    def lost_keys(self, since: datetime, pattern: str) -> tuple[int, int]:
        """Keys that the gateway called unknown, in the words of `pattern`, and all keys charged since then."""


class ControlRecords(Protocol):
    """What a transaction offers about what may hold a charge back."""

    @property
    def stops(self) -> Stops:
        """Stops."""

    @property
    def environment(self) -> Environment:
        """Whose database this is."""

    @property
    def spending(self) -> Spending:
        """What was charged lately."""

    @property
    def catch_up(self) -> CatchUp:
        """Late work."""
