"""The gateway's own schedules: charges that it makes by itself at a virtual time, and their calls over the network."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from billing_worker.domain.money import Money
from billing_worker.domain.payment import Evidence, Failed, Trouble, Unknown
from billing_worker.domain.schedule import (
    GatewaySchedule,
    NotRegistered,
    RegisterAnswer,
    Registered,
    RevokeAnswer,
    Revoked,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
    ShownStatus,
)
from billing_worker.simulation.fleet.client import DEADLINE, World
from billing_worker.simulation.fleet.ledger import NO_SUCH_KEY, OPERATOR, SCHEDULE, Planned, Row
from billing_worker.simulation.fleet.scheduler import Crash

SCHEDULED_BEFORE = "the order was scheduled before"
PAST = "the date has passed"
NOTHING_TO_REVOKE = "there is nothing to revoke"

SECOND = timedelta(seconds=1)
EXECUTED = "executed"

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Schedules:
    """The calls about schedules as one process sees them."""

    world: World
    read_trouble: Callable[[str], str | None]
    """One read, with its trouble."""

    def register(self, request: ScheduleRequest) -> RegisterAnswer:
        """Register one charge; the network may lose the request or its answer."""
        answer = self._change("a schedule", partial(self._registered, request))
        if isinstance(answer, Failed | Unknown):
            return answer
        evidence = Evidence("simulation", "POST schedule", 200, str(answer))
        if isinstance(answer, Planned):
            return Registered(evidence)
        if answer == SCHEDULED_BEFORE:
            return Unknown(answer, evidence, duplicate=True)
        return NotRegistered(answer, evidence)

    def revoke(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        """Take one schedule back; the network may lose the request or its answer."""
        answer = self._change("a revocation", partial(self._revoked, customer_uid, merchant_uid))
        if isinstance(answer, Failed | Unknown):
            return answer
        evidence = Evidence("simulation", "POST unschedule", 200, str(answer))
        return Revoked(evidence) if isinstance(answer, Planned) else Unknown(answer, evidence)

    def read(self, merchant_uid: str) -> ScheduleReading:
        """The schedule with this order number."""
        trouble = self.read_trouble("read_schedule")
        if trouble is not None:
            return ScheduleReading(trouble=trouble)
        found = self.world.ledger.schedules.get(merchant_uid)
        return ScheduleReading(None if found is None else shown(found))

    def listed(self, start: datetime, end: datetime, customer_uid: str | None = None) -> ScheduleListing:
        """All schedules in this span, of one key or of all."""
        trouble = self.read_trouble("schedules")
        if trouble is not None:
            return ScheduleListing(trouble=trouble)
        rows = self.world.ledger.schedules.values()
        return ScheduleListing(
            tuple(shown(row) for row in rows if start <= row.at < end and customer_uid in (None, row.customer_uid))
        )

    def _change(self, what: str, effect: Callable[[], Done]) -> Done | Failed | Unknown:
        """Let a call have its effect. The faults are those of every call that moves no money at once."""
        world = self.world
        if world.store.busy:
            raise AssertionError(f"{what} within a transaction: a connection is held while the network is slow")
        fault = world.chaos.strikes("cancel")
        if fault == "cancel.refused" or world.scheduler.now < world.gateway_down_until:
            world.scheduler.wait(world.chaos.pause())
            return Failed("not sent: connection refused", trouble=Trouble.NOT_REACHED)
        world.scheduler.wait(world.chaos.call())
        if fault == "cancel.dropped_before":
            return self._no_answer()
        answer = effect()
        if fault == "cancel.crash_after":
            raise Crash
        if fault == "cancel.dropped_after":
            return self._no_answer()
        if fault == "cancel.stall":
            world.stall()
        world.scheduler.wait(world.chaos.call())
        return answer

    def _no_answer(self) -> Unknown:
        self.world.scheduler.wait(DEADLINE)
        return Unknown("no answer: the connection was lost", trouble=Trouble.NO_ANSWER)

    def _registered(self, request: ScheduleRequest) -> Planned | str:
        """Take a schedule, or the text of a refusal: as the sandbox does, in its order."""
        charge, ledger, now = request.charge, self.world.ledger, self.world.scheduler.now
        at = _whole(request.at)
        card = ledger.cards.get(charge.customer_uid)
        if card is None or card.known_from > now:
            return NO_SUCH_KEY
        if at <= now:
            return PAST
        if charge.merchant_uid in ledger.schedules:
            return SCHEDULED_BEFORE
        money = (charge.money.amount, charge.money.currency)
        row = Planned(charge.merchant_uid, charge.customer_uid, at, *money, charge.name)
        ledger.schedules[row.merchant_uid] = row
        plan_again(self.world, row, at)
        return row

    def _revoked(self, customer_uid: str, merchant_uid: str) -> Planned | str:
        row = self.world.ledger.schedules.get(merchant_uid)
        if row is None or row.customer_uid != customer_uid or row.status != "scheduled":
            return NOTHING_TO_REVOKE
        row.status = "revoked"
        return row


def shown(row: Planned) -> GatewaySchedule:
    """A schedule as a read shows it."""
    return GatewaySchedule(
        merchant_uid=row.merchant_uid,
        customer_uid=row.customer_uid,
        at=row.at,
        money=Money(row.amount, row.currency),
        status=ShownStatus(row.status),
        imp_uid=row.imp_uid,
        name=row.name,
        fail_reason=row.reason,
    )


def plan_again(world: World, row: Planned, at: datetime) -> None:
    """Let a schedule run at this time, and at no earlier planned one."""
    row.status, row.at = "scheduled", _whole(at)
    world.scheduler.at(row.at, partial(_run, world, row, row.at))


def _run(world: World, row: Planned, at: datetime) -> None:
    """Charge by a schedule, once. Without its key, or with its order paid, it is over and there is no payment."""
    if row.status != "scheduled" or row.at != at:
        return
    row.status = EXECUTED
    money = (row.amount, row.currency)
    cause = OPERATOR if row.revived else SCHEDULE
    paid = world.ledger.charge(row.merchant_uid, row.customer_uid, money, world.scheduler.now, cause=cause)
    if isinstance(paid, Row):
        row.imp_uid, row.reason = paid.imp_uid, paid.reason


def _whole(at: datetime) -> datetime:
    """The gateway counts whole seconds: a time between two is the later one."""
    return at if not at.microsecond else at.replace(microsecond=0) + SECOND
