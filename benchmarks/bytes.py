"""What one charge writes: bytes of write-ahead log, and bytes that stay, by table; and the server's CPU for it.

    make bench-bytes      or: .venv/bin/python benchmarks/bytes.py --charges 3000

Renews, charges and records subscriptions in chunks, as workers do, with a gateway that approves at once and answers as
much as PortOne does (1.1 kB). Then it stores and applies the webhook of each. The first third is not counted: by then
the indexes have their depth. Full-page images are off: their share depends on how often a checkpoint comes.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from fill import _BODY
from sqlalchemy import Engine
from stage import _Gateway
from statements import _HostClock

from billing_worker import bootstrap
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.cli.session import quiet_logs
from billing_worker.config import load_settings
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Clock
from billing_worker.runtime import EmbeddedPostgres
from billing_worker.usecases.charge import collect
from billing_worker.usecases.incoming import apply, receive
from billing_worker.usecases.jobs import CHUNK
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe


class _Talkative(_Gateway):
    """Approves every charge, in as many words as PortOne."""

    def charge(self, request: ChargeRequest) -> Outcome:
        """Approve it."""
        outcome: Any = super().charge(request)
        return replace(outcome, evidence=replace(outcome.evidence, body=_BODY))  # type: ignore[no-any-return]


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charges", type=int, default=3_000, help="how many (default 3,000)")
    parser.add_argument("--chunk", type=int, default=CHUNK, help=f"charges of one message (default {CHUNK})")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    try:
        figures = measured(server.start(), options.charges, options.chunk)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures, indent=2) if options.json else "\n".join(f"{k:30} {v:8,}" for k, v in figures.items()))
    return 0


def portfolio(url: str, size: int, clock: Clock) -> tuple[Engine, Ports, list[str]]:
    """This many new monthly subscriptions in an empty database, whose gateway approves at once."""
    engine = open_engine(url, pool_size=1, application="bench")
    bootstrap.upgrade_database(engine)
    settings = load_settings(
        database_url=url,
        portone_imp_key="bench",
        portone_imp_secret="bench",  # noqa: S106 - invented
        portone_api_url="http://127.0.0.1:9",
    )
    built, unused = bootstrap.build(settings, role="bench", connections=1)
    unused.dispose()
    ids = RandomIds()
    ports = replace(built, database=SqlDatabase(engine, ids), gateway=_Talkative(), clock=clock)  # type: ignore[arg-type] # it charges, and is asked for nothing else
    plan = create_plan(ports, "Bench", 9_900, "KRW", calendar=calendar_from(interval="month"))
    made = []
    for _ in range(size):
        key = register_and_confirm(ports, NewKey(ids.new("bench"), "nice_v2"))
        made.append(subscribe(ports, NewSubscription(plan.id, key.id, key.id)).id)
    return engine, ports, made


def measured(url: str, charges: int, chunk: int) -> dict[str, int]:
    """Bytes a charge."""
    engine, ports, made = portfolio(url, charges, _HostClock())
    uncounted = charges // 3
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        charge(ports, made[:uncounted], chunk)
        wal, sizes = _wal(connection), sizes_of(connection)
        with engine.connect() as served:
            clock = ~served.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() << 3 | 2  # Linux' clock of it
        spent = time.clock_gettime(clock)
        charge(ports, made[uncounted:], chunk)
        spent = time.clock_gettime(clock) - spent
        counted = charges - uncounted
        grown = {table: (size - sizes[table]) // counted for table, size in sizes_of(connection).items()}
        figures = {"CPU of PostgreSQL, µs": round(1e6 * spent / counted)}
        figures |= {"write-ahead log": (_wal(connection) - wal) // counted, "stays, all tables": sum(grown.values())}
    engine.dispose()
    return figures | {f"  {table}": size for table, size in sorted(grown.items(), key=lambda own: -own[1]) if size}


def charge(ports: Ports, subscriptions: Sequence[str], chunk: int) -> None:
    """Open and charge the next period of each, and store and apply its webhook."""
    for first in range(0, len(subscriptions), chunk):
        collect.renew(ports, subscriptions[first : first + chunk])
    for subscription in subscriptions:
        with ports.database.transaction() as uow:
            invoice = max(uow.invoices.of_subscription(subscription), key=lambda own: own.created_at)
            (attempt,) = uow.attempts.of_invoice(invoice.id)
        assert attempt.imp_uid is not None
        hint = {"imp_uid": attempt.imp_uid, "merchant_uid": attempt.merchant_uid, "status": "paid"}
        receipt = receive.receive(ports, receive.PORTONE, f"{attempt.imp_uid}:paid", hint)
        if receipt.at_once:
            apply.apply(ports, receipt.id)


def _wal(connection: psycopg.Connection) -> int:
    return int((connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone() or (0,))[0])


def sizes_of(connection: psycopg.Connection) -> dict[str, int]:
    """Bytes of each table, with its indexes."""
    rows = connection.execute(
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)",
        (sorted(metadata.tables),),
    )
    return {name: int(size) for name, size in rows}


if __name__ == "__main__":
    sys.exit(main())
