"""The dates of the tries of a policy, before an invoice needs them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.planner import TryFacts, next_try, time_of
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.dunning.version import PolicyVersion, own_policy
from billing_worker.domain.errors import InvalidInput, NotFound
from billing_worker.ports.bundle import Ports
from billing_worker.ports.dunning import DunningPolicies
from billing_worker.usecases.reading.views.fields import described

WIN_BACK = "win_back"
FIELD = "dunning_policy"


def policy_called(ports: Ports, name: str) -> tuple[DunningPolicy, str]:
    """The policy of a name (its newest version) or of a version's id, and that id; also one of the worker's own.

    Raises InvalidInput where there is none. Nothing is stored.
    """
    with ports.database.transaction() as uow:
        stored = uow.dunning_policies
        found = _version(stored, name) if "@" in name else stored.newest(name)
    if found is not None:
        return found.policy, found.id
    own = own_policy(FIELD, name)
    if own is None:
        raise InvalidInput(FIELD, name, "there is no such policy; leave it out for the default")
    return own, name


def _version(stored: DunningPolicies, version_id: str) -> PolicyVersion | None:
    try:
        return stored.get(version_id)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedTry:
    """One try of an invoice whose every try is declined."""

    number: int = field(metadata=described("The first try, which is declined, has number 0", example=1))
    step: str = field(metadata=described(example="1d paydays 10:00"))
    at: datetime


def preview(
    policy: DunningPolicy,
    declined_at: datetime,
    *,
    category: Category = Category.UNKNOWN,
    paid_hour: int | None = None,
    seed: str = "preview",
) -> Sequence[PreviewedTry]:
    """Every try after a first decline at this time, if each is declined too, with the win-back try.

    `paid_hour` is the hour at which the customer paid before; each invoice has its own share of the jitter.
    """
    found, at = [], declined_at
    declines: tuple[datetime, ...] = (declined_at,)
    hour = None if paid_hour is None else time(paid_hour)
    while (step := policy.step(len(declines), category)) is not None:
        facts = TryFacts(seed, declines, hour)
        following = next_try(policy, len(declines), category, at, facts)
        if following is None:
            raise AssertionError(f"step {step} of {policy} has no time")
        found.append(PreviewedTry(number=len(declines), step=str(step), at=following))
        at, declines = following, (*declines, following)
    last = policy.ending.win_back
    if last is not None:
        at = time_of(last, policy.hours, at, TryFacts(seed, declines, hour))
        found.append(PreviewedTry(number=len(declines), step=f"{WIN_BACK} {last}", at=at))
    return found
