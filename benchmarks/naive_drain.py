"""Drains the same number of charges with the naive worker (`naive.py`): its rate, its CPU, what it lost and doubled."""

import argparse
import sys
from pathlib import Path
from typing import Any

import psycopg
from cost import Meter, servers
from due import rates
from ledger import customer, judged, payments
from rig import IMP_KEY, IMP_SECRET, READY_SECONDS, Rig, drained, run_for, run_until
from shown import costs

from billing_worker.cli import stack
from billing_worker.runtime import Process

THREADS = 32
"""Of each worker: with Celery's default, one process for each core, it would wait for the gateway most of the time."""
LIMIT = 600.0
WARM_UP = 5.0
SETTLE = 3.0
"""Seconds at the end, for calls that a second task of the same subscription has under way."""
TABLE = """
    CREATE TABLE naive_subscriptions (id bigint PRIMARY KEY, customer_uid text NOT NULL, amount integer NOT NULL,
        next_charge_at timestamptz NOT NULL, charged_at timestamptz, imp_uid text)
"""
FILL = """
    INSERT INTO naive_subscriptions (id, customer_uid, amount, next_charge_at)
    SELECT n, 'ok-naive-' || n, 9900, 'infinity' FROM generate_series(1, %s) n
"""
CHARGED = "SELECT count(*) FROM naive_subscriptions WHERE charged_at IS NOT NULL"
SECONDS = """
    SELECT extract(epoch FROM max(charged_at) - min(charged_at))::float,
           extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY charged_at) - min(charged_at))::float
    FROM naive_subscriptions
"""


def measured_naive(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Drain with it, on the same PostgreSQL and Redis, with a fresh sandbox of the same latency."""
    ledger = rig.folder / "ledger-naive.jsonl"
    processes = [rig.sandbox(ledger, webhooks=False), *_processes(rig, options)]
    with rig.connect() as connection, rig.supervised(processes) as supervisor:
        connection.execute(TABLE)
        connection.execute(FILL, (options.subscriptions,))
        connection.execute("CREATE INDEX ON naive_subscriptions (next_charge_at)")
        run_until(supervisor, lambda: supervisor.ready, within=READY_SECONDS)
        run_for(supervisor, WARM_UP)
        meter = Meter(supervisor, servers())
        connection.execute("UPDATE naive_subscriptions SET next_charge_at = now()")
        drain = drained(
            supervisor,
            meter,
            lambda: _count(connection),
            options.subscriptions,
            limit=LIMIT,
            kills=options.kills,
            pause=0.1 if options.kills else 0.5,
        )
        run_for(supervisor, SETTLE)
        booked = _count(connection)
        seconds, nearly = connection.execute(SECONDS).fetchone() or (0.0, 0.0)
    verdict = judged(options.subscriptions, payments(ledger, customer))
    return {
        **rates(booked, seconds or 0.0, nearly or 0.0),
        **costs(drain.cpu, booked),
        "kills": drain.kills,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "charged_and_not_booked": max(0, verdict.payments - booked),
    }


def _processes(rig: Rig, options: argparse.Namespace) -> list[Process]:
    broker = str(rig.settings.broker)
    env = stack.child_environment(
        {
            "NAIVE_BROKER": broker,
            "NAIVE_DATABASE": rig.database,
            "NAIVE_GATEWAY": rig.gateway,
            "NAIVE_IMP_KEY": IMP_KEY,
            "NAIVE_IMP_SECRET": IMP_SECRET,
            "NAIVE_SCAN": str(options.naive_scan),
            "PYTHONPATH": str(Path(__file__).parent),
        }
    )
    celery = (sys.executable, "-m", "celery", "-A", "naive")
    threads = ("-P", "threads", "-c", str(THREADS))
    return [
        *(
            Process(f"worker{number}", (*celery, "worker", *threads, "-n", f"naive{number}@%h"), env=env)
            for number in range(1, options.processes + 1)
        ),
        Process("beat", (*celery, "beat", "-s", str(rig.folder / "naive-beat")), env=env),
    ]


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute(CHARGED).fetchone()
    return int(row[0]) if row else 0
