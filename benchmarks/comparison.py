"""The time to compare both books over a span with many payments.

python benchmarks/comparison.py 100000

Real PostgreSQL, the sandbox as a process of its own over HTTP. The rows are written into both books directly, since
only the cost of the comparison is measured.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from billing_worker.usecases.review import compare as comparing  # noqa: E402
from tests.support.clock import RunningClock  # noqa: E402
from tests.support.databases import Databases  # noqa: E402
from tests.support.sandbox import Sandbox  # noqa: E402
from tests.support.servers import Servers  # noqa: E402
from tests.support.world import World  # noqa: E402

SPAN = 3600
"""Seconds of the past over which the payments are spread."""

START_SECONDS = 60

FILL = (
    (
        "INSERT INTO evidence (id, source, request, body, received_at)"
        " OVERRIDING SYSTEM VALUE VALUES (1, 'portone', 'x', '', now())"
    ),
    """INSERT INTO subscriptions (id, plan_id, billing_key_id, customer, status, anchor, next_period_index,
           next_period_start, created_at, cancel_at_period_end)
       SELECT 'sub_' || lpad(n::text, 16, '0'), :plan, :key, 'c', 'active', now(), 1, now() + interval '30 days',
           now(), false FROM generate_series(1, :count) n""",
    """INSERT INTO invoices (id, subscription_id, billing_key_id, period_index, period_start, period_end, amount,
           currency, status, merchant_uid, generation, created_at, attempts, declines, failures, fence, closed_at,
           awaits_key, dunning_policy)
       SELECT 'inv_' || n, 'sub_' || lpad(n::text, 16, '0'), :key, 0, now(), now() + interval '30 days', 9900, 'KRW',
           'open', :environment || lpad(n::text, 16, '0') || 'p00000g01', 1, now(), 1, 0, 0, 0, null, false,
           'days-1-3-5-7@1'
       FROM generate_series(1, :count) n""",
    """INSERT INTO merchant_uids (merchant_uid, invoice_id, generation)
       SELECT merchant_uid, id, 1 FROM invoices""",
    """INSERT INTO payment_attempts (id, invoice_id, number, merchant_uid, billing_key_id, amount, currency, status,
           fence, started_at, lease_until, looks, refused, imp_uid, surplus, evidence_id, closed_at)
       SELECT 'att_' || n, 'inv_' || n, 1, :environment || lpad(n::text, 16, '0') || 'p00000g01', :key, 9900, 'KRW',
           'approved', 0, now(), now(), 0, false, 'imps_' || lpad(n::text, 12, '0'), false, 1,
           now() - make_interval(secs => (n % :span)) FROM generate_series(1, :count) n""",
    "UPDATE invoices SET status = 'paid', closed_at = now()",
    "ANALYZE",
)


def main() -> int:
    """Fill both books, compare them twice, and print how long it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, Servers() as servers, Databases(servers.database_url()) as databases:
        ledger = Path(folder) / "ledger.jsonl"
        with databases.migrated() as url:
            environment, customer_uid = "bench", "ok-bench-1"
            now = int(time.time())
            _write_ledger(ledger, count, environment, customer_uid, now)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [sys.executable, "-m", "billing_worker.sandbox", "--port", str(port), "--ledger", str(ledger)]
            process = subprocess.Popen(command, cwd=ROOT)
            try:
                sandbox = Sandbox(f"http://127.0.0.1:{port}")
                _wait(sandbox)
                _measure(url, sandbox, environment, customer_uid, count)
            finally:
                process.terminate()
                process.wait(30)
    return 0


def _measure(url: str, sandbox: Sandbox, environment: str, customer_uid: str, count: int) -> None:
    with World.built(url, sandbox, clock=RunningClock()) as built:
        world = built.with_ports(environment=environment)
        plan = world.plan()
        key = world.key()
        values = {"plan": plan.id, "key": key.id, "environment": environment, "count": count, "span": SPAN}
        with world.engine.begin() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("UPDATE billing_keys SET customer_uid = :uid"), {"uid": customer_uid})
            for statement in FILL:
                names = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(text(statement), names)
        for turn in ("first", "second"):
            since = world.clock.now() - timedelta(seconds=SPAN + 60)
            began, cpu = time.monotonic(), time.process_time()
            done = [comparing.compare(world.ports, ident) for ident in comparing.plan(world.ports, since)]
            seconds, cpu = time.monotonic() - began, time.process_time() - cpu
            payments = sum(each.comparison.payments for each in done if each)
            findings = sum(len(each.findings) for each in done if each)
            trouble = [each.trouble for each in done if each and each.trouble]
            print(
                f"{turn}: {payments} payments in {seconds:.1f} s ({cpu:.1f} s CPU of the worker), "
                f"{findings} findings, {trouble or 'no trouble'}"
            )


def _write_ledger(path: Path, count: int, environment: str, customer_uid: str, now: int) -> None:
    with path.open("w") as ledger:
        for n in range(1, count + 1):
            at = now - n % SPAN
            row = {
                "kind": "payment",
                "imp_uid": f"imps_{n:012d}",
                "merchant_uid": f"{environment}{n:016d}p00000g01",
                "customer_uid": customer_uid,
                "amount": 9900,
                "currency": "KRW",
                "status": "paid",
                "pg_provider": "nice_v2",
                "started_at": at,
                "paid_at": at,
                "updated_at": at,
                "order": n,
                "given": {"name": "A plan", "buyer_name": "Hong", "buyer_email": "hong@example.com"},
            }
            ledger.write(json.dumps(row) + "\n")


def _wait(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            sandbox.position()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
