"""Moves customers from PortOne's schedules to the workers, to PortOne's schedules and back, killed at random moments.

Starts PostgreSQL (fsync on), Redis, the sandbox, workers and beat. Each customer has one schedule at PortOne, days
ahead. `import portone --apply` is killed (SIGKILL) at random moments and started again until it is done; so is
`schedule use … --all`, in both directions. Meanwhile workers are killed too. After each move, both lists are compared.

    make bench-moving       or: .venv/bin/python benchmarks/moving.py --customers 5000
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rig import IMP_KEY, IMP_SECRET, READY_SECONDS, Rig, rigged, run_until

from billing_worker.runtime import Supervisor

WORKER = (sys.executable, "-m", "billing_worker")
AMOUNT = 9900
FIRST, LAST = timedelta(days=2), timedelta(days=30)
"""The dates of the schedules are spread between these."""
MOST_SECONDS = 1800.0
"""For one move: longer means that it does not end."""


def main() -> int:
    """Run it; the exit status is 1 if anything differs, or anybody was charged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=5000, help="customers to move (default 5000)")
    parser.add_argument("--every", type=float, default=6.0, help="seconds between two kills, about (default 6)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    options = parser.parse_args()
    with rigged(2, 4) as rig:
        figures = move(rig, options)
    print(json.dumps(figures, indent=2))
    return 1 if figures["differences"] or figures["payments"] or figures["subscriptions"] != options.customers else 0


def move(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """All moves, one after the other."""
    moments, count = random.Random(options.seed), options.customers
    ledger = rig.folder / "ledger.jsonl"
    with rig.supervised([rig.sandbox(ledger, webhooks=False), *rig.workers()]) as supervisor:
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        file = _old_shop(rig, count)
        plan = json.loads(_command("plan", "create", "Moved", "--amount", str(AMOUNT), "--interval", "month", "--json"))

        def killed(*words: str) -> int:
            return _until_done(supervisor, moments, options.every, *words)

        def live(wanted: int) -> Callable[[], bool]:
            return lambda: (
                _one(rig, "SELECT count(*) FROM schedules WHERE status = 'registered'") == wanted
                and (_one(rig, "SELECT count(*) FROM schedules WHERE closed_at IS NULL") == wanted)
            )

        moves = {
            "in": (("import", "portone", str(file), "--plan", plan["id"], "--apply"), live(0), 0),
            "to_schedules": (("schedule", "use", "portone_schedule", "--all", "--yes"), live(count), count),
            "back": (("schedule", "use", "worker", "--all", "--yes"), live(0), 0),
        }
        figures: dict[str, Any] = {"customers": count, "differences": 0}
        for name, (words, done, agreeing) in moves.items():
            began = time.monotonic()
            kills = killed(*words)
            told = time.monotonic() - began
            _wait(supervisor, done, name)
            compared = json.loads(_command("schedule", "compare", "--json", check=False))
            figures["differences"] += len(compared["differences"]) + abs(compared["agreeing"] - agreeing)
            figures[name] = {
                "kills": kills,
                "command_seconds": round(told, 1),
                "seconds": round(time.monotonic() - began, 1),
            }
            print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
        figures["subscriptions"] = _one(rig, "SELECT count(*) FROM subscriptions")
        figures["payments"] = httpx.get(f"{rig.gateway.rstrip('/')}/_sandbox/ledger", params={"limit": 1}).json()[
            "total"
        ]
    return figures


def _old_shop(rig: Rig, count: int) -> Path:
    """A schedule at PortOne for each customer, and the list of customers."""
    now = datetime.now(UTC).replace(microsecond=0)
    with httpx.Client(base_url=rig.gateway, timeout=30) as shop:
        token = shop.post("/users/getToken", json={"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}).json()["response"]
        shop.headers["Authorization"] = f"Bearer {token['access_token']}"
        for number in range(count):
            at = now + FIRST + (LAST - FIRST) * number / count
            item = {"merchant_uid": f"shop-{number}", "schedule_at": int(at.timestamp()), "amount": AMOUNT}
            item |= {"currency": "KRW", "name": "old shop"}
            body = {"customer_uid": f"ok-moving-{number}", "schedules": [item]}
            answer = shop.post("/subscribe/payments/schedule", json=body).json()
            assert answer["code"] == 0, answer
    file = rig.folder / "customers.csv"
    with file.open("w", newline="") as output:
        rows = csv.writer(output)
        rows.writerow(["customer_uid", "customer"])
        rows.writerows([f"ok-moving-{number}", f"user-{number}"] for number in range(count))
    return file


def _until_done(supervisor: Supervisor, moments: random.Random, every: float, *words: str) -> int:
    """Run a command, kill it at random moments, and run it again until it ends by itself; returns the kills."""
    kills, began = 0, time.monotonic()
    while time.monotonic() - began < MOST_SECONDS:
        process = subprocess.Popen([*WORKER, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + moments.uniform(0.5, 1.5) * every
        supervisor.run(until=lambda process=process, end=end: process.poll() is not None or time.monotonic() >= end)
        if process.poll() is None:
            process.kill()
            process.wait()
            kills += 1
            victims = sorted(name for name in supervisor.pids if name.startswith("worker"))
            os.kill(supervisor.pids[victims[kills % len(victims)]], signal.SIGKILL)
            # Each run reads PortOne's list first: it must get further than the one before.
            every *= 1.2
        elif process.returncode == 0:
            return kills
        else:
            said = process.stdout.read().decode() if process.stdout is not None else ""
            raise SystemExit(f"{' '.join(words[:3])} ended with {process.returncode}: {said[-2000:]}")
    raise SystemExit(f"{' '.join(words[:3])} does not end")


def _wait(supervisor: Supervisor, done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + MOST_SECONDS
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: the workers do not come to an end")
        pause = time.monotonic() + 0.5
        supervisor.run(until=lambda pause=pause: time.monotonic() >= pause)


def _command(*words: str, check: bool = True) -> str:
    return subprocess.run([*WORKER, *words], check=check, capture_output=True, text=True).stdout


def _one(rig: Rig, statement: str) -> int:
    with rig.connect() as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type] # a constant of this file
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    sys.exit(main())
