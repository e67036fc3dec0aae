"""Charges per second and their cost: the whole worker on this machine, beside a bare HTTP loop.

Starts PostgreSQL (durable), Redis, the sandbox with a gateway's latency, web, workers, beat and Flower; makes N
subscriptions due at once and measures until the last one is paid. In the same run, a bare loop of threads posts the
same call to the same sandbox. Then, one after the other and if asked for, the same number is charged by a naive Celery
worker (`naive.py`), and by an earlier commit of this repository with its own benchmark.

    make bench            or: .venv/bin/python benchmarks/charges.py --naive --earlier 3d46064
    make bench-naive      or: the same with --subscriptions 6000 --naive --naive-scan 120 --kills 5
    make bench-shared     or: the same with --shared-keys 10 --stolen 2

With `--kills` a worker gets SIGKILL at moments spread evenly over each drain, and its supervisor starts it again. At
the end the sandbox's own books tell which periods were charged never, and which more than once. The exit status is 1
if ours lost or doubled one, or if PostgreSQL broke a deadlock.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from bare import bare_loop
from cost import Meter, servers
from due import cards_of, charged, load, settled
from earlier import measured_earlier
from ledger import judged, payments, period
from naive_drain import measured_naive
from rig import READY_SECONDS, Drain, Rig, deadlocks, drained, rigged, run_for, run_until
from shown import costs, ratios, show

LIMIT = 300.0
"""Seconds until the run is aborted."""
LIMIT_OF_KILLS = 900.0
"""The same with kills: what a killed worker left open is proved absent by two reads, a settle window apart."""
WARM_UP = 8.0
BARE_THREADS = 64


def main() -> int:
    """Run all, print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=3000, help="due at once (default 3000)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--threads", type=int, default=4, help="threads of each worker (default 4)")
    parser.add_argument("--bare-calls", type=int, default=2000, help="calls of the bare loop (default 2000)")
    parser.add_argument("--hanging", type=float, default=0.0, help="percent of calls that hang for 65 s (default 0)")
    parser.add_argument("--declined", type=float, default=0.0, help="percent of charges that are declined (default 0)")
    parser.add_argument("--stolen", type=float, default=0.0, help="percent of cards declined for good (default 0)")
    parser.add_argument("--shared-keys", type=int, default=1, metavar="K", help="subscriptions of a key (default 1)")
    parser.add_argument("--kills", type=int, default=0, help="kill a worker so often during each drain (default 0)")
    parser.add_argument("--naive", action="store_true", help="also drain with the naive worker")
    parser.add_argument("--naive-scan", type=float, default=60.0, help="seconds between its scans (default 60)")
    parser.add_argument("--earlier", metavar="COMMIT", help="also run the benchmark of this commit")
    parser.add_argument("--without-flower", action="store_true", help="leave Flower out, to see its cost")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    environment = dict(os.environ)
    with rigged(options.processes, options.threads) as rig:
        figures = measured(rig, options)
        if options.naive:
            figures["naive"] = measured_naive(rig, options)
    if options.earlier:
        found = measured_earlier(options.earlier, options.subscriptions, environment)
        figures |= {options.earlier: found} if found else {}
    figures["ratios"] = ratios(figures, options.earlier)
    show(figures, as_json=options.json)
    ours = figures["ours"]
    return 1 if ours["lost"] or ours["doubled"] or ours["deadlocks"] else 0


def measured(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the bare loop and our own drain."""
    due_at = datetime.now(UTC) + timedelta(seconds=40 + options.subscriptions / 80)
    cards = cards_of(options)
    load(rig.ports, cards, due_at, options.shared_keys)
    ledger = rig.folder / "ledger.jsonl"
    processes = [rig.sandbox(ledger), *rig.workers()]
    if options.without_flower:
        processes = [process for process in processes if process.name != "flower"]
    with rig.supervised(processes) as supervisor, rig.connect() as connection:
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        run_for(supervisor, WARM_UP)
        bare = bare_loop(rig.gateway, options.bare_calls, BARE_THREADS)
        if datetime.now(UTC) > due_at:
            raise SystemExit("the subscriptions fell due during the warm-up; use fewer")
        run_until(supervisor, lambda: datetime.now(UTC) >= due_at)
        drain = drained(
            supervisor,
            Meter(supervisor, servers()),
            lambda: settled(connection),
            len(cards) - cards.count("slow"),
            limit=LIMIT_OF_KILLS if options.kills else LIMIT,
            kills=options.kills,
            pause=0.1 if options.kills else 0.5,
        )
        figures = _figures(connection, drain, cards, ledger)
    return {"bare": bare, "ours": figures}


def _figures(connection: psycopg.Connection, drain: Drain, cards: Sequence[str], ledger: Path) -> dict[str, Any]:
    figures = charged(connection)
    booked = figures["charged"]
    verdict = judged(cards.count("ok"), payments(ledger, period))
    return {
        **figures,
        **costs(drain.cpu, booked),
        "kills": drain.kills,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "charged_and_not_booked": max(0, verdict.payments - booked),
        "deadlocks": deadlocks(connection),
    }


if __name__ == "__main__":
    sys.exit(main())
