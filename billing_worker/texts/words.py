"""Sentences of the catalogue with their values: a reader's language and time zone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum, StrEnum
from functools import cache

from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar
from billing_worker.domain.language import Language
from billing_worker.domain.pingback import Verdict
from billing_worker.texts.catalogue import catalogue

REST = "{rest}"
_NAMES: Mapping[type[Enum], str] = {Verdict: "pingback_verdict"}
"""Kinds of values whose class shares its name with another one."""


@dataclass(frozen=True, slots=True)
class Words:
    """What one reader reads: texts in a language, times in a zone."""

    language: Language
    zone: tzinfo = UTC

    def say(self, name: str, /, **values: object) -> str:
        """The text with this name and these values. Raises KeyError for an unknown name, or a missing value."""
        return catalogue(self.language).gettext(name).format(**values)

    def of(self, value: StrEnum) -> str:
        """A value of a closed list, such as a status."""
        return catalogue(self.language).gettext(name_of(value))

    def date(self, when: datetime) -> str:
        """A day of the zone."""
        return f"{when.astimezone(self.zone):%Y-%m-%d}"

    def day(self, when: datetime | None) -> str:
        """A time of the zone, to the minute."""
        return self.say("why.no_date") if when is None else f"{when.astimezone(self.zone):%Y-%m-%d %H:%M %Z}"

    def calendar(self, calendar: BillingCalendar) -> str:
        """How often a calendar begins a period."""
        if not isinstance(calendar, AnchoredCalendar):
            return self.say("calendar.cron", expression=repr(calendar.expression))
        many = "every" if calendar.count == 1 else "every_some"
        return self.say(f"calendar.{many}.{calendar.unit}", count=calendar.count)

    def reason(self, recorded: str | None) -> str:
        """A reason that was recorded in English: translated if this worker wrote it, else quoted as it came."""
        if recorded is None or self.language is Language.EN:
            return str(recorded)
        for pattern, name in _reasons():
            found = pattern.fullmatch(recorded)
            if found is not None:
                return self.say(name, **{key: self.reason(rest) for key, rest in found.groupdict().items()})
        return recorded


def name_of(value: StrEnum) -> str:
    """The name of a value's text: `invoice_status.paid`."""
    kind = type(value)
    return f"{_NAMES.get(kind) or re.sub(r'(?<!^)(?=[A-Z])', '_', kind.__name__).lower()}.{value.value}"


def together(*sentences: str) -> str:
    """These sentences in a row, without the empty ones."""
    return " ".join(filter(None, sentences))


@cache
def _reasons() -> Sequence[tuple[re.Pattern[str], str]]:
    texts = catalogue(Language.EN).texts.items()
    return [(_pattern(text), name) for name, text in texts if name.startswith("reason.")]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(re.escape(REST), "(?P<rest>.+)"), re.DOTALL)
