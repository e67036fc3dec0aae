from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.adapters.clock import DatabaseClock
from billing_worker.adapters.time_machine import time_machine
from billing_worker.demo.steering import LEASE, PATIENCE, Steering, waits_since
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.time_machine import IN_A_FILE, TimeMachine
from billing_worker.ports.books import Standing
from billing_worker.sandbox import TimeMachine as SandboxMachine
from billing_worker.sandbox.clock import Clock as SandboxClock
from tests.builders import utc

START, END, REAL = utc("2026-01-01T00:00"), utc("2026-03-31T23:59"), utc("2026-11-21T08:41")
DAY = 86_400.0


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.fixture
def steering(tmp_path: Path) -> Steering:
    return Steering(tmp_path, START, END, DAY, REAL)


def shown(steering: Steering, after: float) -> timedelta:
    """What a merchant's process shows these real seconds after the beginning, from the start of billing."""
    return time_machine(steering.of_merchant)().shows(REAL + seconds(after)) - START


def test_time_stands_at_the_start_until_it_is_moved_on(steering: Steering) -> None:
    assert shown(steering, 0) == shown(steering, 1000) == timedelta(0)
    assert steering.move_on(REAL + seconds(1000), None)
    assert shown(steering, 1000) == timedelta(0)
    assert shown(steering, 1001) == timedelta(days=1)


def test_time_that_is_not_moved_on_stands_still_and_goes_on_from_there_without_a_jump(steering: Steering) -> None:
    steering.move_on(REAL, None)
    assert shown(steering, 100) == timedelta(days=LEASE)
    steering.move_on(REAL + seconds(100), None)
    assert shown(steering, 100) == timedelta(days=LEASE)
    assert shown(steering, 101) == timedelta(days=LEASE + 1)


def test_time_waits_while_work_is_open_for_longer_than_a_week_and_not_for_younger_work(steering: Steering) -> None:
    steering.move_on(REAL, None)
    for look in range(1, 7):
        assert steering.move_on(REAL + seconds(look), START)
    assert steering.move_on(REAL + seconds(7), START), "a week is not more than a week"
    assert not steering.move_on(REAL + seconds(7.1), START)
    assert not steering.move_on(REAL + seconds(500), START)
    stands = shown(steering, 500)
    assert stands == timedelta(days=7 + LEASE)
    assert steering.move_on(REAL + seconds(500), START + stands - PATIENCE)
    assert shown(steering, 501) == stands + timedelta(days=1)


def test_time_does_not_wait_for_a_charge_that_waits_for_its_next_date() -> None:
    """They waited for each other: the demonstration stood still, and nothing was open."""
    nothing: dict[str, Any] = dict.fromkeys(Standing.__dataclass_fields__)
    assert waits_since(Standing(**nothing | {"unplaced": 1, "oldest_unplaced": START})) is None
    for name in ("oldest_due", "oldest_period_due", "oldest_unknown"):
        assert waits_since(Standing(**nothing | {"oldest_unplaced": START, name: END})) == END


def test_the_merchant_stops_at_the_end_and_the_gateway_does_not(steering: Steering) -> None:
    for look in range(200):
        steering.move_on(REAL + seconds(look), None)
    assert shown(steering, 200) == END - START
    assert SandboxMachine.parse(steering.of_gateway).until > END.timestamp() + 30 * DAY


@given(looks=st.lists(st.tuples(st.floats(0, 5), st.booleans()), min_size=1, max_size=40))
def test_time_never_goes_back_and_is_never_a_lease_ahead_of_the_last_look(
    tmp_path_factory: pytest.TempPathFactory, looks: list[tuple[float, bool]]
) -> None:
    steering = Steering(tmp_path_factory.mktemp("clock"), START, END, DAY, REAL)
    at, last = 0.0, timedelta(0)
    for wait, is_held in looks:
        at += wait
        before = shown(steering, at)
        waits_since = START + before - PATIENCE - timedelta(hours=1) if is_held else None
        assert steering.move_on(REAL + seconds(at), waits_since) is not is_held
        assert abs(shown(steering, at) - before) < timedelta(seconds=1), "what is shown jumped"
        assert last - timedelta(seconds=1) <= before <= last + timedelta(days=LEASE)
        last = max(last, before)


def test_both_clocks_follow_the_file_while_it_changes(tmp_path: Path) -> None:
    steering = Steering(tmp_path, START, END, DAY, REAL)
    ours = DatabaseClock(lambda: REAL, time_machine(steering.of_merchant))
    theirs = SandboxClock(SandboxMachine.parse(steering.of_gateway))
    assert ours.moment().billing == START
    assert theirs.virtual() == START.timestamp()
    assert theirs.real_seconds_until(START.timestamp() + 1) > 0, "a clock that stands would be looked at without end"
    path = Path(steering.of_merchant.removeprefix(IN_A_FILE))
    path.with_suffix(".new").write_text(str(TimeMachine(START + timedelta(days=9), DAY, REAL, START + timedelta(9))))
    path.with_suffix(".new").replace(path)
    assert ours.moment().billing == START + timedelta(days=9)


@pytest.mark.parametrize(("text", "problem"), [(None, "No such file"), ("soon", "START xRATE @ORIGIN")])
def test_a_file_without_a_time_machine_is_refused_by_its_name(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "clock"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsInvalid, match=f"BILLING_TIME_MACHINE: .*{problem}"):
        time_machine(f"{IN_A_FILE}{path}")
    with pytest.raises(ValueError, match=r"cannot be read|a time machine is"):
        SandboxMachine.parse(f"{IN_A_FILE}{path}")
