"""The guard against copies: a database other than the claimed one, or another account, charges nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.comparison import OVERLAP
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.errors import Conflict
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


@contextmanager
def scanning(ports: Ports) -> Iterator[tuple[UnitOfWork, bool]]:
    """A transaction in which a scan claims due work, and whether this is elsewhere (see `is_elsewhere`).

    `require_claimed_environment` is kept before it. Where nothing differs, the comparison is its first statement.
    """
    with ports.database.transaction() as uow:
        if not _compared(ports, uow).differences:
            yield uow, False
            return
    require_claimed_environment(ports)
    with ports.database.transaction() as uow:
        yield uow, is_elsewhere(ports, uow)


def is_elsewhere(ports: Ports, uow: UnitOfWork) -> bool:
    """Whether this database or account is not the claimed one: then nothing here changes anything at PortOne."""
    found = _compared(ports, uow)
    return found.claimed is not None and bool(found.differences)


def stands_in_for_a_lost_one(ports: Ports, uow: UnitOfWork) -> bool:
    """Whether this database was restored, copied or promoted, and no operator has claimed it for the same account.

    Then payments under our order numbers that it does not know were asked for by the database before it.
    """
    found = _compared(ports, uow)
    return found.claimed is not None and found.here.is_another_database_of(found.claimed)


def compared(ports: Ports) -> Claim:
    """Compare the claimed fingerprint with the present one."""
    with ports.database.transaction() as uow:
        return _compared(ports, uow)


def stand_and_compare(ports: Ports) -> Claim:
    """The same, before an operator claims it: another database of the same account stops charging here and now.

    The comparison of both books that a claim needs is one that ends after this stop.
    """
    with ports.database.transaction() as uow:
        stands_in = stands_in_for_a_lost_one(ports, uow)
    if stands_in:
        require_claimed_environment(ports)
    return compared(ports)


def accept_fingerprint(ports: Ports, *, compares: bool = True) -> Claim:
    """Claim this database with this account, and clear the stop that waited for it.

    Raises Conflict for another database of the same account until both books were compared up to the stop: a restored
    one lacks the latest payments, and charging goes on with the claim. `compares=False` claims it all the same.
    """
    if compares:
        _require_comparison(ports)
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


def _require_comparison(ports: Ports) -> None:
    """Of another database of the same account; the list of another account says nothing about these books."""
    found = stand_and_compare(ports)
    if found.claimed is None or not found.here.is_another_database_of(found.claimed):
        return
    with ports.database.transaction() as uow:
        until = uow.books.compared_until()
        stopped = [stop.opened_at for stop in uow.stops.list_open() if stop.cause is StopCause.ENVIRONMENT]
    needed = max([ports.clock.moment().billing - OVERLAP, *stopped])
    if until is None or until < needed:
        reached = "were never compared" if until is None else f"were compared until {until:%F %T} UTC"
        raise Conflict(
            f"both books {reached}, and a claim needs {needed:%F %T} UTC: payments after a backup may be missing here. "
            "Compare both books (reconcile), then claim again",
            field="database",
        )


def _compared(ports: Ports, uow: UnitOfWork) -> Claim:
    database, claimed = uow.environment.here_and_claimed()
    here = Fingerprint(database, ports.account, ports.environment)
    if claimed is None:
        return Claim(None, here, ["this database was used before, but never claimed"])
    return Claim(claimed, here, here.differences(claimed))
