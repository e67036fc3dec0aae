"""What the simulation runs is what the tasks run."""

from pathlib import Path

from billing_worker.domain.timing import Timing
from billing_worker.simulation.fleet.broker import RING_EXPIRES, UNIT_EXPIRES
from billing_worker.simulation.fleet.fleet import LOOKS_FOR_ITSELF, SCANS, UNITS
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import Store
from billing_worker.usecases.jobs import BY_NAME

ROOT = Path(__file__).resolve().parents[2]


def test_every_job_of_the_table_is_simulated_but_those_that_look_at_everything() -> None:
    assert {*UNITS, *LOOKS_FOR_ITSELF} == set(BY_NAME)
    assert {job.name for job in SCANS.values()} == {name for name in UNITS if BY_NAME[name].due is not None}


def test_the_store_has_the_work_of_every_simulated_scan() -> None:
    """A beat of the simulation never rings another scan."""
    assert set(Store(Numbered()).scans()) == {job.name for job in SCANS.values()}


def test_messages_expire_as_the_real_ones_do() -> None:
    schedule = (ROOT / "tasks" / "schedule.py").read_text()
    assert f"HEARD_WITHIN = {RING_EXPIRES.seconds}" in schedule
    assert UNIT_EXPIRES.seconds == 2 * Timing().claim
