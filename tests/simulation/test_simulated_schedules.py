"""The simulated gateway's own schedules: what the sandbox does, with the faults of a network."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Failed, Trouble, Unknown
from billing_worker.domain.schedule import (
    NotRegistered,
    Registered,
    Revoked,
    ScheduleReading,
    ScheduleRequest,
    ShownStatus,
)
from billing_worker.simulation.fleet.chaos import Chaos
from billing_worker.simulation.fleet.client import World
from billing_worker.simulation.fleet.gateway import FaultyGateway
from billing_worker.simulation.fleet.ledger import SCHEDULE, Card, Ledger, Row
from billing_worker.simulation.fleet.scheduler import Process, Scheduler
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import Store
from billing_worker.simulation.run import Run

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = START + timedelta(days=1)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEVER = START + 10_000 * DAY


class Books:
    """A simulated gateway with two keys, and a process that calls it."""

    def __init__(self, faults: Mapping[str, float] | None = None, *, dies_at: datetime = NEVER) -> None:
        self.scheduler = Scheduler(START)
        chaos = Chaos(1, faults or {})
        self.ledger = Ledger(chaos.roll)
        self.world = World(self.scheduler, chaos, Store(Numbered()), self.ledger)
        self.gateway = FaultyGateway(self.world)
        self.process = Process("a worker", self.scheduler, self._broken)
        self.told: list[Row] = []
        self.ledger.on_paid = self.ledger.on_declined = self.told.append
        for uid in ("card", "other"):
            self.ledger.cards[uid] = Card(uid, "nice_v2", 0.0, dies_at, "lost card", START, START)

    def _broken(self, _: Process, error: Exception) -> None:
        raise error

    def ask(self, call: Callable[[FaultyGateway], Any]) -> Any:
        """Make a call as a task; its answer, or None if the process died."""
        answers: list[Any] = []
        self.scheduler.start(self.process, lambda: answers.append(call(self.gateway)))
        self.scheduler.run(self.scheduler.now + timedelta(minutes=30))
        return answers[0] if answers else None

    def register(self, uid: str = "m1", at: datetime = AT, key: str = "card") -> Any:
        charge = ChargeRequest(uid, key, Money(9900, "KRW"), "plan", "nice_v2")
        return self.ask(lambda gateway: gateway.register_schedule(ScheduleRequest(charge, at)))

    def revoke(self, uid: str = "m1", key: str = "card") -> Any:
        return self.ask(lambda gateway: gateway.revoke_schedule(key, uid))

    def read(self, uid: str = "m1") -> Any:
        return self.ask(lambda gateway: gateway.read_schedule(uid))

    def pass_until(self, when: datetime) -> None:
        self.scheduler.run(when)


def test_a_schedule_is_kept_read_and_run_once_at_its_time() -> None:
    books = Books()
    assert isinstance(books.register(), Registered)
    found = books.read().schedule
    assert (found.at, found.money, found.status, found.imp_uid) == (
        AT,
        Money(9900, "KRW"),
        ShownStatus.SCHEDULED,
        None,
    )
    books.pass_until(AT - timedelta(seconds=1))
    assert books.told == []
    books.pass_until(AT + DAY)
    (row,) = books.told
    assert (row.status, row.started_at, row.cause) == ("paid", AT, SCHEDULE)
    found = books.read().schedule
    assert (found.status, found.imp_uid) == (ShownStatus.EXECUTED, row.imp_uid)
    assert isinstance(books.revoke(), Unknown)


def test_a_declined_schedule_is_executed_with_its_reason() -> None:
    books = Books(dies_at=START)
    books.register()
    books.pass_until(AT + DAY)
    found = books.read().schedule
    assert (found.status, found.fail_reason) == (ShownStatus.EXECUTED, "lost card")
    assert [row.status for row in books.told] == ["failed"]


@pytest.mark.parametrize("gone", ["key", "order"])
def test_without_its_key_or_with_its_order_paid_it_is_over_and_charges_nothing(gone: str) -> None:
    books = Books()
    books.register()
    if gone == "key":
        books.ask(lambda gateway: gateway.delete_key("card", "left"))
    else:
        books.ledger.charge("m1", "card", (9900, "KRW"), books.scheduler.now)
    paid = len(books.told)
    books.pass_until(AT + DAY)
    assert len(books.told) == paid
    assert (books.read().schedule.status, books.read().schedule.imp_uid) == (ShownStatus.EXECUTED, None)


def test_a_time_between_two_seconds_is_the_later_one() -> None:
    books = Books()
    books.register(at=AT + timedelta(microseconds=1))
    assert books.read().schedule.at == AT + timedelta(seconds=1)


def test_what_the_sandbox_refuses_is_refused() -> None:
    books = Books()
    assert isinstance(books.register(key="nobody"), NotRegistered)
    assert isinstance(books.register(at=START), NotRegistered)
    assert books.read() == ScheduleReading()
    assert isinstance(books.register(), Registered)
    again = books.register(at=AT + DAY)
    assert isinstance(again, Unknown)
    assert again.duplicate
    assert books.read().schedule.at == AT


def test_a_revoked_schedule_never_runs() -> None:
    books = Books()
    books.register()
    assert isinstance(books.revoke(key="other"), Unknown)
    assert isinstance(books.revoke(), Revoked)
    assert isinstance(books.revoke(), Unknown)
    assert isinstance(books.revoke("nothing"), Unknown)
    books.pass_until(AT + DAY)
    assert books.told == []
    assert books.read().schedule.status is ShownStatus.REVOKED
    again = books.register(at=AT + 9 * DAY)
    assert isinstance(again, Unknown)
    assert again.duplicate


def test_lists_are_half_open() -> None:
    books = Books()
    for number in range(3):
        books.register(f"m{number}", AT + number * HOUR, "other" if number == 1 else "card")
    listed = books.ask(lambda gateway: gateway.schedules_between(AT, AT + 2 * HOUR))
    assert [each.merchant_uid for each in listed.schedules] == ["m0", "m1"]
    mine = books.ask(lambda gateway: gateway.schedules_of_key("card", AT, AT + 9 * HOUR))
    assert [each.merchant_uid for each in mine.schedules] == ["m0", "m2"]


@pytest.mark.parametrize(
    ("fault", "answer", "done"),
    [
        ("cancel.refused", Failed, False),
        ("cancel.dropped_before", Unknown, False),
        ("cancel.dropped_after", Unknown, True),
        ("cancel.crash_after", type(None), True),
        ("cancel.stall", Registered, True),
    ],
)
def test_a_call_fails_before_its_effect_or_loses_its_answer(fault: str, answer: type, *, done: bool) -> None:
    books = Books({fault: 1.0})
    found = books.register()
    assert type(found) is answer
    assert ("m1" in books.ledger.schedules) is done
    if isinstance(found, Unknown):
        assert found.trouble is Trouble.NO_ANSWER
    assert books.world.chaos.fired == Counter({fault: 1})


def test_an_outage_lets_nothing_through_and_keeps_no_schedule_from_running() -> None:
    books = Books()
    books.register()
    books.world.gateway_down_until = AT + DAY
    assert isinstance(books.register("m2"), Failed)
    assert books.read().trouble
    assert books.ask(lambda gateway: gateway.schedules_between(START, AT)).trouble
    books.pass_until(AT + HOUR)
    assert [row.merchant_uid for row in books.told] == ["m1"]


def hints_of(fault: str | None, *, dies: bool) -> list[tuple[datetime, dict[str, Any]]]:
    """The webhooks that the gateway sends about one schedule, in a market where this fault always strikes."""
    drawn = Options.drawn(3, 0, 1)
    named = {field: getattr(drawn, field) for field in drawn.__slots__}
    quiet = {"faults": {fault: 1.0} if fault else {}, "stops_a_year": 0.0, "long_outages": 0, "deaths_a_year": 0.0}
    quiet |= {"operator_rate": 0.0, "refund_rate": 0.0, "review_rate": 0.0}
    run = Run(Options(**(named | quiet)))
    heard: list[tuple[datetime, dict[str, Any]]] = []
    run.fleet.receive = lambda told, *, again: heard.append((run.scheduler.now, told.payload | {"again": again}))  # type: ignore[method-assign]
    now = run.scheduler.now
    dead = now if dies else now + 3650 * DAY
    run.ledger.cards["card"] = Card("card", "nice_v2", 0.0, dead, "lost card", now, now)
    charge = ChargeRequest("m1", "card", Money(9900, "KRW"), "plan", "nice_v2")
    process = run.fleet.processes[0]
    wanted = ScheduleRequest(charge, now + HOUR)
    run.scheduler.start(process, lambda: FaultyGateway(run.world).register_schedule(wanted))
    run.scheduler.run(now + 30 * DAY)
    run.close()
    return heard


@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize(
    ("fault", "count"),
    [(None, 1), ("webhook.never", 0), ("webhook.doubled", 2), ("webhook.early", 1), ("webhook.late", 1)],
)
def test_paid_and_failed_are_told_once_twice_late_or_never(fault: str | None, count: int, *, dies: bool) -> None:
    heard = hints_of(fault, dies=dies)
    assert [(each["merchant_uid"], each["status"], each["again"]) for _, each in heard] == [
        ("m1", "failed" if dies else "paid", False)
    ] * count
