"""What a customer heard, in lines for `why`."""

from billing_worker.domain.notices.notice import Notice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words

MOST_NOTICES = 100


def heard_about(uow: UnitOfWork, ident: str, words: Words) -> list[str]:
    """Each notice about an invoice or a subscription with its state, oldest first."""
    return [_line(notice, words) for notice in uow.notices.of_subjects([ident], MOST_NOTICES)]


def _line(notice: Notice, words: Words) -> str:
    kind, channel = words.of(notice.kind), words.of(notice.channel)
    what = words.say("why.notice.what", day=words.day(notice.created_at), kind=kind, channel=channel)
    if notice.waits:
        again, look = "waits" if notice.note is None else "waits_again", words.day(notice.next_try_at)
        return words.say(f"why.notice.{again}", what=what, tries=notice.tries, note=notice.note, day=look)
    line = f"{what}: {words.of(notice.status)}, {words.day(notice.closed_at)}"
    return line if notice.note is None else f"{line} ({notice.note})"
