"""What each scan, the report, /metrics and an audit cost PostgreSQL, over a small portfolio and over a large one.

    make bench-scans      or: .venv/bin/python benchmarks/scans.py --sizes 10000,1000000

Starts PostgreSQL, fills one database for each size (`benchmarks/fill.py`), starts it again with empty buffers, and
runs each piece as the workers run it. Nothing is kept of what a piece writes, so that each run finds the same.
Databases that are filled already are measured with `--databases`, smallest first; they must not be in use.

The figures are milliseconds of CPU (user and system) of the one server process that serves the connection, read from
its own clock, with parallel workers off. "cold" is the first run after the start; "warm" is the mean of the later ones.
The ratio is that of the last size to the first, warm; a mark stands where it is 2 or more. The exit status is 1 where
one is above 4. A window of an audit holds a fifth of a database of 10,000. There PostgreSQL reads whole tables, which
is cheaper a row than an index is: compare it with 100,000.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import psycopg
from fill import SPREAD, Portfolio, fill
from rich.console import Console
from rich.table import Table

from billing_worker import bootstrap
from billing_worker.adapters.database.unit_of_work import SqlDatabase, SqlUnitOfWork
from billing_worker.cli.session import quiet_logs
from billing_worker.config import load_settings
from billing_worker.domain.moment import Moment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.runtime import EmbeddedPostgres
from billing_worker.usecases.incoming import tidy
from billing_worker.usecases.jobs import JOBS
from billing_worker.usecases.outgoing import deliver
from billing_worker.usecases.reading.lists import listed
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.review import audit

FLAT, GROWS = 2.0, 4.0
NOISE_MS = 1.0
"""Below that a ratio says nothing: a piece that small counts as flat."""
LEAST_RUNS, MOST_RUNS, ENOUGH_SECONDS = 3, 30, 1.0
MINUTES = 5
SECRET = "whsec_" + "a" * 44

Piece = Callable[[Ports], object]


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of the server's CPU."""

    cold: float
    warm: float
    wall: float
    """Milliseconds of time, warm."""


class Unkept(SqlDatabase):
    """A database of which every transaction is undone."""

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        """Begin a transaction whose commit keeps nothing."""
        with super().transaction() as uow:
            uow.commit = lambda: None  # type: ignore[method-assign]
            yield uow


@dataclass(frozen=True, slots=True)
class At:
    """The moment for which the database was filled."""

    now: datetime

    def moment(self) -> Moment:
        """It, on both clocks."""
        return Moment(self.now, self.now)


def main() -> int:
    """Measure all databases, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="subscriptions of each (10000,100000,1000000)")
    parser.add_argument("--databases", help="URLs of filled databases instead, with commas between them")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    quiet_logs()
    if options.databases:
        urls = {url.rsplit("/", 1)[1]: url for url in options.databases.split(",")}
        costs = {name: measured(url) for name, url in urls.items()}
    else:
        costs = measured_afresh([int(size) for size in options.sizes.split(",")])
    print(json.dumps(_plain(costs), indent=2)) if options.json else _show(costs)
    return 0 if all(ratio < GROWS for ratio in _ratios(costs).values()) else 1


def measured_afresh(sizes: list[int]) -> dict[str, dict[str, Cost]]:
    """Fill a server of our own, and measure."""
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    try:
        base = server.start().rsplit("/", 1)[0]
        for size in sizes:
            with psycopg.connect(f"{base}/billing".replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE filled_{size}")
                (now,) = connection.execute("SELECT now()").fetchone() or ()
            fill(
                f"{base}/filled_{size}",
                Portfolio(size, min(1_000, size), now),
                lambda line: print(line, file=sys.stderr),
            )
        costs = {}
        for size in sizes:
            server.stop()
            base = server.start().rsplit("/", 1)[0]
            costs[f"{size:,}"] = measured(f"{base}/filled_{size}")
        return costs
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def measured(url: str) -> dict[str, Cost]:
    """The cost of each piece, over one database."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET max_parallel_workers_per_gather = 0")
        row = connection.execute(
            "SELECT created_at, (SELECT id FROM invoices ORDER BY id LIMIT 1) FROM plans"
        ).fetchone()
    assert row is not None
    now, invoice = row[0] + SPREAD, str(row[1])
    settings = load_settings(
        database_url=url,
        portone_imp_key="bench",
        portone_imp_secret="bench",  # noqa: S106 - invented
        portone_api_url="http://127.0.0.1:9",
        events_url="http://127.0.0.1:9/events",
        events_secret=SECRET,
    )
    ports, engine = bootstrap.build(settings, role="bench", connections=1)
    ports = replace(ports, database=Unkept(engine, ports.ids), clock=At(now))  # type: ignore[arg-type] # stands still
    costs = {}
    for name, piece in pieces(now, invoice).items():
        costs[name] = _cost(ports, piece)
    engine.dispose()
    return costs


def pieces(now: datetime, invoice: str) -> Mapping[str, Piece]:
    """All that must stay flat, by name."""
    # Each due in turn, with the default limit, as beat rings them.
    scans: dict[str, Piece] = {
        f"scan: {job.name}": lambda ports, job=job: job.claim(ports, ports.scan_limit)  # type: ignore[misc]
        for job in JOBS
        if job.due is not None
    }
    return scans | {
        "scan: deliver, no receiver": lambda ports: deliver.due(replace(ports, notifier=None), ports.scan_limit),
        "tidy, served": lambda ports: tidy.tidy(ports, tidy.INBOX),
        "/metrics and report": lambda ports: report(ports, "Asia/Seoul"),
        "/metrics, no receiver": lambda ports: report(replace(ports, notifier=None), "Asia/Seoul"),
        "why": lambda ports: why(ports, invoice),
        "events of one invoice": lambda ports: listed(ports, Kind.EVENTS, {"subject_id": invoice}, limit=50),
        "audit: first window": lambda ports: _window(ports, None),
        "audit: a window in the middle": lambda ports: _window(ports, now - SPREAD / 2),
        "audit: what ends one": lambda ports: audit.look_at_the_end(ports, now, sample=0, texts=audit.RECENT_TEXTS),
    }


def _window(ports: Ports, since: datetime | None) -> None:
    for window in islice(audit.windows(ports, since, ports.clock.moment().billing), 1):
        audit.look_at(ports, window)


def _cost(ports: Ports, piece: Piece) -> Cost:
    with ports.database.transaction() as uow:
        pid = uow._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()  # noqa: SLF001 - whose CPU it is
    clock = ~pid << 3 | 2  # Linux' clock of another process: what /proc/PID/stat has in ticks
    spent, took = [], []
    began = time.monotonic()
    while len(spent) <= LEAST_RUNS or (len(spent) < MOST_RUNS and time.monotonic() - began < ENOUGH_SECONDS):
        cpu, start = time.clock_gettime(clock), time.perf_counter()
        piece(ports)
        spent.append(1e3 * (time.clock_gettime(clock) - cpu))
        took.append(1e3 * (time.perf_counter() - start))
    later = len(spent) - 1
    return Cost(spent[0], sum(spent[1:]) / later, sum(took[1:]) / later)


def _ratios(costs: Mapping[str, Mapping[str, Cost]]) -> dict[str, float]:
    first, last = next(iter(costs.values())), list(costs.values())[-1]
    return {name: max(last[name].warm, NOISE_MS) / max(first[name].warm, NOISE_MS) for name in last}


def _flat(ratio: float) -> bool:
    return ratio < FLAT


def _plain(costs: Mapping[str, Mapping[str, Cost]]) -> dict[str, dict[str, list[float]]]:
    return {
        size: {name: [round(cost.cold, 2), round(cost.warm, 2), round(cost.wall, 2)] for name, cost in own.items()}
        for size, own in costs.items()
    }


def _show(costs: Mapping[str, Mapping[str, Cost]]) -> None:
    table = Table(title="Milliseconds of PostgreSQL's CPU")
    table.add_column("piece")
    for size in costs:
        table.add_column(f"{size} cold", justify="right")
        table.add_column(f"{size} warm", justify="right")
    table.add_column("ratio", justify="right")
    for name, ratio in _ratios(costs).items():
        figures = [f"{figure:.2f}" for own in costs.values() for figure in (own[name].cold, own[name].warm)]
        table.add_row(name, *figures, f"{ratio:.1f}" + ("" if _flat(ratio) else " !"))
    Console(width=140).print(table)


if __name__ == "__main__":
    sys.exit(main())
