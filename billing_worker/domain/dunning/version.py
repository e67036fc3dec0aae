"""A policy under its name, in one of its versions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.dunning.policy import DEFAULT, DunningPolicy, days
from billing_worker.domain.errors import InvalidInput

LONGEST_POLICY_NAME = 40
LONGEST_DERIVED_NAME = 64
NO_RETRY = "none"
_NAME = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{LONGEST_POLICY_NAME - 2}}}[a-z0-9])?")
_DERIVED = re.compile(r"none|default|days(?:-.*)?")
_DAYS = re.compile(r"days(?:-[1-9][0-9]?){1,20}")
OURS = "default"
"""The name of the policy that this release gives to a plan which names none."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a named policy. It never changes: an invoice keeps the version that it began with."""

    name: str
    version: int
    """Counted from 1."""
    policy: DunningPolicy
    created_at: datetime

    @property
    def id(self) -> str:
        """Its name and version, such as `paydays@2`."""
        return f"{self.name}@{self.version}"


def name_of(version_id: str) -> str:
    """The name of the policy of this version."""
    return version_id.rpartition("@")[0]


def entered_name(name: str) -> str:
    """A name for a new policy. Raises InvalidInput, also for a name that stands for plain days."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        problem = f"has 1 to {LONGEST_POLICY_NAME} small letters, digits and hyphens, such as paydays"
        raise InvalidInput("name", name[: LONGEST_POLICY_NAME + 1], problem)
    if _DERIVED.fullmatch(name):
        raise InvalidInput("name", name, "stands for plain days or the default; choose another name")
    return name


def named_days(field: str, waits: Sequence[int]) -> tuple[str, DunningPolicy]:
    """The policy of plain days, and its name: `days-1-3-5-7`, or `none`. Raises InvalidInput about `field`."""
    try:
        policy = days(*waits)
    except InvalidInput as error:
        value = list(waits) if error.field == "steps" else error.value
        raise InvalidInput(field, value, error.problem) from error
    return "-".join(["days", *map(str, waits)]) if waits else NO_RETRY, policy


def own_policy(field: str, name: str) -> DunningPolicy | None:
    """The policy of a name that is the worker's own: `default`, `none`, or plain days such as `days-1-3-5-7`.

    None for any other name. Raises InvalidInput about `field` for days that no policy may have.
    """
    if name in (OURS, NO_RETRY):
        return DEFAULT if name == OURS else days()
    if not _DAYS.fullmatch(name):
        return None
    return named_days(field, [int(wait) for wait in name.split("-")[1:]])[1]
