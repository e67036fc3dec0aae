"""The controls on charging: stops, the claimed environment, budgets, and the pace and decisions of late work."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.catch_up import Bucket, CatchUpMode, ServiceSpan
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.gateway_watch import GatewayWatch
from billing_worker.domain.moment import Moment
from billing_worker.domain.pg_limits import PgTurns
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.domain.subscription import Subscription


class Work(StrEnum):
    """Kinds of paced work. Each has its own bucket, so that none starves another."""

    RENEWALS = "renewals"
    INVOICES = "invoices"
    FOREIGN_READS = "foreign_reads"
    """Reads of the gateway about notifications whose merchant_uid was never ours."""
    TIDYING = "tidying"
    """The upkeep of the inbox, once a minute."""


@dataclass(frozen=True, slots=True)
class DueBetween:
    """The due work that a scan may claim: due after `after`, and no later than `until` (billing time).

    `failed` selects invoices whose charge could not be placed before (True), or the others (False).
    """

    after: datetime
    until: datetime
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The scope of a decision on late periods: one subscription, one plan, or all if neither is named."""

    plan_id: str | None = None
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """The sum charged, or possibly charged, within a window."""

    count: int
    amount: int
    """In the requested currency, in minor units."""


class CatchUp(Protocol):
    """Late subscriptions and invoices, and the buckets that pace them."""

    def late(self, before: datetime, chosen: Chosen) -> Generator[Subscription]:
        """Renewing subscriptions whose next period began at or before this, oldest first.

        Read only, no locks. Close it before the transaction ends.
        """

    def decide(self, mode: CatchUpMode, before: datetime, until: datetime, chosen: Chosen) -> Mapping[str, int]:
        """Note an operator's decision on the periods that had begun at `until`, and end the hold.

        Only for subscriptions whose next period began at or before `before`. Returns their number by plan.
        """

    def held(self, plan_id: str) -> int:
        """The number of subscriptions of a plan that wait for an operator."""

    def answered(self) -> Sequence[str]:
        """Plans whose alert is open although no subscription of theirs waits any more."""

    def unasked(self) -> Sequence[str]:
        """Plans with a waiting subscription but no open alert: the alert was closed by hand."""

    def waits(self, work: Work, before: datetime, moment: Moment) -> bool:
        """Whether there is unclaimed work of this kind that failed, or has been due since `before`."""

    def lock_bucket(self, work: Work, real_now: datetime, *, full: bool = False) -> Bucket:
        """The bucket, locked until the end of the transaction; a new one, empty or full, if none is stored."""

    def save_bucket(self, bucket: Bucket) -> None:
        """Write the bucket back."""

    def service(self) -> ServiceSpan:
        """The span of service as committed last; an empty one if none was."""

    def lock_service(self) -> ServiceSpan:
        """The same, locked until the end of the transaction."""

    def save_service(self, span: ServiceSpan) -> None:
        """Write the span back."""


class Stops(Protocol):
    """Stops: their scopes and reasons."""

    def get(self, stop_id: int) -> Stop:
        """The stop. Raises NotFound."""

    def lock(self, stop_id: int) -> Stop:
        """The stop, locked until the end of the transaction. Raises NotFound."""

    def save(self, stop: Stop) -> None:
        """Write the stop back."""

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging in a scope. If it is already stopped for this cause, renew its reason and add the subjects.

        The reason of a breach is added too: an operator who clears the stop accepts all breaches, and must have read
        them.
        """

    def list_open(self) -> Sequence[Stop]:
        """Open stops, oldest first."""

    def holding(self, subscription_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold this subscription's charges on a key of this PG, oldest first."""

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped in this scope for this cause."""

    def accepted(self, cause: StopCause) -> frozenset[str]:
        """The subjects of the stops of this cause that an operator cleared."""

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When an operator last cleared a stop in this scope."""

    def waiting(self, scope: str, now: datetime) -> int:
        """The number of invoices in this scope that are due but not started."""

    def wait_for_begun(self) -> None:
        """Wait until every first act that has begun has ended. Raises Unavailable when one hangs."""


class Environment(Protocol):
    """The claim on this database."""

    def here_and_claimed(self) -> tuple[str, Fingerprint | None]:
        """The identity that distinguishes this database from every copy of it, and the claim that is in force."""

    def claimed_again_at(self) -> datetime | None:
        """Billing time of the claim in force; None for the first one, which no database came before."""

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that has no claim and no charges; else change nothing."""

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""


class Spending(Protocol):
    """Recent charges. Read only."""

    def since(self, since: datetime, currency: str) -> Spent:
        """All charges begun after `since`: their number, and the sum that was or may have been taken."""

    def of_customer(self, customer: str, since: datetime, currency: str) -> Spent:
        """The same for one customer in this currency, over all their subscriptions."""

    def uses_of_key(self, key_id: str, since: datetime) -> int:
        """Charges of this key begun since then that were made, or may have been."""

    def lost_keys(self, since: datetime) -> tuple[int, int]:
        """Keys that the gateway refused without a payment, and all keys charged since then."""


class WatchOfGateway(Protocol):
    """The calls in a row that the gateway failed, and what waits because of that."""

    def get(self) -> GatewayWatch:
        """The watch as committed last."""

    def lock(self) -> GatewayWatch:
        """The watch, locked until the end of the transaction."""

    def save(self, watch: GatewayWatch) -> None:
        """Write the watch back."""

    def answered_since(self, noted_at: datetime) -> bool:
        """Whether an attempt was approved or declined after this moment of billing time."""

    def wake(self, moment: Moment) -> None:
        """Make due now what waits for its next try after the gateway failed, and what waits for its next look.

        Those are unclear attempts and refunds, keys not confirmed, and invoices whose last attempt could not be placed.
        """


class TurnsOfPgs(Protocol):
    """The free turns of PGs that limit their calls."""

    def lock(self, pg_provider: str, real_now: datetime) -> PgTurns:
        """The turns of this PG, free from now on if none are stored; locked until the end of the transaction.

        Several are locked in the order of their names.
        """

    def save(self, turns: PgTurns) -> None:
        """Write the turns back."""


class ControlRecords(Protocol):
    """The records of the controls in a transaction."""

    @property
    def stops(self) -> Stops:
        """Stops."""

    @property
    def environment(self) -> Environment:
        """The claim on this database."""

    @property
    def spending(self) -> Spending:
        """Recent charges."""

    @property
    def catch_up(self) -> CatchUp:
        """Late work."""

    @property
    def pg_turns(self) -> TurnsOfPgs:
        """The turns of PGs."""

    @property
    def gateway_watch(self) -> WatchOfGateway:
        """The watch of the gateway."""
