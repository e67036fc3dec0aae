"""Make a policy, and find the policy that a caller names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing_worker.domain.action import Verb
from billing_worker.domain.calendar import BillingCalendar, CronCalendar
from billing_worker.domain.dunning.definition import read_policy
from billing_worker.domain.dunning.policy import DunningPolicy, NewKey
from billing_worker.domain.dunning.version import OURS, PolicyVersion, entered_name, named_days, own_policy
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.pg_limits import PgLimits, leave_time
from billing_worker.ports.bundle import Ports
from billing_worker.ports.dunning import DunningRecords
from billing_worker.usecases.access.actions import note

FIELD = "dunning_policy"


def create_policy(ports: Ports, name: str, definition: Mapping[str, Any]) -> PolicyVersion:
    """Store a policy, or the next version of it. The newest version's definition again is that version.

    Plans and subscriptions that have this policy use the new version for invoices that open later. Raises InvalidInput
    with the wrong field, or Conflict for a version that a plan with its name cannot have.
    """
    name, policy = entered_name(name), read_policy(definition)
    _refuse_no_time(policy, ports.pg_limits)
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        if _moves_dates(policy):
            fixed = [each.id for each in uow.plans.all() if each.dunning_policy == name and _is_cron(each.calendar)]
            if fixed:
                problem = f"plan {fixed[0]} has this policy and a cron expression, whose dates do not move"
                raise Conflict(f"{problem}; choose another name", field="name", existing_id=fixed[0])
        version, is_new = _stored(uow, name, policy, moment.billing)
        if is_new:
            note(ports, uow, Verb.POLICY_CREATED, version.id, at=moment.real)
            uow.commit()
    return version


def plain_days(uow: DunningRecords, field: str, waits: Sequence[int], now: datetime) -> PolicyVersion:
    """The policy of plain days, which is stored the first time. Raises InvalidInput about `field`."""
    name, policy = named_days(field, waits)
    return uow.dunning_policies.newest(name) or _stored(uow, name, policy, now)[0]


def policy_named(
    uow: DunningRecords, name: str, calendar: BillingCalendar | None = None, *, now: datetime
) -> PolicyVersion:
    """The newest version of this policy, for a plan with this calendar. A name of the worker's own is stored first.

    Raises InvalidInput for an unknown name, and for a policy that moves dates which the calendar holds fast.
    """
    name = name.strip()
    found = uow.dunning_policies.newest(name)
    own = own_policy(FIELD, name) if found is None else None
    if own is not None:
        found = _stored(uow, name, own, now)[0]
    if found is None:
        problem = "there is no such policy; create it first (docs/dunning.md)"
        raise InvalidInput(FIELD, name, problem)
    if calendar is not None and _is_cron(calendar) and _moves_dates(found.policy):
        problem = f"moves dates ({_mover(found.policy)}), and the dates of a cron expression do not move"
        raise InvalidInput(FIELD, name, f"{problem}; choose another policy, or an interval")
    return found


def chosen_policy(
    uow: DunningRecords,
    name: str | None,
    waits: Sequence[int] | None,
    *,
    field: str,
    otherwise: DunningPolicy | None = None,
    calendar: BillingCalendar | None = None,
    now: datetime,
) -> PolicyVersion:
    """The policy of a name, or of plain days in `field`. Without both `otherwise`, the default; None: no try.

    Raises InvalidInput; also for both.
    """
    if name is None and waits is None and otherwise is not None:
        return _stored(uow, OURS, otherwise, now)[0]
    if name is None:
        return plain_days(uow, field, waits or (), now)
    if waits is not None:
        raise InvalidInput(field, list(waits), f"give either {field} or {FIELD}, not both")
    return policy_named(uow, name, calendar, now=now)


def _stored(uow: DunningRecords, name: str, policy: DunningPolicy, now: datetime) -> tuple[PolicyVersion, bool]:
    while True:
        newest = uow.dunning_policies.newest(name)
        if newest is not None and newest.policy == policy:
            return newest, False
        version = PolicyVersion(name, newest.version + 1 if newest is not None else 1, policy, now)
        # Another transaction may have stored this number meanwhile: then its version is read.
        if uow.dunning_policies.add(version):
            return version, True


def _refuse_no_time(policy: DunningPolicy, limits: PgLimits) -> None:
    quiet = policy.hours.quiet
    for pg, closed in limits.quiet.items():
        if quiet is not None and not leave_time((quiet, closed)):
            problem = f"leaves no time of the day beside the quiet hours {closed} of {pg}"
            raise InvalidInput("quiet", str(quiet), problem)


def _moves_dates(policy: DunningPolicy) -> bool:
    return policy.ending.moves_date or policy.ending.new_key is NewKey.NEW_PERIOD


def _mover(policy: DunningPolicy) -> str:
    return "moves_date" if policy.ending.moves_date else "new_key: new_period"


def _is_cron(calendar: BillingCalendar) -> bool:
    return isinstance(calendar, CronCalendar)
