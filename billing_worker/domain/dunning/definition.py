"""A policy as an operator writes it and as the database keeps it: plain names and texts, and back again."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import time, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from billing_worker.domain.declines.reasons import ADVICE, Advice, Category
from billing_worker.domain.dunning.policy import (
    LONGEST_JITTER,
    MOST_STEPS,
    DunningPolicy,
    Ending,
    FinalAction,
    Hours,
    NewKey,
)
from billing_worker.domain.dunning.steps import Step, read_step, read_wait, wait_text
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import Quiet

SHORTEST_FAILURE_WAIT = timedelta(minutes=5)
LONGEST_FAILURE_WAIT = timedelta(days=2)
MOST_WRITTEN = 2 * MOST_STEPS
"""Entries of a list that are read at all: what the rules of a policy say about them is the better answer."""
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_Choice = TypeVar("_Choice", bound=StrEnum)

STEPPED = tuple(
    category for category, advice in ADVICE.items() if advice not in (Advice.ANOTHER_CARD, Advice.FIX_CONFIGURATION)
)
"""Categories that may have steps of their own. The others wait for another card, or for the merchant."""

EXAMPLE: Mapping[str, Any] = {
    "steps": ["1d", "3d", "5d", "7d"],
    "by_category": {"balance": ["1d paydays 10:00", "1d paydays 10:00", "1d paydays 10:00"]},
    "failures": ["10m", "30m", "1h", "3h", "6h", "12h"],
    "quiet": "21:00-08:00",
    "business_days": False,
    "paid_hour": True,
    "jitter": "30m",
    "final": "unpaid",
    "win_back": "30d",
    "new_key": "collect",
    "moves_date": False,
}
"""Every field of a policy. Each may be left out but `steps`."""


def read_policy(written: Mapping[str, Any]) -> DunningPolicy:
    """The new policy of this definition. Raises InvalidInput, naming the field and the way out."""
    policy = stored_policy(written)
    policy.refuse_harm()
    return policy


def stored_policy(written: Mapping[str, Any]) -> DunningPolicy:
    """The policy of a definition that was accepted before. Raises InvalidInput only for one that cannot be read."""
    for name in written:
        if name not in EXAMPLE:
            raise InvalidInput(str(name), None, f"is no field of a policy; it has {', '.join(EXAMPLE)}")
    if "steps" not in written:
        raise InvalidInput("steps", None, 'is missing; for example ["1d", "3d", "5d", "7d"], or [] for no try')
    more: dict[str, Any] = {}
    if "failures" in written:
        more["failures"] = _each("failures", written["failures"], _failure_wait)
    quiet = written.get("quiet")
    jitter = written.get("jitter")
    win_back = written.get("win_back")
    return DunningPolicy(
        _each("steps", written["steps"], read_step),
        _by_category(written.get("by_category", {})),
        **more,
        hours=Hours(
            quiet=None if quiet is None else _quiet(_text("quiet", quiet)),
            business_days=_flag("business_days", written.get("business_days", False)),
            paid_hour=_flag("paid_hour", written.get("paid_hour", False)),
            jitter=timedelta(0) if jitter is None else _jitter(_text("jitter", jitter)),
        ),
        ending=Ending(
            final=_choice("final", written.get("final", FinalAction.UNPAID), FinalAction),
            win_back=None if win_back is None else read_step("win_back", _text("win_back", win_back)),
            new_key=_choice("new_key", written.get("new_key", NewKey.COLLECT), NewKey),
            moves_date=_flag("moves_date", written.get("moves_date", False)),
        ),
    )


def written_policy(policy: DunningPolicy) -> dict[str, Any]:
    """The definition of this policy: `read_policy` of it is the same policy."""
    hours, ending = policy.hours, policy.ending
    return {
        "steps": _texts(policy.steps),
        "by_category": {category.value: _texts(steps) for category, steps in policy.by_category.items()},
        "failures": [wait_text(wait) for wait in policy.failures],
        "quiet": str(hours.quiet) if hours.quiet else None,
        "business_days": hours.business_days,
        "paid_hour": hours.paid_hour,
        "jitter": wait_text(hours.jitter) if hours.jitter else None,
        "final": ending.final.value,
        "win_back": str(ending.win_back) if ending.win_back else None,
        "new_key": ending.new_key.value,
        "moves_date": ending.moves_date,
    }


def _texts(steps: Sequence[Step]) -> list[str]:
    return [str(step) for step in steps]


def _by_category(written: object) -> dict[Category, tuple[Step, ...]]:
    if not isinstance(written, Mapping):
        raise InvalidInput("by_category", written, 'is an object such as {"balance": ["1d paydays 10:00"]}')
    found: dict[Category, tuple[Step, ...]] = {}
    for name, steps in written.items():
        if name not in STEPPED:
            choices = ", ".join(STEPPED)
            raise InvalidInput("by_category", name, f"has no steps of its own; choose among {choices}")
        found[Category(name)] = _each(f"by_category.{name}", steps, read_step)
    return found


_Read = TypeVar("_Read")


def _each(field: str, written: object, read: Callable[[str, str], _Read]) -> tuple[_Read, ...]:
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise InvalidInput(field, written, 'is a list of texts such as ["1d", "3d"]')
    if len(written) > MOST_WRITTEN:
        raise InvalidInput(field, len(written), f"has too many; at most {MOST_STEPS} tries are allowed")
    return tuple(read(field, _text(field, each)) for each in written)


def _text(field: str, written: object) -> str:
    if not isinstance(written, str):
        raise InvalidInput(field, written, "is a text, in quotes")
    return written


def _failure_wait(field: str, text: str) -> timedelta:
    return read_wait(field, text, SHORTEST_FAILURE_WAIT, LONGEST_FAILURE_WAIT)


def _jitter(text: str) -> timedelta:
    return read_wait("jitter", text, timedelta(0), LONGEST_JITTER)


def _flag(field: str, written: object) -> bool:
    if not isinstance(written, bool):
        raise InvalidInput(field, written, "is true or false")
    return written


def _choice(field: str, written: object, choices: type[_Choice]) -> _Choice:
    try:
        return choices(str(written))
    except ValueError as error:
        raise InvalidInput(field, written, f"is one of {', '.join(choices)}") from error


def _quiet(text: str) -> Quiet:
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise InvalidInput("quiet", text, "are hours such as 21:00-08:00, Seoul time")
    start, end = (time(int(found[first]), int(found[first + 1])) for first in (1, 3))
    return Quiet(start, end)
