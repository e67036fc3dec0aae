"""The receiver at 1,000 hints a second while something else goes on: slow sockets, charges at full rate, or both."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from due import load
from rig import READY_SECONDS, paid, run_for, run_until
from stage import HERE, Stage

from billing_worker import bootstrap
from billing_worker.runtime import Supervisor
from billing_worker.usecases.control.environment import accept_fingerprint

RATE = 1_000
SLOW = 500
OF_CHARGES = {"echo": 90, "again": 10}
"""Per cent. While workers run, others than webhooks of recorded charges would make them read the gateway each time, and
the receiver would be measured beside that instead."""
CHARGES_PER_SECOND = 500
"""More than are charged while hints come, so that charging does not end before the load."""
LOAD_PER_SECOND = 150
"""Subscriptions that this benchmark makes, at least."""
START_SECONDS = 30
WARM_UP = 3.0
OPENING = 2.0
"""Seconds for slow sockets to open."""


def besides(stage: Stage, seconds: float) -> dict[str, Any]:
    """Measure beside slow sockets, then while charging, then both."""
    logs = stage.services.var_dir / "logs"
    figures: dict[str, Any] = {}
    with Supervisor([stage.receiver()], lambda _: None, output_dir=logs) as supervisor:
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        _hints(stage, supervisor, 40, WARM_UP)
        figures["web alone"] = _hints(stage, supervisor, 41, seconds)
        figures["slow sockets"] = _with_slow(stage, supervisor, lambda: _hints(stage, supervisor, 42, seconds))
    count = int(2 * (seconds + WARM_UP) * CHARGES_PER_SECOND)
    due_at = datetime.now(UTC) + timedelta(seconds=START_SECONDS + seconds + count / LOAD_PER_SECOND)
    _subscribe(stage, count, due_at)
    with (
        Supervisor(stage.everything(), lambda _: None, output_dir=logs) as supervisor,
        psycopg.connect(stage.database, autocommit=True) as connection,
    ):
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        _hints(stage, supervisor, 43, WARM_UP, mix=OF_CHARGES)
        figures["all at rest"] = _hints(stage, supervisor, 44, seconds, mix=OF_CHARGES)
        if datetime.now(UTC) > due_at:
            raise SystemExit("the subscriptions fell due too early; use fewer seconds")
        before = paid(connection)
        run_until(supervisor, lambda: paid(connection) > before)

        def charging(seed: int) -> dict[str, Any]:
            before, began = paid(connection), time.monotonic()
            found = _hints(stage, supervisor, seed, seconds, mix=OF_CHARGES)
            rate = (paid(connection) - before) / (time.monotonic() - began)
            return found | {"charges_per_second": round(rate, 1)}

        figures["charging"] = charging(45)
        figures["charging, slow sockets"] = _with_slow(stage, supervisor, lambda: charging(46))
    return figures


def _subscribe(stage: Stage, count: int, due_at: datetime) -> None:
    ports, engine = bootstrap.build(stage.settings, role="bench", connections=8)
    accept_fingerprint(ports)  # the payments of the hints make it a database that was used before
    load(ports, ["ok"] * count, due_at)
    engine.dispose()


def _hints(stage: Stage, supervisor: Supervisor, seed: int, seconds: float, **task: Any) -> dict[str, Any]:
    running = stage.load(supervisor, stage.settings.web_port, seed=seed, rate=RATE, seconds=seconds, **task)
    return {name: value for name, value in running.result().items() if name != "generator_cpu_ms"}


def _with_slow(stage: Stage, supervisor: Supervisor, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with slow_sockets(stage.settings.web_port) as found:
        run_for(supervisor, OPENING)
        figures = measure()
    return figures | found


@contextmanager
def slow_sockets(port: int, count: int = SLOW) -> Iterator[dict[str, int]]:
    """Keep slow connections open, from a process of their own; afterwards the dict says how many there were."""
    argv: Sequence[str] = (sys.executable, str(HERE / "slow_sockets.py"), str(port), str(count))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = {}
    try:
        yield found
        said, _ = process.communicate(timeout=30)
        found |= {f"slow_sockets_{name}": value for name, value in json.loads(said).items()}
    finally:
        process.kill()
        process.wait()
