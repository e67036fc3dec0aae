"""What a customer heard, in lines for `why`."""

from collections.abc import Callable
from datetime import datetime

from billing_worker.domain.notices.notice import Notice, NoticeStatus
from billing_worker.ports.storage import UnitOfWork

MOST_NOTICES = 100

_STATES = {
    NoticeStatus.SENT: "sent",
    NoticeStatus.FAILED: "not delivered",
    NoticeStatus.SUPERSEDED: "not sent",
}

Day = Callable[[datetime | None], str]


def heard_about(uow: UnitOfWork, ident: str, day: Day) -> list[str]:
    """Each notice about an invoice or a subscription with its state, oldest first."""
    return [_line(notice, day) for notice in uow.notices.of_subjects([ident], MOST_NOTICES)]


def _line(notice: Notice, day: Day) -> str:
    what = f"{day(notice.created_at)} {notice.kind} by {notice.channel}"
    if notice.waits:
        again = "" if notice.note is None else f" after {notice.tries} tries ({notice.note})"
        return f"{what}: waits{again}, next look {day(notice.next_try_at)}"
    line = f"{what}: {_STATES[notice.status]}, {day(notice.closed_at)}"
    return line if notice.note is None else f"{line} ({notice.note})"
