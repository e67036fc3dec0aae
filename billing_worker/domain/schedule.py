"""A charge that PortOne makes by itself at the start of a period, from our intent to its known end.

PortOne charges one date and then nothing more: each period is registered by itself, under the order number that its
invoice gets. The intent is committed before the first byte is sent. A missing or unclear answer leaves the schedule
open, and a read of it decides. Without a live schedule, a worker charges the period as any other.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Evidence, Failed, Unknown

AHEAD = timedelta(days=35)
"""How long before its date a period is registered: a month is, as soon as the one before it has begun. PortOne
documents no limit; a longer wait would only meet more changes."""

LEAST_LEAD = timedelta(minutes=10)
"""A date that is nearer than this is not registered: a worker charges it. PortOne documents no limit, but refuses a
date that has passed, and an unclear answer needs time to be read."""

CHECK_BEFORE = timedelta(hours=1)
"""How long before its date a registered schedule is compared with the subscription for the last time."""

LATE_RUN = timedelta(hours=1)
"""A schedule that PortOne has not run so long after its date is revoked; then a worker charges the period."""


AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""A real time for the next step that is always due."""


class Collection(StrEnum):
    """By which way the periods of a subscription are collected."""

    WORKER = "worker"
    """A worker charges the key when the period begins."""
    PORTONE_SCHEDULE = "portone_schedule"
    """PortOne charges the key at a date that was registered there."""
    SHADOW = "shadow"
    """Another program charges it. This worker only decides, and compares."""


class ScheduleStatus(StrEnum):
    """What is known about a schedule at PortOne."""

    REGISTERING = "registering"
    """It may be under way, or the answer is unclear: PortOne is read until it is known."""
    REGISTERED = "registered"
    """PortOne has it, and will charge at its date."""
    REVOKING = "revoking"
    """It is not wanted any more, and PortOne may still have it."""
    REVOKED = "revoked"
    """PortOne will not run it."""
    EXECUTED = "executed"
    """PortOne ran it: the outcome is that of the invoice's attempt."""
    REFUSED = "refused"
    """PortOne never had it: it said so, or nothing was sent."""


_S = ScheduleStatus
SCHEDULE_TRANSITIONS: dict[ScheduleStatus, frozenset[ScheduleStatus]] = {
    _S.REGISTERING: frozenset({_S.REGISTERED, _S.REVOKING, _S.REVOKED, _S.EXECUTED, _S.REFUSED}),
    # Revoked or run by hand, in PortOne's console.
    _S.REGISTERED: frozenset({_S.REVOKING, _S.REVOKED, _S.EXECUTED, _S.REFUSED}),
    _S.REVOKING: frozenset({_S.REVOKED, _S.EXECUTED, _S.REFUSED}),
    # PortOne's console can schedule a revoked one again.
    _S.REVOKED: frozenset({_S.EXECUTED}),
    _S.EXECUTED: frozenset(),
    _S.REFUSED: frozenset({_S.EXECUTED}),
}

LIVE = frozenset({_S.REGISTERING, _S.REGISTERED, _S.REVOKING})
"""In these states PortOne may still charge by it."""


@dataclass(slots=True)
class Schedule:
    """One charge that PortOne is asked to make at the start of one period.

    Its times are real time, but for `schedule_at` and `created_at`, which are billing time.
    """

    id: str
    subscription_id: str
    billing_key_id: str
    period_index: int
    generation: int
    """It counts the schedules of the period: PortOne never takes an order number twice."""
    merchant_uid: str
    money: Money
    schedule_at: datetime
    status: ScheduleStatus
    created_at: datetime
    next_step_at: datetime | None
    """None while nothing is to be done before its date."""
    lease_until: datetime | None = None
    """Until then a process may be calling; no other process decides."""
    sent_at: datetime | None = None
    """When the registration was sent last; before that, no read of PortOne says anything about it."""
    looks: int = 0
    note: str | None = None
    """Why it is revoked, or what PortOne said last."""
    evidence_id: int | None = None
    closed_at: datetime | None = None

    def may_have_charged(self, *, attempts: int) -> bool:
        """Whether the period is PortOne's to charge: it is live, or it ran and no attempt of ours knows of it."""
        if self.status is ScheduleStatus.EXECUTED:
            return attempts == 0
        return self.is_live and self.sent_at is not None

    def is_absent(self, began_at: datetime, window: timedelta) -> bool:
        """Whether a read that began then, and found no such schedule, proves that PortOne will never have it."""
        return self.sent_at is None or began_at - self.sent_at >= window

    @property
    def is_live(self) -> bool:
        """Whether PortOne may still charge by it."""
        return self.status in LIVE

    def move_to(self, status: ScheduleStatus, real_now: datetime, note: str | None = None) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in SCHEDULE_TRANSITIONS[self.status]:
            raise InvalidTransition("schedule", self.id, self.status, status)
        self.status, self.looks = status, 0
        self.note = note or self.note
        if not self.is_live:
            self.closed_at, self.next_step_at = real_now, None

    def look_again(self, at: datetime) -> None:
        """Take the next step at this real time."""
        self.next_step_at = at
        self.looks += 1


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What one registration asks PortOne for: a charge, and its time (aware UTC)."""

    charge: ChargeRequest
    at: datetime


class ShownStatus(StrEnum):
    """The state of a schedule in PortOne's books."""

    SCHEDULED = "scheduled"
    EXECUTED = "executed"
    REVOKED = "revoked"
    UNRECOGNISED = "unrecognised"
    ABSENT = "absent"
    """PortOne has no schedule under this order number: our word, not PortOne's."""


@dataclass(frozen=True, slots=True)
class GatewaySchedule:
    """One schedule in PortOne's books, parsed and checked for shape."""

    merchant_uid: str
    customer_uid: str = field(repr=False)
    at: datetime
    money: Money
    status: ShownStatus
    imp_uid: str | None = None
    """The payment that it led to; None before it ran, and if no payment was made."""
    name: str | None = None
    fail_reason: str | None = None

    @property
    def may_run(self) -> bool:
        """Whether the gateway may still charge by it."""
        return self.status in (ShownStatus.SCHEDULED, ShownStatus.UNRECOGNISED)


@dataclass(frozen=True, slots=True)
class UnreadableSchedule:
    """A schedule in PortOne's books that could not be read exactly."""

    merchant_uid: str
    customer_uid: str = field(repr=False)
    """Both as the row has them; empty otherwise."""
    problem: str
    may_run: bool = True
    """Whether the gateway may still charge by it: the row does not show that it ran or was revoked."""


def whole_second(at: datetime) -> datetime:
    """The time that PortOne is given: it counts whole seconds, and no charge comes too early."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Registered:
    """PortOne has the schedule, with the sum and the time that were asked for."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """PortOne refused the schedule, definitely."""

    reason: str
    evidence: Evidence


RegisterAnswer = Registered | NotRegistered | Failed | Unknown
"""Failed: the call had no effect. Unknown: any other answer, also that the order number is scheduled already."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """PortOne says that it revoked the schedule."""

    evidence: Evidence


RevokeAnswer = Revoked | Failed | Unknown
"""Failed: the call had no effect. Unknown: any other, also that PortOne has no such schedule to revoke: a read tells
whether it ran."""


@dataclass(frozen=True, slots=True)
class ScheduleReading:
    """The result of a read of one schedule: found, certainly not there, or not read."""

    schedule: GatewaySchedule | None = None
    trouble: str | None = None
    """Set when the read failed or could not be understood: then it proves nothing."""
    evidence: Evidence | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ScheduleListing:
    """The result of a read of many schedules."""

    schedules: tuple[GatewaySchedule, ...] = ()
    unreadable: tuple[UnreadableSchedule, ...] = ()
    """Rows that could not be read; they hide no other row."""
    trouble: str | None = None
    """Set when the read failed, or ended early: then a missing schedule proves nothing."""
