"""`billing-worker simulate`: what it prints, and how a violation is told and replayed."""

import json
from collections.abc import Callable

import pytest

from billing_worker.cli.main import main
from billing_worker.simulation import run as running
from billing_worker.simulation.fleet.ledger import Ledger

SMALL = ("--subscriptions", "5", "--years", "1")


def test_a_clean_run_tells_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3", "--seeds", "2", "--workers", "1", *SMALL]) == 0
    told = capsys.readouterr().out
    assert "No violation." in told
    assert "subscription years" in told
    assert "10" in told


def test_json_has_the_trace_of_every_seed_and_the_options_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3", "--seeds", "2", "--workers", "1", *SMALL, "--json", "--verbose"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["subscription_years"] == 10
    assert told["violations"] == []
    assert [run["seed"] for run in told["runs"]] == [3, 4]
    assert told["runs"][0]["options"]["workers"] >= 2
    assert sum(told["fired"].values()) == told["faults"]


@pytest.fixture
def broken_world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on each simulated gateway takes an order twice, and its watcher counts each payment twice."""

    def plant() -> None:
        def charge_twice(self: Ledger, *wanted: object, **more: object) -> object:
            original(self, *wanted, **more)  # type: ignore[arg-type] # whatever was asked
            return original(self, *wanted, **more)  # type: ignore[arg-type] # as above

        original = Ledger.charge
        monkeypatch.setattr(Ledger, "charge", charge_twice)
        monkeypatch.setattr(Ledger, "takes", lambda *_: True)

    return plant


def test_a_violation_is_one_line_and_can_be_replayed(
    broken_world: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_world()
    assert main(["simulate", "--seed", "5", "--workers", "1", *SMALL]) == 1
    lines = capsys.readouterr().out.splitlines()
    violation = next(line for line in lines if line.startswith("violation: "))
    assert violation.startswith("violation: I1 at 20")
    replay = next(line for line in lines if line.startswith("replay: "))
    assert replay == "replay: billing-worker simulate --seed 5 --subscriptions 5 --years 1"
    assert main([*replay.split()[2:], "--json", "--workers", "1"]) == 1
    again = json.loads(capsys.readouterr().out)["violations"]
    assert [each["invariant"] for each in again] == ["I1"]
    assert str(again[0]["at"]) in violation


def test_after_a_violation_no_further_seed_begins(
    broken_world: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_world()
    assert main(["simulate", "--seeds", "50", "--workers", "1", "--verbose", *SMALL]) == 1
    told = capsys.readouterr().out
    assert told.count("trace ") == 1
    assert " gateway sim" in told


def test_a_size_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--subscriptions", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_start_is_a_fixed_moment() -> None:
    assert running.START.isoformat() == "2025-11-30T15:00:00+00:00"
