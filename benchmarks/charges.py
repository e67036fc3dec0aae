"""Charges per second and their cost: the whole worker on this machine, beside a bare HTTP loop.

Starts PostgreSQL (durable), Redis, the sandbox with a gateway's latency, web, workers, beat and Flower; makes N
subscriptions due at once and measures until the last one is paid. In the same run, a bare loop of threads posts the
same call to the same sandbox.

    make bench            or: .venv/bin/python benchmarks/charges.py --subscriptions 3000
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from billing_worker import bootstrap
from billing_worker.cli import stack
from billing_worker.cli.session import quiet_logs
from billing_worker.config import load_settings
from billing_worker.domain.calendar import AnchoredCalendar, Unit
from billing_worker.ports.bundle import Ports
from billing_worker.runtime import Supervisor, free_port
from billing_worker.usecases.key.register import NewKey, register_key
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.subscription.create_plan import create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

LATENCY = "120,380"
"""Milliseconds, median and 99th percentile, from the issue that requested this benchmark."""
TICKS = os.sysconf("SC_CLK_TCK")
LIMIT = 300.0
"""Seconds until the run is aborted."""
WARM_UP = 8.0
BARE_THREADS = 64


def main() -> int:
    """Run both, print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=3000, help="due at once (default 3000)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--threads", type=int, default=4, help="threads of each worker (default 4)")
    parser.add_argument("--bare-calls", type=int, default=2000, help="calls of the bare loop (default 2000)")
    parser.add_argument("--hanging", type=float, default=0.0, help="percent of calls that hang for 65 s (default 0)")
    parser.add_argument("--declined", type=float, default=0.0, help="percent of charges that are declined (default 0)")
    parser.add_argument("--without-flower", action="store_true", help="leave Flower out, to see its cost")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    services = stack.Services(folder)
    try:
        figures = measure(services, options)
    finally:
        services.stop()
        if services.postgres is not None:
            services.postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)
    show(figures, as_json=options.json)
    return 0


def measure(services: stack.Services, options: argparse.Namespace) -> dict[str, object]:
    """Measure everything in one run."""
    sandbox_port = free_port()
    os.environ.update(
        {
            "BILLING_PORTONE_API_URL": f"http://{stack.LOOPBACK}:{sandbox_port}",
            "BILLING_PORTONE_IMP_KEY": "imp_key_sandbox",
            "BILLING_PORTONE_IMP_SECRET": "imp_secret_sandbox",
            "BILLING_WEB_PORT": str(free_port()),
            "BILLING_FLOWER_PORT": str(free_port()),
            "BILLING_WORKER_PROCESSES": str(options.processes),
            "BILLING_WORKER_CONCURRENCY": str(options.threads),
        }
    )
    os.chdir(services.var_dir)
    os.environ.update(services.start(load_settings(), durable=True))
    settings = load_settings()
    ports, engine = bootstrap.build(settings, role="bench", connections=8)
    bootstrap.upgrade_database(engine)
    due_at = datetime.now(UTC) + timedelta(seconds=40 + options.subscriptions / 80)
    cards = cards_of(options.subscriptions, options.hanging, options.declined)
    load(ports, cards, due_at)
    good = cards.count("ok")
    env = stack.child_environment({})
    hook = f"http://{stack.LOOPBACK}:{settings.web_port}/webhooks/portone"
    ledger = str(services.var_dir / "ledger.jsonl")
    sandbox = stack.sandbox(env, sandbox_port, "--webhook-url", hook, "--latency", LATENCY, "--ledger", ledger)
    processes = [sandbox, *stack.worker_processes(settings, env)]
    if options.without_flower:
        processes = [process for process in processes if process.name != "flower"]
    with Supervisor(processes, lambda _: None, output_dir=services.var_dir / "logs") as supervisor:
        supervisor.run(until=lambda: supervisor.ready)
        warm = time.monotonic() + WARM_UP
        supervisor.run(until=lambda: time.monotonic() >= warm)
        bare = bare_loop(str(settings.portone_api_url), options.bare_calls, BARE_THREADS)
        if datetime.now(UTC) > due_at:
            raise SystemExit("the subscriptions fell due during the warm-up; use fewer")
        pids = dict(supervisor.pids) | {name: child_running(name) for name in ("postgres", "redis-server")}
        supervisor.run(until=lambda: datetime.now(UTC) >= due_at)
        before = {name: cpu_of(pid) for name, pid in pids.items()}
        deadline = time.monotonic() + LIMIT
        supervisor.run(until=lambda: paid(ports) >= good or time.monotonic() > deadline)
        after = {name: cpu_of(pid) for name, pid in pids.items()}
        waits, elapsed = waiting_times(engine)
        done = paid(ports)
    engine.dispose()
    cpu = {name: after[name] - before[name] for name in pids}
    workers = sum(seconds for name, seconds in cpu.items() if name.startswith("worker"))
    return {
        "charged": done,
        "seconds": round(elapsed, 2),
        "charges_per_second": round(done / elapsed, 1),
        "worker_cpu_ms_per_charge": round(1000 * workers / done, 2),
        "bare_calls_per_second": bare["rate"],
        "bare_cpu_ms_per_call": bare["cpu_ms"],
        "cpu_ratio": round(1000 * workers / done / bare["cpu_ms"], 2),
        "due_to_attempt_p50_s": round(statistics.median(waits), 2),
        "due_to_attempt_p99_s": round(statistics.quantiles(waits, n=100)[98], 2),
        "due_to_attempt_first_s": round(min(waits), 2),
        "cpu_ms_per_charge": {name: round(1000 * seconds / done, 2) for name, seconds in sorted(cpu.items())},
    }


def cards_of(count: int, hanging: float, declined: float) -> list[str]:
    """The behaviour of each card, spread evenly."""
    cards = ["ok"] * count
    for behaviour, percent in (("slow", hanging), ("decline-limit", declined)):
        places = [place for place in range(count) if cards[place] == "ok"]
        wanted = round(count * percent / 100)
        for number in range(wanted):
            cards[places[number * len(places) // wanted]] = behaviour
    return cards


def load(ports: Ports, cards: Sequence[str], due_at: datetime) -> None:
    """Subscriptions that all fall due at one instant, one for each card."""
    plan = create_plan(ports, "Bench", 9_900, "KRW", calendar=AnchoredCalendar(Unit.MONTH, 1))

    def one(number: int) -> None:
        key = register_key(ports, NewKey(f"{cards[number]}-bench-{number}", "nice_v2"))
        subscribe(ports, NewSubscription(plan.id, key.id, f"bench {number}", start=due_at))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(len(cards))))


def bare_loop(url: str, calls: int, threads: int) -> dict[str, float]:
    """The same call in a bare loop: calls per second, and CPU of this process per call."""
    with httpx.Client(base_url=url, timeout=30, limits=httpx.Limits(max_connections=threads)) as client:
        keys = {"imp_key": "imp_key_sandbox", "imp_secret": "imp_secret_sandbox"}
        token = client.post("/users/getToken", json=keys).json()["response"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        numbers, lock = iter(range(calls)), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                body = {"customer_uid": "ok-bare", "merchant_uid": f"bare{number}", "amount": 9900, "name": "Bench"}
                answer = client.post("/subscribe/payments/again", json=body, headers=headers).json()
                assert answer["response"]["status"] == "paid"

        workers = [threading.Thread(target=work) for _ in range(threads)]
        started, cpu = time.monotonic(), time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        elapsed = time.monotonic() - started
    return {"rate": round(calls / elapsed, 1), "cpu_ms": round(1000 * (time.process_time() - cpu) / calls, 3)}


def paid(ports: Ports) -> int:
    """Invoices paid so far."""
    time.sleep(1)
    return sum(month.paid for month in report(ports, "UTC").months)


def waiting_times(engine: object) -> tuple[Sequence[float], float]:
    """Seconds from due to the start of the attempt, sorted, and from the first start to the last result."""
    from sqlalchemy import text  # noqa: PLC0415 - the one place that reads the tables directly

    query = text("""
        SELECT extract(epoch FROM a.started_at - i.period_start)::float, extract(epoch FROM a.started_at)::float,
               extract(epoch FROM a.closed_at)::float
        FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE a.status = 'approved'
    """)
    with engine.connect() as connection:  # type: ignore[attr-defined]
        rows = connection.execute(query).all()
    return sorted(row[0] for row in rows), max(row[2] for row in rows) - min(row[1] for row in rows)


def child_running(program: str) -> int:
    """The pid of our own child process that runs this program."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if program in line and parent == os.getpid():
                return int(entry.name)
    raise SystemExit(f"no child process runs {program}: does a URL of the environment name another server?")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of all its descendants, living and reaped."""
    children: dict[int, list[int]] = {}
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            number = int(entry.name)
            children.setdefault(int(fields[1]), []).append(number)
            stats[number] = (int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))
    total, todo = 0, [pid]
    while todo:
        number = todo.pop()
        own, reaped = stats.get(number, (0, 0))
        total += own + reaped
        todo += children.get(number, [])
    return total / TICKS


def show(figures: dict[str, object], *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(
        title=f"Charges (gateway latency p50 {LATENCY.split(',', maxsplit=1)[0]} ms, p99 {LATENCY.split(',')[1]} ms)"
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        if isinstance(value, dict):
            for part, number in value.items():
                table.add_row(f"  CPU ms a charge: {part}", str(number))
        else:
            table.add_row(name.replace("_", " "), str(value))
    Console(width=max(70, Console().width if sys.stdout.isatty() else 90)).print(table)


if __name__ == "__main__":
    sys.exit(main())
