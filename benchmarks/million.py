"""A million renewals that fall due at one instant, drained by the whole worker on this machine.

    make bench-million      or: .venv/bin/python benchmarks/million.py --subscriptions 200000

Starts PostgreSQL (durable), Redis and the sandbox with a gateway's latency, fills both books with a portfolio that has
grown (`fill.py`; the sandbox knows the payments of the past as well), starts web, workers, beat and Flower, and waits
until the last period is paid or the time is over. Meanwhile beat rings every job as in production, comparisons and
audits included, and each charge has its webhook.

Every ten seconds it notes what is paid and the memory of each process with its children (what processes share counts
once). At the end the sandbox's own books say which periods were charged never, and which twice. It prints the rate of
each tenth and the memory in the first and in the last. The sandbox keeps every payment in memory: it grows by design.

The exit status is 1 if a period was lost or doubled, or if the time was over before the end.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
from cost import Meter, resident, servers
from fill import AMOUNT, Portfolio, fill, payment_of, times_of
from ledger import Row, judged, payments, period
from rich.console import Console
from rich.table import Table
from rig import READY_SECONDS, Drain, Rig, deadlocks, drained, paid, rigged, run_for, run_until
from shown import costs

from billing_worker.usecases.control.environment import accept_fingerprint

EVERY = 10.0
"""Seconds between two samples."""
WARM_UP = 8.0
STALL = 400.0
"""Seconds without a single payment after which the drain is given up: longer than any attempt stays open."""
FILLED_PER_SECOND, START_SECONDS = 1_500, 45
"""How far ahead they are due: about when everything has started. A slower machine only begins a little late."""
RENEWED = "p00001"
TENTHS = [tenth / 10 for tenth in range(11)]


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood at one moment of the drain."""

    seconds: float
    paid: int
    memory: Mapping[str, float]
    """Megabytes of each process."""


def main() -> int:
    """Fill, drain, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=1_000_000, help="due at once (default 1,000,000)")
    parser.add_argument("--minutes", type=float, default=75.0, help="of the drain, at most (default 75)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--threads", type=int, default=4, help="threads of each worker (default 4)")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two samples (default 10)")
    parser.add_argument(
        "--compare-every", type=float, default=300.0, help="seconds between two comparisons of both books (default 300)"
    )
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with rigged(options.processes, options.threads, compare_interval=str(options.compare_every)) as rig:
        figures = measured(rig, options)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    complete = figures["charged"] == options.subscriptions
    return 0 if complete and not figures["lost"] and not figures["doubled"] else 1


def measured(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Fill both books and drain them."""
    count, now = options.subscriptions, datetime.now(UTC)
    due_at = now + timedelta(seconds=START_SECONDS + count / FILLED_PER_SECOND)
    portfolio = Portfolio(count, count, now, due_at=due_at, card="ok-bench")
    fill(rig.settings.database, portfolio, _say)
    accept_fingerprint(rig.ports)  # as an operator does with a database that was used before
    ledger = rig.folder / "ledger.jsonl"
    with ledger.open("w") as file:
        file.writelines(booked(portfolio))
    _say("starting everything")
    with rig.supervised([rig.sandbox(ledger), *rig.workers()]) as supervisor, rig.connect() as connection:
        connection.execute("SET statement_timeout = 0")
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        run_for(supervisor, WARM_UP)
        run_until(supervisor, lambda: datetime.now(UTC) >= due_at)
        meter = Meter(supervisor, servers())
        samples = Samples(connection, meter, count)
        drain = drained(
            supervisor, meter, samples.take, count, limit=60 * options.minutes, stall=STALL, pause=options.every
        )
        _say("judging")
        figures = _books(connection, drain)
    verdict = judged(count, payments(ledger, renewed))
    figures |= {"lost": verdict.lost, "doubled": verdict.doubled}
    return figures | {"memory_mb": memory_of(samples.taken, count)}


def booked(portfolio: Portfolio) -> Iterator[str]:
    """The sandbox's ledger of the payments that the portfolio begins with."""
    for number in range(portfolio.subscriptions):
        uid, imp_uid, customer_uid = payment_of(number, portfolio)
        at = int(times_of(number, portfolio)[0].timestamp())
        row = {
            "kind": "payment", "imp_uid": imp_uid, "merchant_uid": uid, "customer_uid": customer_uid, "amount": AMOUNT,
            "status": "paid", "pg_provider": "nice_v2", "started_at": at, "paid_at": at, "updated_at": at,
            "order": number + 1,
        }  # fmt: skip
        yield json.dumps(row, separators=(",", ":")) + "\n"


def renewed(row: Row) -> str | None:
    """The period of a renewal; None for a payment that the portfolio began with."""
    name = period(row)
    return name if name and name.endswith(RENEWED) else None


class Samples:
    """What is paid and what each process holds, from time to time."""

    def __init__(self, connection: psycopg.Connection, meter: Meter, count: int) -> None:
        self._connection, self._meter, self._count = connection, meter, count
        self._before, self._began = paid(connection), time.monotonic()
        self.taken: list[Sample] = []

    def take(self) -> int:
        """Note how things stand, and say so; returns what is paid."""
        done, seconds = paid(self._connection) - self._before, time.monotonic() - self._began
        held = {name: resident(pid) for name, pid in self._meter.pids.items()}
        last = self.taken[-1] if self.taken else Sample(0.0, 0, {})
        rate = (done - last.paid) / max(0.1, seconds - last.seconds)
        self.taken.append(Sample(seconds, done, held))
        sizes = ", ".join(f"{name} {size:.0f}" for name, size in held.items())
        _say(f"{seconds:6.0f} s  {done:,} of {self._count:,}  {rate:.0f} a second  MB: {sizes}")
        return done


def memory_of(samples: Sequence[Sample], count: int) -> dict[str, tuple[float, float]]:
    """Megabytes of each process, in the first and in the last tenth of the drain."""
    first = [sample for sample in samples if sample.paid <= 0.1 * count] or list(samples[:1])
    last = [sample for sample in samples if sample.paid >= 0.9 * count] or list(samples[-1:])

    def held(name: str, among: Sequence[Sample]) -> float:
        return round(statistics.mean(sample.memory.get(name, 0.0) for sample in among), 1)

    names = dict.fromkeys(name for sample in samples for name in sample.memory)
    return {name: (held(name, first), held(name, last)) for name in names}


def _books(connection: psycopg.Connection, drain: Drain) -> dict[str, Any]:
    """Our own books of the renewals: their times, and what is not at its end."""
    row = connection.execute(
        """
        SELECT count(*), extract(epoch FROM max(a.closed_at) - min(a.started_at))::float,
               percentile_disc(%s) WITHIN GROUP (ORDER BY extract(epoch FROM a.closed_at)::float)
        FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        WHERE i.period_index = 1 AND a.status = 'approved'
        """,
        (TENTHS,),
    ).fetchone()
    assert row is not None
    done, seconds, ends = row
    alerts = connection.execute("SELECT kind, count(*) FROM alerts WHERE closed_at IS NULL GROUP BY 1").fetchall()
    compared = connection.execute(
        "SELECT count(*) FILTER (WHERE status = 'done'), COALESCE(sum(payments), 0) FROM comparisons"
    ).fetchone() or (0, 0)
    spans = list(pairwise(ends)) if ends else []
    return {
        "charged": done,
        "seconds": round(seconds or 0.0, 1),
        "charges_per_second": round(done / seconds, 1) if seconds else 0.0,
        "rate_of_each_tenth": [round(done / 10 / max(0.01, end - begin), 1) for begin, end in spans],
        **costs(drain.cpu, done),
        "comparisons_done": compared[0],
        "payments_compared": int(compared[1]),
        "open_alerts": {str(kind): number for kind, number in alerts},
        "deadlocks": deadlocks(connection),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(figures: Mapping[str, Any]) -> None:
    """Print it."""
    rates = figures["rate_of_each_tenth"]
    counts = ("charged", "seconds", "charges_per_second", "lost", "doubled", "deadlocks", "open_alerts")
    for name in (*counts, "comparisons_done", "payments_compared"):
        print(f"{name.replace('_', ' ')}: {figures[name]}")
    print(f"CPU ms a charge: {figures['total_cpu_ms_per_charge']}, workers {figures['worker_cpu_ms_per_charge']}")
    if rates:
        print(f"charges per second, tenth by tenth: {rates}; last / first: {rates[-1] / rates[0]:.2f}")
    table = Table(title="Megabytes, with children; what is shared counts once")
    for column in ("process", "first tenth", "last tenth", "CPU ms a charge"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name, (first, last) in figures["memory_mb"].items():
        table.add_row(name, str(first), str(last), str(figures["cpu_ms_per_charge"].get(name, "")))
    Console(width=90).print(table)


if __name__ == "__main__":
    sys.exit(main())
