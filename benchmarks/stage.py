"""The common part of both benchmarks of the receiver: servers, payments for the hints, the load, the final count."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from rig import addresses, sandbox

from billing_worker import bootstrap
from billing_worker.cli import stack
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings, load_settings
from billing_worker.domain.card import UNTOLD
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.proof import judge
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import KeyReading, Listing, StoredKey
from billing_worker.runtime import Process, Supervisor
from billing_worker.simulation.fleet.gateway import seen
from billing_worker.simulation.fleet.ledger import Card, Ledger, Row
from billing_worker.usecases.charge import collect
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

HERE = Path(__file__).parent
RECORDED, IN_FLIGHT = 300, 40
READY_SECONDS = 60.0


class _WorkerDiesError(BaseException):
    """The error that leaves a charge in flight."""


class _Gateway:
    """Approves every charge; or dies after it."""

    def __init__(self) -> None:
        self._ledger = Ledger(random.Random(1).random)
        self.dies = False

    def charge(self, request: ChargeRequest) -> Outcome:
        """Approve it."""
        now = datetime.now(UTC)
        later = now + timedelta(days=3650)
        card = Card(request.customer_uid, "nice_v2", 0.0, later, "", now, now)
        self._ledger.cards.setdefault(request.customer_uid, card)
        money = (request.money.amount, request.money.currency)
        row = self._ledger.charge(request.merchant_uid, request.customer_uid, money, now)
        if self.dies:
            raise _WorkerDiesError
        assert isinstance(row, Row)
        return judge(request, *seen(row, "again"))

    def read_key(self, _customer_uid: str) -> KeyReading:
        """Every key is there."""
        return KeyReading(StoredKey(UNTOLD))

    def payment(self, _imp_uid: str) -> Listing:
        """Nothing."""
        return Listing(())


@dataclass
class Stage:
    """Durable PostgreSQL, Redis, and the payments for the hints."""

    settings: Settings
    services: stack.Services
    known: dict[str, list[list[str]]]
    acks: Path

    @property
    def database(self) -> str:
        """Its URL, as psycopg reads it."""
        return self.settings.database.replace("+psycopg", "")

    def receiver(self) -> Process:
        """`billing-worker web`, as it runs in production."""
        return stack.worker_processes(self.settings, stack.child_environment({}))[0]

    def everything(self) -> list[Process]:
        """The sandbox, whose books have the payments of the hints, and all processes of production."""
        ledger = self.services.var_dir / "ledger.jsonl"
        ledger.write_text("".join(map(_row, range(RECORDED), self.known["echo"])))
        processes = stack.worker_processes(self.settings, stack.child_environment({}))
        return [sandbox(self.settings, ledger), *processes]

    def load(self, supervisor: Supervisor, port: int, **task: Any) -> "Running":
        """Start a run of the load in a separate process."""
        return Running(supervisor, {"port": port, "known": self.known, "acks": str(self.acks), "lines": 64} | task)

    def lost(self) -> tuple[int, int]:
        """The number of hints acknowledged since the last count, and of those missing in the inbox."""
        with psycopg.connect(self.database) as connection:
            connection.execute("CREATE TEMP TABLE acked (dedupe_key text)")
            with self.acks.open("rb") as file, connection.cursor().copy("COPY acked FROM STDIN") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
            # Each acknowledgement is a separate delivery: a repeated hint must be counted as often.
            row = connection.execute("""
                SELECT COALESCE(sum(acks), 0), COALESCE(sum(greatest(0, acks - COALESCE(m.deliveries, 0))), 0)
                FROM (SELECT dedupe_key, count(*) AS acks FROM acked GROUP BY dedupe_key) a
                LEFT JOIN inbox m USING (dedupe_key)
            """).fetchone()
            assert row is not None
            return int(row[0]), int(row[1])


class Running:
    """One run of the load."""

    def __init__(self, supervisor: Supervisor, task: dict[str, Any]) -> None:
        self._supervisor = supervisor
        argv = [sys.executable, str(HERE / "open_load.py")]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task))
        self.process.stdin.close()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def result(self, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Supervise the processes until the load has ended; its results."""

        def over() -> bool:
            meanwhile()
            return self.over

        if not self._supervisor.run(until=over):
            self.process.kill()
            raise SystemExit("stopped by a signal")
        return self.read()

    def read(self) -> dict[str, Any]:
        """Its results, after its end."""
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        if self.process.returncode:
            raise SystemExit("the load failed; its output is above")
        return dict(json.loads(said))


@contextmanager
def staged() -> Iterator[Stage]:
    """Start everything; stop and remove it at the end."""
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    services = stack.Services(folder)
    try:
        os.chdir(folder)
        os.environ.update(addresses())
        os.environ.update(services.start(load_settings(), durable=True))
        settings = load_settings()
        ports, engine = bootstrap.build(settings, role="bench", connections=6)
        bootstrap.upgrade_database(engine)
        known = _payments(ports)
        engine.dispose()
        yield Stage(settings, services, known, folder / "acks")
    finally:
        services.stop()
        if services.postgres is not None:
            services.postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def wait_ready(supervisor: Supervisor) -> None:
    """Return when all processes answer."""
    supervisor.run(until=lambda: supervisor.ready)


def _row(number: int, payment: list[str]) -> str:
    """One of the sandbox's books."""
    imp_uid, merchant_uid, now = *payment, int(time.time())
    row = {
        "kind": "payment", "imp_uid": imp_uid, "merchant_uid": merchant_uid, "customer_uid": f"bench-{number}",
        "amount": 9_900, "status": "paid", "pg_provider": "nice_v2", "started_at": now, "paid_at": now,
        "updated_at": now, "order": number + 1,
    }  # fmt: skip
    return json.dumps(row) + "\n"


def _payments(ports: Ports) -> dict[str, list[list[str]]]:
    """Payments recorded as approved, and charges without an answer."""
    gateway = _Gateway()
    ports = replace(ports, gateway=gateway)  # type: ignore[arg-type] # it charges, and is asked for nothing else
    plan = create_plan(ports, "Bench", 9_900, "KRW", calendar=calendar_from(interval="month"))

    def one(number: int) -> str:
        key = register_and_confirm(ports, NewKey(f"bench-{number}", "nice_v2"))
        subscription = subscribe(ports, NewSubscription(plan.id, key.id, f"bench {number}"))
        with suppress(_WorkerDiesError):
            collect.renew(ports, [subscription.id])
        with ports.database.transaction() as uow:
            (invoice,) = uow.invoices.of_subscription(subscription.id)
        return invoice.id

    with ThreadPoolExecutor(4) as pool:
        recorded = list(pool.map(one, range(RECORDED)))
        gateway.dies = True
        under_way = list(pool.map(one, range(RECORDED, RECORDED + IN_FLIGHT)))
    with ports.database.transaction() as uow:
        paid = [attempt for ident in recorded for attempt in uow.attempts.of_invoice(ident)]
        flying = [attempt for ident in under_way for attempt in uow.attempts.of_invoice(ident)]
    return {
        "echo": [[str(each.imp_uid), each.merchant_uid] for each in paid],
        "in_flight": [[f"imp_flying{number}", each.merchant_uid] for number, each in enumerate(flying)],
    }
