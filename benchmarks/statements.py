"""The cost of a transaction pooler: limits set in every transaction, and statements planned each time.

All ways alternate within one run, on an embedded PostgreSQL, in one thread: read the ratios, not the times.
"""

import argparse
import json
import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine
from stage import _Gateway

from billing_worker import bootstrap
from billing_worker.adapters.database.engine import Session, open_engine, opening_of
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.config import load_settings
from billing_worker.domain.moment import Moment
from billing_worker.ports.bundle import Ports
from billing_worker.runtime import EmbeddedPostgres
from billing_worker.usecases.charge import collect
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

BATCH = 20
PLAIN = "BEGIN ISOLATION LEVEL READ COMMITTED"


def main() -> None:
    """Measure both, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    try:
        figures = measured(server.start(), options.rounds)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures, indent=2) if options.json else "\n".join(f"{k:45} {v}" for k, v in figures.items()))


def measured(url: str, rounds: int) -> dict[str, float]:
    """Times, and their ratios."""
    engines = {name: open_engine(url, pool_size=1, application=name) for name in ("prepared", "planned each time")}
    bootstrap.upgrade_database(engines["prepared"])
    with engines["planned each time"].connect() as connection:
        connection.connection.driver_connection.prepare_threshold = None  # type: ignore[union-attr] # a Session
    begins = transactions(engines["prepared"], rounds)
    charges = charged(engines, rounds)
    for engine in engines.values():
        engine.dispose()
    return {
        "transaction without limits, us": round(begins["plain"], 1),
        "transaction with its limits, us": round(begins["limited"], 1),
        "ratio of the two": round(begins["limited"] / begins["plain"], 3),
        "charge, statements prepared, ms": round(charges["prepared"], 2),
        "charge, statements planned each time, ms": round(charges["planned each time"], 2),
        "ratio of these two": round(charges["planned each time"] / charges["prepared"], 3),
    }


def transactions(engine: Engine, rounds: int) -> dict[str, float]:
    """Microseconds of a transaction that does nothing."""
    ways: dict[str, Session] = {"plain": opening_of(engine).connect(), "limited": opening_of(engine).connect()}
    ways["plain"].begins = PLAIN
    with closing(ways["plain"]), closing(ways["limited"]):

        def work(name: str) -> None:
            for _ in range(BATCH * 5):
                ways[name].begin()
                ways[name].execute("SELECT 1").fetchone()
                ways[name].commit()

        return {name: 1e6 * seconds / (BATCH * 5) for name, seconds in alternating(ways, work, rounds).items()}


def charged(engines: dict[str, Engine], rounds: int) -> dict[str, float]:
    """Milliseconds of a renewal and its charge, with a gateway that answers at once."""
    settings = load_settings(
        database_url="postgresql://nobody@127.0.0.1/none",
        portone_imp_key="bench",
        portone_imp_secret="bench",  # noqa: S106 - invented
        portone_api_url="http://127.0.0.1:9",
    )
    ports, unused = bootstrap.build(settings, role="bench", connections=1)
    unused.dispose()
    gateway, ids = _Gateway(), RandomIds()
    ways: dict[str, Ports] = {
        name: replace(ports, database=SqlDatabase(engine, ids), gateway=gateway, clock=_HostClock())  # type: ignore[arg-type] # it charges, and is asked for nothing else
        for name, engine in engines.items()
    }
    plan = create_plan(ways["prepared"], "Bench", 9_900, "KRW", calendar=calendar_from(interval="month"))
    made: list[str] = []

    def prepare(name: str) -> None:
        made.clear()
        for _ in range(BATCH):
            key = register_and_confirm(ways[name], NewKey(ids.new("bench"), "nice_v2"))
            made.append(subscribe(ways[name], NewSubscription(plan.id, key.id, key.id)).id)

    def work(name: str) -> None:
        for subscription in made:
            collect.renew(ways[name], [subscription])

    return {name: 1e3 * seconds / BATCH for name, seconds in alternating(ways, work, rounds, prepare=prepare).items()}


class _HostClock:
    """This host's: one database, one thread."""

    def moment(self) -> Moment:
        """Now."""
        now = datetime.now(UTC)
        return Moment(now, now)


def alternating(
    ways: dict[str, object] | dict[str, Session] | dict[str, Ports],
    work: Callable[[str], None],
    rounds: int,
    *,
    prepare: Callable[[str], None] = lambda _: None,
) -> dict[str, float]:
    """A low decile of each way's seconds, in turn: other load on the machine only adds to them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, taken in seconds.items():
            prepare(name)
            started = time.perf_counter()
            work(name)
            taken.append(time.perf_counter() - started)
    return {name: statistics.quantiles(taken, n=10)[0] for name, taken in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
