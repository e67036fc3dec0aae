"""The clock of every process is the database server's."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text

from billing_worker import bootstrap
from billing_worker.adapters import clock as clock_module
from billing_worker.adapters.clock import LOOK_EVERY, DatabaseClock
from billing_worker.adapters.database.engine import open_engine, server_time
from billing_worker.config import load_settings
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.usecases.control.environment import compared, require_claimed_environment
from tests.support.databases import Databases
from tests.support.world import World

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Server:
    """A server whose clock and health the test decides."""

    def __init__(self) -> None:
        self.shows = NOON
        self.down = False
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        if self.down:
            raise Unavailable("down")
        return self.shows


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch):
    """Seconds of the process's monotonic clock, moved by the test."""

    class Time:
        seconds = 1000.0

        def monotonic(self) -> float:
            return self.seconds

    time = Time()
    monkeypatch.setattr(clock_module, "time", time)
    return time


@pytest.mark.fm("A8")
@pytest.mark.fm("H1")
def test_a_jump_of_the_hosts_clock_moves_nothing(world: World) -> None:
    clock = DatabaseClock(lambda: server_time(world.engine))
    true = clock.moment().real
    for wrong in ("1999-01-01", "2099-01-01"):
        with time_machine.travel(wrong):
            assert abs(clock.moment().real - true) < timedelta(seconds=30)
            started_now = DatabaseClock(lambda: server_time(world.engine))
            assert abs(started_now.moment().real - true) < timedelta(seconds=30)


def test_it_shows_what_the_server_shows(world: World) -> None:
    with world.engine.connect() as connection:
        before = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        shown = DatabaseClock(lambda: server_time(world.engine)).moment().billing
        after = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert before - timedelta(seconds=1) <= shown <= after + timedelta(seconds=1)
    assert shown.tzinfo is UTC


def test_between_two_looks_the_monotonic_clock_carries_the_time_on(monotonic) -> None:
    server = Server()
    clock = DatabaseClock(server)
    assert clock.moment().real == NOON
    monotonic.seconds += LOOK_EVERY - 1
    assert clock.moment().real == NOON + timedelta(seconds=LOOK_EVERY - 1)
    assert server.asked == 1


def test_after_a_while_it_looks_again_and_follows(monotonic) -> None:
    server = Server()
    clock = DatabaseClock(server)
    clock.moment()
    monotonic.seconds += LOOK_EVERY + 1
    server.shows = NOON + timedelta(seconds=LOOK_EVERY + 3)
    assert clock.moment().real == server.shows
    assert server.asked == 2


def test_it_never_looks_from_inside_of_a_transaction(monotonic) -> None:
    """Two transactions that hold a pooler's two connections, and both ask for the time, would wait for ever."""
    server = Server()
    clock = DatabaseClock(server)
    with clock.steady():
        assert server.asked == 1, "it looked before"
        monotonic.seconds += LOOK_EVERY + 1
        assert clock.moment().real == NOON + timedelta(seconds=LOOK_EVERY + 1)
        with clock.steady():
            clock.moment()
        clock.moment()
        assert server.asked == 1
    clock.moment()
    assert server.asked == 2


def test_a_process_works_with_a_single_connection(database_url: str) -> None:
    settings = load_settings(database_url=database_url)
    ports, engine = bootstrap.build(settings, role="test", connections=1)
    engine.pool._timeout = 0.1  # type: ignore[attr-defined] # 30 s in production
    try:
        require_claimed_environment(ports)
        assert compared(ports).differences == []
    finally:
        engine.dispose()


@pytest.mark.fm("G1")
def test_a_server_that_is_away_does_not_stop_a_clock_that_has_seen_it(monotonic) -> None:
    server = Server()
    clock = DatabaseClock(server)
    clock.moment()
    server.down = True
    monotonic.seconds += LOOK_EVERY + 5
    assert clock.moment().real == NOON + timedelta(seconds=LOOK_EVERY + 5)


def test_a_server_that_was_never_reached_is_said_to_be_away() -> None:
    server = Server()
    server.down = True
    with pytest.raises(Unavailable):
        DatabaseClock(server).moment()


def test_billing_time_runs_through_the_time_machine_and_real_time_does_not(monotonic) -> None:
    machine = TimeMachine.parse(f"2026-01-01T00:00:00+00:00 x86400 @{NOON.isoformat()}")
    clock = DatabaseClock(Server(), lambda: machine)
    clock.moment()
    monotonic.seconds += 2
    assert clock.moment().real == NOON + timedelta(seconds=2)
    assert clock.moment().billing == datetime(2026, 1, 3, tzinfo=UTC)


def test_a_database_that_went_away_is_unavailable_and_not_a_traceback_of_the_driver(databases: Databases) -> None:
    with databases.empty() as url:
        engine = open_engine(url, pool_size=1, application="test")
        server_time(engine)
    with pytest.raises(Unavailable):
        server_time(engine)
    engine.dispose()
