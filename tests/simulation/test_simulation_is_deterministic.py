"""One seed is one story: the same trace again and again, in any process; another seed is another one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from billing_worker.simulation.fleet.swarm import FAULTS, Options
from billing_worker.simulation.many import run_many, run_one

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


def traces(hash_seed: str) -> list[str]:
    words = ("simulate", "--seed", "40", "--seeds", "3", "--subscriptions", "6", "--years", "2", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "billing_worker", *words],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return [run["trace"] for run in json.loads(done.stdout)["runs"]]


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    here = [run_one(seed, 6, 2).trace for seed in (40, 41, 42)]
    assert traces("1") == traces("20") == here
    assert len(set(here)) == 3


@pytest.mark.parametrize("seed", range(60, 72))
def test_a_few_seeds_are_clean_and_the_same_again(seed: int) -> None:
    first, second = run_one(seed, 5, 2), run_one(seed, 5, 2)
    assert first.breach is None, (first.breach, first.story)
    assert (first.trace, first.steps, first.commits) == (second.trace, second.steps, second.commits)


def test_seeds_differ_in_what_they_draw() -> None:
    drawn = [Options.drawn(seed, 10, 1) for seed in range(200)]
    assert {kind for options in drawn for kind in options.faults} == set(FAULTS)
    assert any(not options.faults for options in drawn)
    assert len({options.workers for options in drawn}) > 1
    assert len({options.soft_rate for options in drawn}) > 1


def test_two_processes_say_the_same_as_one() -> None:
    alone = {verdict.options.seed: verdict.trace for verdict in run_many(range(80, 84), 4, 1, workers=1)}
    together = {verdict.options.seed: verdict.trace for verdict in run_many(range(80, 84), 4, 1, workers=2)}
    assert alone == together
    assert list(alone) == [80, 81, 82, 83]
