"""Ask PortOne about one schedule: register it, revoke it, read it. No transaction is open meanwhile."""

from dataclasses import dataclass, field

from billing_worker.domain.payment import Evidence, charge_request
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import (
    GatewaySchedule,
    NotRegistered,
    Registered,
    Revoked,
    Schedule,
    ScheduleRequest,
    ShownStatus,
)
from billing_worker.domain.schedule_difference import otherwise
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Taken:
    """A schedule to call PortOne about, as it was when it was taken."""

    schedule: Schedule
    request: ScheduleRequest
    was_sent: bool
    in_time: bool
    """Whether its date still is far enough ahead to be registered."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the calls and reads told."""

    state: ShownStatus | None = None
    """Its state at PortOne; None if that is not known."""
    refused: str | None = None
    """Set when PortOne refused to register it."""
    differs: str | None = None
    """Set when PortOne has it with another sum, key or date."""
    unclear: str | None = None
    evidence: Evidence | None = None
    imp_uid: str | None = None
    """The payment that it led to, as PortOne shows it."""
    owner: str | None = field(default=None, repr=False)
    """The customer_uid that PortOne shows, if it is another one."""
    payments: Listing | None = None
    """What it was paid by, where it ran for a period that is not opened here."""


def request_of(uow: UnitOfWork, plan: Plan, schedule: Schedule) -> ScheduleRequest:
    """What PortOne is asked for by this schedule."""
    key = uow.keys.get(schedule.billing_key_id)
    charge = charge_request(schedule.merchant_uid, schedule.money, key, plan.name, plan.options)
    return ScheduleRequest(charge, schedule.schedule_at)


def register(ports: Ports, taken: Taken) -> Learned:
    """Register it; what may have been sent before is read first, and sent again only if it is not there."""
    if taken.was_sent:
        learned = _read(ports, taken)
        if learned.state is not ShownStatus.ABSENT or not taken.in_time:
            return learned
    elif not taken.in_time:
        return Learned(unclear="its date is too near")
    match ports.gateway.register_schedule(taken.request):
        case Registered(evidence):
            return Learned(ShownStatus.SCHEDULED, evidence=evidence)
        case NotRegistered(reason, evidence):
            return Learned(refused=reason, evidence=evidence)
        case answer:
            return Learned(unclear=answer.reason, evidence=answer.evidence)


def revoke(ports: Ports, taken: Taken) -> Learned:
    """Revoke it; after any answer but a clear one, it is read."""
    charge = taken.request.charge
    answer = ports.gateway.revoke_schedule(charge.customer_uid, charge.merchant_uid)
    if isinstance(answer, Revoked):
        return Learned(ShownStatus.REVOKED, evidence=answer.evidence)
    learned = _read(ports, taken)
    if learned.state is not ShownStatus.SCHEDULED:
        return learned
    if learned.owner is not None:
        # A backup was restored, and the books have forgotten the card that it was registered on.
        answer = ports.gateway.revoke_schedule(learned.owner, charge.merchant_uid)
        if isinstance(answer, Revoked):
            return Learned(ShownStatus.REVOKED, evidence=answer.evidence)
    return Learned(unclear=answer.reason, evidence=answer.evidence)


def _read(ports: Ports, taken: Taken) -> Learned:
    reading = ports.gateway.read_schedule(taken.schedule.merchant_uid)
    if reading.trouble is not None:
        return Learned(unclear=f"PortOne could not be read: {reading.trouble}", evidence=reading.evidence)
    if reading.schedule is None:
        return Learned(ShownStatus.ABSENT, evidence=reading.evidence)
    shown, ours = reading.schedule, taken.request.charge.customer_uid
    return Learned(
        shown.status,
        differs=_difference(taken.request, shown),
        evidence=reading.evidence,
        imp_uid=shown.imp_uid,
        owner=shown.customer_uid if shown.customer_uid not in ("", ours) else None,
    )


def _difference(request: ScheduleRequest, shown: GatewaySchedule) -> str | None:
    charge = request.charge
    if shown.customer_uid != charge.customer_uid:
        return "PortOne has it on another billing key"
    return otherwise(shown, charge.money, request.at)
