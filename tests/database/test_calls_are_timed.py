"""Each call to the gateway but a charge is timed by its kind; a process writes the times with its next sign."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from billing_worker.adapters.call_times import MOST_KEPT, CallTimes
from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.call_kind import CallKind
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.latency import BOUNDS_MS, bucket_of
from billing_worker.domain.money import Money
from billing_worker.domain.presence import Role, Sign
from billing_worker.domain.refund import RefundRequest
from billing_worker.ports.bundle import Ports
from billing_worker.ports.hourly import Measure, Timed, TimesCalls
from billing_worker.usecases.control.call_times import write_times
from billing_worker.usecases.control.watch import attend, leave
from billing_worker.usecases.incoming import tidy
from tests.support.world import World

SIGN = Sign("web@one", Role.WEB)


def timed(world: World) -> Ports:
    gateway = world.ports.gateway
    assert isinstance(gateway, TimesCalls)
    gateway.times.take()
    return replace(world.ports, timed=gateway)


def counted(world: World) -> dict[str, int]:
    """By kind: how many calls the totals and the differences have."""
    with world.ports.database.transaction() as uow:
        found = [each for each in uow.books.hourly.all_time() if each.measure == Measure.REQUEST]
    return {kind: sum(each.counted for each in found if each.subject == kind) for kind in {e.subject for e in found}}


def test_each_kind_of_call_has_its_own_count(world: World) -> None:
    key, ports = world.key(), timed(world)
    gateway, now = ports.gateway, world.clock.moment().real
    span = now - timedelta(hours=1), now
    gateway.payment("imp_000000000000")
    gateway.payments_of(f"{world.environment}0123456789abcdefp00000g01")
    gateway.payments_of_key(key.customer_uid)
    list(gateway.payments_between(*span))
    gateway.schedules_between(*span)
    gateway.schedules_of_key(key.customer_uid, *span)
    gateway.read_schedule(f"{world.environment}0123456789abcdefp00000g01")
    gateway.read_key(key.customer_uid)
    gateway.revoke_schedule(key.customer_uid, f"{world.environment}0123456789abcdefp00000g01")
    gateway.delete_key(key.customer_uid, "no more")
    won = Money(1000, "KRW")
    gateway.cancel(RefundRequest("imp_000000000000", "m", won, won, "by request"))
    assert counted(world) == {}, "nothing is written for a call"
    attend(ports, SIGN)
    found = counted(world)
    assert found.pop("token", 1) == 1
    assert found == {"read": 3, "list": 3, "schedule_read": 1, "key_read": 1, "schedule": 1, "key": 1, "refund": 1}
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.rows("SELECT * FROM hourly_deltas") == []
    attend(ports, SIGN)
    assert sum(counted(world).values()) - sum(found.values()) in {0, 1}, "once each"


def test_every_call_has_a_kind_but_a_charge() -> None:
    """A call that is new is timed as something, or as a charge with its attempt."""
    calls: list[Call] = [
        requests.get_token("key", "secret"),
        requests.scheduled("a"),
        requests.unschedule("c", "a"),
        requests.schedules_of_key("c", 0, 1, 1),
        requests.schedules_between(0, 1, 1, 20),
        requests.payment("imp_1", include_sandbox=False),
        requests.payments_of("a", 1, include_sandbox=False),
        requests.payments_of_key("c", 1, include_sandbox=True),
        requests.payments_between(0, 1, 1, 20, include_sandbox=False),
        requests.customer("c"),
        requests.delete("c", "no more", None),
    ]
    assert all(call.kind is not None for call in calls)
    assert {call.kind for call in calls} == set(CallKind) - {CallKind.REFUND}


def test_a_charge_needs_no_statement_more_and_is_timed_with_its_attempt(world: World) -> None:
    ports = timed(world)
    charging = world.with_ports(timed=ports.timed)
    charging.subscribe()
    write_times(ports)
    world.engine.dispose()
    said: list[str] = []

    def note(*words: Any) -> None:
        said.append(words[2])

    event.listen(world.engine, "before_cursor_execute", note)
    try:
        charging.renew_and_charge()
    finally:
        event.remove(world.engine, "before_cursor_execute", note)
    assert not [each for each in said if "hourly_deltas" in each]
    assert ports.timed is not None
    assert {each.kind for each in ports.timed.times.take()} <= {CallKind.TOKEN}


@pytest.mark.parametrize(
    "write", [lambda ports: attend(ports, SIGN), write_times, lambda ports: leave(ports, "web@one")]
)
def test_what_cannot_be_written_is_kept_and_written_once(world: World, write: Callable[[Ports], None]) -> None:
    ports = timed(world)
    for _ in range(3):
        ports.gateway.read_key("nobody")
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE hourly_deltas RENAME TO away"))
    try:
        with pytest.raises(Exception, match=r"hourly_deltas|database"):
            write(ports)
    finally:
        with world.engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO hourly_deltas"))
    assert counted(world) == {}
    write(ports)
    write(ports)
    assert counted(world)["key_read"] == 3


def test_a_process_that_ends_writes_the_rest(world: World) -> None:
    ports = timed(world)
    ports.gateway.read_key("nobody")
    leave(ports, "web@one")
    assert counted(world)["key_read"] == 1


def test_times_are_summed_up_by_bucket_and_a_failed_call_counts() -> None:
    times = CallTimes()
    for seconds in (0.05, 0.1, 0.1001, 70.0, -1.0):
        times.add(CallKind.READ, seconds)
    times.add(CallKind.TOKEN, 0.3)
    assert times.take() == [
        Timed(CallKind.READ, bucket_of(100), 4, 250),
        Timed(CallKind.READ, bucket_of(70_000), 1, 70_000),
        Timed(CallKind.TOKEN, bucket_of(300), 1, 300),
    ]


def test_what_was_given_back_comes_again_once() -> None:
    times = CallTimes()
    times.add(CallKind.REFUND, 1.0)
    taken = times.take()
    times.give_back(taken)
    times.add(CallKind.REFUND, 1.0)
    assert times.take() == [Timed(CallKind.REFUND, bucket_of(1000), 2, 2000)]
    assert times.take() == []


def test_nothing_grows_where_nothing_is_written() -> None:
    times = CallTimes()
    for _ in range(MOST_KEPT + 10):
        times.add(CallKind.READ, 0.001)
    assert sum(each.counted for each in times.take()) == MOST_KEPT


def test_a_recount_leaves_the_calls_as_they_were_counted(world: World) -> None:
    with world.ports.database.transaction() as uow:
        uow.books.hourly.add_calls([Timed(CallKind.READ, len(BOUNDS_MS), 7, 9)])
        uow.commit()
    for _ in range(2):
        with world.engine.begin() as connection:
            connection.execute(text("SELECT recount_outcomes()"))
        tidy.tidy(world.ports, tidy.INBOX)
        assert counted(world) == {"read": 7}


def test_a_database_that_is_away_loses_nothing(world: World) -> None:
    """The sign is given again ten seconds later, with the times of both spans."""
    ports = timed(world)
    ports.gateway.read_key("nobody")

    class Away:
        def transaction(self) -> Any:
            raise Unavailable("away")

    with pytest.raises(Unavailable):
        attend(replace(ports, database=Away()), SIGN)
    ports.gateway.read_key("nobody")
    attend(ports, SIGN)
    assert counted(world)["key_read"] == 2
