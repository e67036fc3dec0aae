"""The guard against copies: a database other than the claimed one, or another account, charges nothing."""

from dataclasses import dataclass

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.control.stop_charging import stop_charging


@dataclass(frozen=True, slots=True)
class Claim:
    """The claimed fingerprint, the present one, and their differences."""

    claimed: Fingerprint | None
    here: Fingerprint
    differences: list[str]


def require_claimed_environment(ports: Ports) -> None:
    """Stop all charging if this database or account is not the claimed one. A fresh database claims itself."""
    with ports.database.transaction() as uow:
        found = _compared(ports, uow)
        if found.claimed is None:
            uow.environment.claim_first(found.here, ports.clock.moment().billing)
            found = _compared(ports, uow)
            uow.commit()
        if not found.differences or uow.stops.is_open(ALL, StopCause.ENVIRONMENT):
            return
    stop_charging(ports, ALL, StopCause.ENVIRONMENT, "; ".join(found.differences))


def is_elsewhere(ports: Ports, uow: UnitOfWork) -> bool:
    """Whether this database or account is not the claimed one: then nothing here changes anything at PortOne."""
    found = _compared(ports, uow)
    return found.claimed is not None and bool(found.differences)


def compared(ports: Ports) -> Claim:
    """Compare the claimed fingerprint with the present one."""
    with ports.database.transaction() as uow:
        return _compared(ports, uow)


def accept_fingerprint(ports: Ports) -> Claim:
    """Claim this database with this account, and clear the stop that waited for it."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        before = _compared(ports, uow)
        uow.environment.claim(before.here, moment.billing)
        note(ports, uow, Verb.ENVIRONMENT_CLAIMED, "environment", str(before.here.gateway), at=moment.real)
        for stop in uow.stops.list_open():
            if stop.cause is StopCause.ENVIRONMENT:
                stop.clear("claimed", moment.billing)
                uow.stops.save(stop)
                uow.alerts.close(AlertKind.STOPPED, str(stop.id), moment)
        uow.commit()
    return before


def _compared(ports: Ports, uow: UnitOfWork) -> Claim:
    here = Fingerprint(uow.environment.database(), ports.account, ports.environment)
    claimed = uow.environment.claimed()
    if claimed is None:
        return Claim(None, here, ["this database was used before, but never claimed"])
    return Claim(claimed, here, here.differences(claimed))
