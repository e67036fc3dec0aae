"""Durable acknowledgements per second of the receiver, and their latency, beside a bare endpoint.

Starts PostgreSQL (fsync on), Redis and `billing-worker web`, and sends hints from a separate process at fixed times
(open model): JSON and forms, known and foreign, echoes and repetitions. Then it sends the same to an endpoint with one
INSERT and one commit per request, then the most possible, then ten times too much. No hint may be lost.

    make bench-receiver            or: .venv/bin/python benchmarks/receiver.py --seconds 30
    make bench-receiver-beside     or: .venv/bin/python benchmarks/receiver.py --seconds 30 --beside

With `--beside` it sends 1,000 a second only, while something else goes on: all other processes of production at rest,
500 connections that send a byte a second, charges at full rate with a webhook each, and both.
"""

import argparse
import json
import sys
import time
from typing import Any

from beside import besides
from cost import child_running, cpu_of, memory
from rich.console import Console
from rich.table import Table
from stage import HERE, Running, Stage, staged, wait_ready

from billing_worker.cli import stack
from billing_worker.runtime import Process, Supervisor, free_port

RATES = (500, 1000)
OVERLOAD = 10_000
OVERLOAD_SECONDS = 5.0
OVERLOAD_LINES = 1500
WARM_UP = 3.0
PEAK_SECONDS = 8.0
PROBE = 100
"""Hints per second after the overload, to see when the receiver has recovered."""


def main() -> int:
    """Run all, and print the results and any loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each rate (default 30)")
    parser.add_argument("--beside", action="store_true", help="beside slow sockets and while charging, instead")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with staged() as stage:
        figures = beside(stage, options.seconds) if options.beside else measure(stage, options.seconds)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    return 1 if figures["lost"] else 0


def measure(stage: Stage, seconds: float) -> dict[str, Any]:
    """Measure everything in one run, one target at a time."""
    figures: dict[str, Any] = {}
    port = free_port()
    argv = (sys.executable, str(HERE / "bare_receiver.py"), str(port), stage.settings.database)
    bare = Process("bare", argv, env=stack.child_environment({}), ready=lambda: stack.listens(port))
    logs = stage.services.var_dir / "logs"
    with Supervisor([stage.receiver()], lambda _: None, output_dir=logs) as supervisor:
        wait_ready(supervisor)
        figures |= rates(stage, supervisor, stage.settings.web_port, "web", seconds)
        figures["web 10x"] = overload(stage, supervisor)
        acked, figures["lost"] = stage.lost()
        figures["acknowledged"] = acked
    stage.acks.unlink()
    with Supervisor([bare], lambda _: None, output_dir=logs) as supervisor:
        wait_ready(supervisor)
        figures |= rates(stage, supervisor, port, "bare", seconds)
    return figures


def beside(stage: Stage, seconds: float) -> dict[str, Any]:
    """Measure beside other work, and count."""
    figures = besides(stage, seconds)
    figures["acknowledged"], figures["lost"] = stage.lost()
    return figures


def rates(stage: Stage, supervisor: Supervisor, port: int, name: str, seconds: float) -> dict[str, Any]:
    """Each rate, then the peak, for one target."""
    stage.load(supervisor, port, seed=1, rate=RATES[0], seconds=WARM_UP).result()
    figures = {}
    for seed, rate in enumerate(RATES, start=2):
        figures[f"{name} {rate}/s"] = measured(
            stage, supervisor, name, stage.load(supervisor, port, seed=seed, rate=rate, seconds=seconds)
        )
    peak = stage.load(supervisor, port, seed=9, rate=0, seconds=PEAK_SECONDS)
    figures[f"{name} peak"] = measured(stage, supervisor, name, peak)
    return figures


def measured(stage: Stage, supervisor: Supervisor, name: str, running: Running) -> dict[str, Any]:
    """A run with its cost."""
    pids = {name: supervisor.pids[name]}
    if stage.services.postgres is not None:
        pids["postgres"] = child_running("postgres")
    before = {each: cpu_of(pid) for each, pid in pids.items()}
    figures = running.result()
    after = {each: cpu_of(pid) for each, pid in pids.items()}
    handled = max(1, figures["acks"] + figures["shed_503"])
    for each in pids:
        figures[f"{each}_cpu_ms"] = round(1000 * (after[each] - before[each]) / handled, 3)
    figures["rss_mb"] = memory(pids[name], "VmRSS")
    return figures


def overload(stage: Stage, supervisor: Supervisor) -> dict[str, Any]:
    """Ten times the promised load, then a light one at once: the time until normal service."""
    port = stage.settings.web_port
    much = {"rate": OVERLOAD, "seconds": OVERLOAD_SECONDS, "lines": OVERLOAD_LINES, "patience": 0.0}
    figures = measured(stage, supervisor, "web", stage.load(supervisor, port, seed=20, **much))
    figures["rss_peak_mb"] = memory(supervisor.pids["web"], "VmHWM")
    began = time.monotonic()
    for seed in range(21, 31):
        probe = stage.load(supervisor, port, seed=seed, rate=PROBE, seconds=0.5, lines=8).result()
        if not probe["shed_503"] and not probe["other"] and probe["p99_ms"] <= 100:
            break
    figures["well_again_after_s"] = round(time.monotonic() - began, 1)
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print one column per run."""
    runs = {name: value for name, value in figures.items() if isinstance(value, dict)}
    table = Table(title="Durable acknowledgements (PostgreSQL, fsync on; load, servers and receiver on one machine)")
    table.add_column("figure")
    for name in runs:
        table.add_column(name, justify="right")
    names = list(dict.fromkeys(figure for run in runs.values() for figure in run))
    for figure in names:
        table.add_row(figure.replace("_", " "), *(str(run.get(figure, "")) for run in runs.values()))
    Console(width=130).print(table)
    if any(name.startswith("bare") for name in runs):
        print("bare: Starlette and uvicorn, one INSERT and one commit a request, no checks, no limits, no bell")
    print(f"{figures['acknowledged']} hints acknowledged by web, {figures['lost']} of them not in the inbox")


if __name__ == "__main__":
    sys.exit(main())
