"""The stack of the benchmarks that charge: PostgreSQL (durable), Redis, the sandbox with a latency, our processes."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from cost import Meter
from sqlalchemy import Engine

from billing_worker import bootstrap
from billing_worker.cli import stack
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings, load_settings
from billing_worker.ports.bundle import Ports
from billing_worker.runtime import Process, Supervisor, free_port

LATENCY = "120,380"
"""Milliseconds, median and 99th percentile, from the issue that requested this benchmark."""
IMP_KEY, IMP_SECRET = "imp_key_sandbox", "imp_secret_sandbox"
READY_SECONDS = 300.0
"""For all processes to start; a sandbox with a million payments reads its books first."""
PAID = """
    SELECT COALESCE(sum(paid), 0)
    FROM (SELECT paid FROM invoice_totals UNION ALL SELECT paid FROM invoice_deltas) t
"""


@dataclass(frozen=True)
class Rig:
    """Servers that run, and what is started on them."""

    services: stack.Services
    settings: Settings
    ports: Ports
    engine: Engine

    @property
    def folder(self) -> Path:
        """Of everything; it is removed at the end."""
        return self.services.var_dir

    @property
    def database(self) -> str:
        """Its URL, as psycopg reads it."""
        return self.settings.database.replace("+psycopg", "")

    @property
    def gateway(self) -> str:
        """The sandbox's address."""
        return str(self.settings.portone_api_url)

    def sandbox(self, ledger: Path, *, webhooks: bool = True) -> Process:
        """The stand-in for PortOne, whose books are in this file; a webhook for each charge, to our receiver."""
        return sandbox(self.settings, ledger, webhooks=webhooks)

    def workers(self) -> list[Process]:
        """The receiver, workers, beat and Flower, as they run in production."""
        return stack.worker_processes(self.settings, stack.child_environment({}))

    def supervised(self, processes: Sequence[Process]) -> Supervisor:
        """Start them, with a log for each."""
        return Supervisor(processes, lambda _: None, output_dir=self.folder / "logs")

    def connect(self) -> psycopg.Connection:
        """Open a connection of the benchmark itself."""
        return psycopg.connect(self.database, autocommit=True)


@contextmanager
def rigged(processes: int, threads: int, **settings: str) -> Iterator[Rig]:
    """Start the servers with an empty database of this release; stop and remove everything at the end."""
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    services = stack.Services(folder)
    sizes = {"worker_processes": str(processes), "worker_concurrency": str(threads)}
    os.environ.update(addresses() | {f"BILLING_{name.upper()}": value for name, value in (sizes | settings).items()})
    try:
        os.chdir(folder)
        os.environ.update(services.start(load_settings(), durable=True))
        found = load_settings()
        ports, engine = bootstrap.build(found, role="bench", connections=8)
        bootstrap.upgrade_database(engine)
        try:
            yield Rig(services, found, ports, engine)
        finally:
            engine.dispose()
    finally:
        os.chdir("/")
        services.stop()
        if services.postgres is not None:
            services.postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def addresses() -> dict[str, str]:
    """Settings of a sandbox, a receiver and Flower at free ports."""
    return {
        "BILLING_PORTONE_API_URL": f"http://{stack.LOOPBACK}:{free_port()}",
        "BILLING_PORTONE_IMP_KEY": IMP_KEY,
        "BILLING_PORTONE_IMP_SECRET": IMP_SECRET,
        "BILLING_WEB_PORT": str(free_port()),
        "BILLING_FLOWER_PORT": str(free_port()),
    }


def sandbox(settings: Settings, ledger: Path, *, webhooks: bool = True) -> Process:
    """The stand-in for PortOne with a latency; a webhook for each charge."""
    options = ["--latency", LATENCY, "--ledger", str(ledger)]
    if webhooks:
        options += ["--webhook-url", f"http://{stack.LOOPBACK}:{settings.web_port}/webhooks/portone"]
    port = settings.portone_api_url.port
    assert port is not None
    return stack.sandbox(stack.child_environment({}), port, *options)


@dataclass(frozen=True, slots=True)
class Drain:
    """What one drain took, until everything was charged or the time was over."""

    cpu: Mapping[str, float]
    """CPU seconds of each process."""
    kills: int


def drained(
    supervisor: Supervisor,
    meter: Meter,
    done: Callable[[], int],
    wanted: int,
    *,
    limit: float,
    stall: float | None = None,
    kills: int = 0,
    pause: float = 0.5,
) -> Drain:
    """Wait until `done()` reaches `wanted`, for `limit` seconds at most, and no longer than `stall` without progress.

    Meanwhile kill workers in turn, at moments spread evenly over the drain.
    """
    began, killed, found = time.monotonic(), 0, 0
    looked, moved = began - pause, began
    victims = sorted(name for name in supervisor.pids if name.startswith("worker"))

    def over() -> bool:
        nonlocal killed, found, looked, moved
        now = time.monotonic()
        if now - looked < pause:
            return False
        before, looked, found = found, now, done()
        moved = now if found > before else moved
        if killed < kills and found >= wanted * (killed + 0.5) / kills:
            killed += _kill(supervisor, meter, victims[killed % len(victims)])
        return found >= wanted or now - began > limit or now - moved > (stall or limit)

    if not supervisor.run(until=over):
        raise SystemExit("stopped by a signal")
    return Drain(meter.read(), killed)


def _kill(supervisor: Supervisor, meter: Meter, name: str) -> bool:
    """SIGKILL, as the kernel does when memory ends; False while it is being started again."""
    pid = supervisor.pids.get(name)
    if pid is None:
        return False
    meter.ends(name)
    os.kill(pid, signal.SIGKILL)
    return True


def run_until(supervisor: Supervisor, when: Callable[[], bool], *, within: float = 3600.0) -> None:
    """Supervise until then; a signal, or the end of these seconds, ends the benchmark."""
    end = time.monotonic() + within
    if not supervisor.run(until=lambda: when() or time.monotonic() > end):
        raise SystemExit("stopped by a signal")
    if time.monotonic() > end:
        raise SystemExit(f"given up after {within:.0f} s: {sorted(supervisor.pids)} do not come to it")


def run_for(supervisor: Supervisor, seconds: float) -> None:
    """Supervise for so long."""
    end = time.monotonic() + seconds
    run_until(supervisor, lambda: time.monotonic() >= end)


def paid(connection: psycopg.Connection) -> int:
    """Invoices paid so far, from the totals: it costs the same however many there are."""
    row = connection.execute(PAID).fetchone()
    return int(row[0]) if row else 0


def deadlocks(connection: psycopg.Connection) -> int:
    """Deadlocks that PostgreSQL has broken in this database."""
    row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0
