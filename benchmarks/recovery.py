"""Rate and latency of `POST /v1/recovery` over real HTTP, beside `GET /healthz` of the same server.

Starts PostgreSQL, Redis and `billing-worker web`, and sends from a separate process: at fixed times (open model), then
as many as are answered. Half of the declines come with the history of their card; every text is one that PGs send. The
ratio of both endpoints holds on a busy machine, where the times do not.

    make bench-recovery            or: .venv/bin/python benchmarks/recovery.py --seconds 20
"""

import argparse
import json
import os
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from cost import cpu_of
from declines import SAMPLE
from rich.console import Console
from rich.table import Table
from stage import Stage, staged, wait_ready

from billing_worker.domain.declines.normaliser import BOOKS
from billing_worker.runtime import Supervisor

TOKEN = "benchmark-token-of-thirty-two-bytes"  # noqa: S105 - of a server that ends with the run
RATES = (100, 300)
WARM_UP, PEAK_SECONDS = 3.0, 8.0
PEAK_LINES = 32
REQUESTS = 500
BARE, ADVICE = "healthz", "recovery"
AT = datetime(2026, 3, 12, 0, 30, tzinfo=UTC)
SHOWN = ("acks_per_second", "p50_ms", "p99_ms", "max_ms", "web_cpu_ms", "shed_503", "other")


def main() -> int:
    """Run all, and print the results; 1 if a request was not answered with advice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each rate (default 20)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    os.environ["BILLING_API_TOKEN"] = TOKEN
    with staged() as stage:
        figures = measure(stage, options.seconds)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    return int(any(run["other"] or run["not_sent"] for run in figures.values()))


def measure(stage: Stage, seconds: float) -> dict[str, Any]:
    """Each rate, then the peak, of both endpoints in turn."""
    figures: dict[str, Any] = {}
    asked = {BARE: [bare()], ADVICE: [declined(random.Random(number)) for number in range(REQUESTS)]}
    logs = stage.services.var_dir / "logs"
    with Supervisor([stage.receiver()], lambda _: None, output_dir=logs) as supervisor:
        wait_ready(supervisor)
        for name, requests in asked.items():
            _run(stage, supervisor, requests, rate=RATES[0], seconds=WARM_UP)
            for rate in RATES:
                figures[f"{name} {rate}/s"] = _run(stage, supervisor, requests, rate=rate, seconds=seconds)
            figures[f"{name} peak"] = _run(stage, supervisor, requests, rate=0, seconds=PEAK_SECONDS, lines=PEAK_LINES)
    return figures


def _run(stage: Stage, supervisor: Supervisor, requests: list[str], **task: Any) -> dict[str, Any]:
    before = cpu_of(supervisor.pids["web"])
    figures = stage.load(
        supervisor, stage.settings.web_port, seed=1, requests=requests, acks=os.devnull, **task
    ).result()
    spent = cpu_of(supervisor.pids["web"]) - before
    figures["web_cpu_ms"] = round(1000 * spent / max(1, figures["acks"] + figures["shed_503"]), 3)
    return figures


def bare() -> str:
    """The cheapest request that the server answers: no token, no body, no database."""
    return "GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"


def declined(drawn: random.Random) -> str:
    """A question about a declined payment."""
    pg = drawn.choice(sorted(BOOKS))
    told = {
        "id": f"order-{drawn.randrange(10**6)}",
        "pg": pg,
        "text": _text(drawn, pg),
        "amount": drawn.randrange(1000, 100_000),
        "declined_at": AT.isoformat(),
    }
    if drawn.random() < 0.5:
        days = drawn.sample(range(1, 40), drawn.randrange(1, 6))
        told["history"] = [{"at": (AT - timedelta(days=day)).isoformat(), "text": _text(drawn, pg)} for day in days]
    body = json.dumps(told)
    head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST /v1/recovery HTTP/1.1\r\nHost: bench\r\n{head}\r\n\r\n{body}"


def _text(drawn: random.Random, pg: str) -> str:
    return f"[{drawn.choice(sorted(BOOKS[pg].codes))}]{drawn.choice(SAMPLE)}"


def show(figures: dict[str, Any]) -> None:
    """Print one row per run, and the ratio of both endpoints under it."""
    table = Table(title="Advice on declines over HTTP (load, servers and web on one machine)")
    table.add_column("run")
    for name in SHOWN:
        table.add_column(name.replace("_", " "), justify="right")
    for run, found in figures.items():
        table.add_row(run, *(str(found[name]) for name in SHOWN))
    for run in [run for run in figures if run.startswith(ADVICE)]:
        of, beside = figures[run], figures[run.replace(ADVICE, BARE)]
        ratios = (f"{of[name] / beside[name]:.2f}" if beside[name] else "" for name in SHOWN[:5])
        table.add_row(f"  {run} / {BARE}", *ratios)
    Console(width=130).print(table)


if __name__ == "__main__":
    sys.exit(main())
