"""What a schedule in PortOne's books means beside ours."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.money import Money
from billing_worker.domain.schedule import (
    GatewaySchedule,
    Schedule,
    ScheduleStatus,
    ShownStatus,
    UnreadableSchedule,
    whole_second,
)


class DifferenceKind(StrEnum):
    """How a schedule differs."""

    MISSING = "missing"
    """Registered here, and PortOne will not charge by it: a worker charges the period."""
    UNKNOWN = "unknown"
    """PortOne will charge one of our keys, or under a number of ours, and no schedule here says so."""
    REVIVED = "revived"
    """Closed here, and PortOne will charge by it: its console brought it back."""
    CONTENT = "content"
    """PortOne has it with another sum, date or state."""
    UNREADABLE = "unreadable"
    """PortOne's row cannot be read, and PortOne may charge by it."""


TAKEN_BACK = "taken_back"
"""The case of one that was brought back at PortOne, and that the worker has revoked again."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between our schedules and PortOne's."""

    kind: DifferenceKind
    merchant_uid: str
    here: str
    at_portone: str
    subject_id: str | None
    """Our schedule, or else our key."""
    subscription_id: str | None = None
    """The subscription of our schedule."""
    done: str = ""
    """What was done about it."""
    taken_back: bool = False
    """Whether the worker has revoked it again."""

    @property
    def schedule_id(self) -> str | None:
        """Our schedule, if it is one of ours."""
        return self.subject_id if self.subscription_id is not None else None

    @property
    def case(self) -> str:
        """The case of its alert."""
        return TAKEN_BACK if self.taken_back else self.kind.value


def otherwise(shown: GatewaySchedule, money: Money, at: datetime) -> str | None:
    """How PortOne has it otherwise than it was registered; None if it has it so."""
    if shown.status is ShownStatus.UNRECOGNISED:
        return "PortOne has it in a state that this worker does not know"
    if shown.money != money:
        return f"PortOne has it over {shown.money}"
    if shown.at != whole_second(at):
        return f"PortOne has it for {shown.at:%Y-%m-%dT%H:%MZ}"
    return None


def difference_of(ours: Schedule, theirs: GatewaySchedule | None) -> Difference | None:
    """The difference of one of our schedules; None while it agrees, or while a step of ours is under way.

    A registered one that ran is none: its payment tells more, and the comparison of payments finds it.
    """
    if not ours.is_live and theirs is not None and theirs.status is ShownStatus.SCHEDULED:
        return revived(ours, _there(theirs))
    if ours.status is not ScheduleStatus.REGISTERED:
        return None
    if theirs is None or theirs.status is ShownStatus.REVOKED:
        return _of_ours(DifferenceKind.MISSING, ours, "none" if theirs is None else _there(theirs))
    if theirs.may_run and otherwise(theirs, ours.money, ours.schedule_at) is not None:
        return _of_ours(DifferenceKind.CONTENT, ours, _there(theirs))
    return None


def revived(ours: Schedule, at_portone: str) -> Difference:
    """The difference of one that is closed here, and alive at PortOne."""
    return _of_ours(DifferenceKind.REVIVED, ours, at_portone)


def unreadable_of(ours: Schedule, row: UnreadableSchedule) -> Difference | None:
    """The difference of one of our schedules whose row at PortOne cannot be read."""
    if not row.may_run or (ours.is_live and ours.status is not ScheduleStatus.REGISTERED):
        return None
    return _of_ours(DifferenceKind.UNREADABLE, ours, row.problem)


def difference_of_stranger(row: GatewaySchedule | UnreadableSchedule, key_id: str | None) -> Difference:
    """The difference of what PortOne may charge by, and no schedule here says."""
    if isinstance(row, UnreadableSchedule):
        return Difference(DifferenceKind.UNREADABLE, row.merchant_uid, "none", row.problem, key_id)
    return Difference(DifferenceKind.UNKNOWN, row.merchant_uid, "none", _there(row), key_id)


def _of_ours(kind: DifferenceKind, ours: Schedule, at_portone: str) -> Difference:
    here = f"{ours.status}, {ours.money} at {ours.schedule_at:%F %T} UTC"
    return Difference(kind, ours.merchant_uid, here, at_portone, ours.id, ours.subscription_id)


def _there(theirs: GatewaySchedule) -> str:
    name = f" for {theirs.name!r}" if theirs.name else ""
    return f"{theirs.status}, {theirs.money}{name} at {theirs.at:%F %T} UTC"
