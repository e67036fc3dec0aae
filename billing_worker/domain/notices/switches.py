"""Which kinds of notices are on, for a plan or for the installation: `failed,recovered,upcoming=7`."""

from collections.abc import Iterable
from dataclasses import dataclass

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.notices.notice import FORESEEN, NoticeKind

LONGEST_LEAD = 30
"""Days before a charge."""

DEFAULT_LEAD = {NoticeKind.CARD_EXPIRING: 14}
"""Days of a kind that is switched on without a number. `upcoming` needs one."""

OF_INSTALLATION = "default"
"""Of a plan: what the installation says."""

NONE = "none"
"""In the place of all kinds: none is on."""

DEFAULT_KINDS = "failed,last_warning,recovered,given_up,card_expiring"


@dataclass(frozen=True, slots=True)
class Switches:
    """The kinds that are on; those of the calendar with their days."""

    kinds: frozenset[NoticeKind]
    leads: tuple[tuple[NoticeKind, int], ...] = ()
    """Days before the charge, by kind."""

    def has(self, kind: NoticeKind) -> bool:
        """Whether the kind is on."""
        return kind in self.kinds

    def lead(self, kind: NoticeKind) -> int | None:
        """Days before the charge; None if the kind is off."""
        return dict(self.leads).get(kind)

    @property
    def words(self) -> list[str]:
        """As they are written: `["failed", "upcoming=7"]`, in the order of the kinds."""
        leads = dict(self.leads)
        return [f"{kind}={leads[kind]}" if kind in leads else str(kind) for kind in NoticeKind if kind in self.kinds]


def switches(words: Iterable[str], field: str = "notices") -> Switches:
    """Read switches. An empty list switches all off. Raises InvalidInput, which names the wrong word."""
    kinds: set[NoticeKind] = set()
    leads: dict[NoticeKind, int] = {}
    for word in words:
        name, sign, days = word.strip().partition("=")
        if name not in set(NoticeKind):
            raise InvalidInput(field, word, f"is none of {', '.join(NoticeKind)}")
        kind = NoticeKind(name)
        if kind in kinds:
            raise InvalidInput(field, word, f"names {kind} twice")
        kinds.add(kind)
        if kind in FORESEEN:
            leads[kind] = _lead(field, word, kind, days if sign else None)
        elif sign:
            raise InvalidInput(field, word, f"takes no number: {kind} is sent when it happens")
    return Switches(frozenset(kinds), tuple(sorted(leads.items())))


def own_switches(words: Iterable[str]) -> Switches | None:
    """The switches of a plan; None for the single word `default`: those of the installation. Raises InvalidInput."""
    named = list(words)
    return None if named == [OF_INSTALLATION] else switches(named)


def switches_of(text: str, field: str = "notices") -> Switches:
    """Read switches between commas, or `none`. Raises InvalidInput."""
    if text.strip() == NONE:
        return switches((), field)
    return switches([part for part in text.split(",") if part.strip()], field)


def _lead(field: str, word: str, kind: NoticeKind, days: str | None) -> int:
    if days is None and kind in DEFAULT_LEAD:
        return DEFAULT_LEAD[kind]
    if days is None or not (days.isascii() and days.isdigit()) or not 1 <= int(days[:4]) <= LONGEST_LEAD:
        raise InvalidInput(field, word, f"needs the days before the charge, 1 to {LONGEST_LEAD}: {kind}=7")
    return int(days)
