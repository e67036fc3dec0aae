"""What is asked of a portfolio that has grown for years reads what is due or new, not what was."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice

import pytest
from sqlalchemy import func, select

from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.domain.notices.notice import Channel, NoticeKind
from billing_worker.domain.notices.written import Cause
from billing_worker.ports.lists import Kind
from billing_worker.usecases.charge import collect, reconcile
from billing_worker.usecases.entry import calls
from billing_worker.usecases.incoming import apply, tidy
from billing_worker.usecases.jobs import CHUNK
from billing_worker.usecases.key import confirm
from billing_worker.usecases.notice import deliver as notices
from billing_worker.usecases.outgoing import deliver
from billing_worker.usecases.reading.lists import listed
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.refund import refund
from billing_worker.usecases.review import audit, compare
from billing_worker.usecases.subscription import renew
from tests.support.databases import Databases
from tests.support.heard import Ear, noticing, telling
from tests.support.plans import GROWN, let_it_grow, plans_of
from tests.support.receivers import Merchant
from tests.support.sandbox import Sandbox
from tests.support.world import InTurn, World

pytestmark = pytest.mark.long

GROWING = ("subscriptions", "invoices", "merchant_uids", "payment_attempts", "evidence", "inbox", "outbox", "notices")
WHOLE = re.compile(rf"Seq Scan on ({'|'.join(GROWING)})\b")
BY = {
    "notice": {"ix_subscriptions_renewing", "ix_notices_waiting"},
    "renew": {"ix_subscriptions_renewing"},
    "collect": {"ix_invoices_due"},
    "audit": {"ix_payment_attempts_started_at", "ix_invoices_listed", "ix_invoices_paid"},
}
"""Indexes that are there for one scan: read as a whole, another index is no better than the table."""

SCANS: dict[str, Callable[[World], object]] = {
    "renew": lambda world: renew.due(world.ports, 100),
    "collect": lambda world: collect.due(world.ports, 100),
    "reconcile": lambda world: reconcile.due(world.ports, 100),
    "refund": lambda world: refund.due(world.ports, 100),
    "apply": lambda world: apply.due(world.ports, 100),
    "confirm": lambda world: confirm.due(world.ports, 100),
    "key_call": lambda world: calls.due(world.ports, 100),
    "deliver": lambda world: deliver.due(world.ports, 100),
    "notice": lambda world: notices.due(telling(world, noticing({Channel.MAIL: Ear()}, kinds="upcoming=7")).ports, 9),
    "compare": lambda world: [compare.compare(world.ports, int(one)) for one in compare.due(world.ports, 100)],
    "audit": lambda world: [audit.audit_recent(world.ports, int(one)) for one in audit.due(world.ports, 1)],
    "tidy": lambda world: [tidy.tidy(world.ports, str(one)) for one in tidy.due(world.ports, 1)],
    "deliver without a receiver": lambda world: deliver.due(world.with_ports(notifier=None).ports, 100),
    "report and metrics": lambda world: report(world.ports, "Asia/Seoul"),
    "events of an invoice": lambda world: listed(world.ports, Kind.EVENTS, {"subject_id": _an_invoice(world)}, limit=9),
    "why": lambda world: why(world.ports, _an_invoice(world)),
}
"""And what operators and Prometheus ask."""

WINDOW, WINDOWS = 20, 5
LARGE = 40_000


def _an_invoice(world: World) -> str:
    return str(world.rows("SELECT id FROM invoices ORDER BY id LIMIT 1")[0]["id"])


def _hear_of(world: World, invoice_id: str) -> None:
    """A notice of the past: it was dropped, since the invoice is paid."""
    told = telling(world, noticing({Channel.MAIL: Ear()}))
    with told.ports.database.transaction() as uow:
        cause = Cause(NoticeKind.FAILED, invoice_id, "1:key", "a customer", None, invoice_id)
        uow.write_notices([cause], told.ports.clock.moment())
        uow.commit()
    told.settle()


@pytest.fixture(scope="module")
def grown(databases: Databases, shared_sandbox: Sandbox) -> Iterator[World]:
    """One subscription that is due beside thousands that are not, and a past that an audit has been through."""
    with databases.migrated() as url, World.built(url, shared_sandbox) as built:
        world = built.with_ports(notifier=Merchant())
        world.subscribe()
        world.settle()
        (payment,) = world.money()
        world.webhook(payment["imp_uid"], payment["merchant_uid"])
        world.settle()
        _hear_of(world, _an_invoice(world))
        let_it_grow(world.engine)
        world.clock.advance(days=15)
        SCANS["audit"](world)
        world.clock.advance(days=16)
        yield world


@pytest.fixture(scope="module")
def large(databases: Databases, shared_sandbox: Sandbox) -> Iterator[World]:
    """So many that reading a whole table costs more than a chunk of ids, looked up one by one."""
    with (
        databases.migrated() as bare,
        databases.copy_of(bare) as url,  # dropped afterwards: deleting as many rows takes long
        World.built(url, shared_sandbox) as world,
    ):
        world.subscribe()
        world.settle()
        (payment,) = world.money()
        world.webhook(payment["imp_uid"], payment["merchant_uid"])
        world.settle()
        let_it_grow(world.engine, LARGE)
        yield world


@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_reads_by_index(grown: World, scan: str) -> None:
    with plans_of(grown.engine) as plans:
        SCANS[scan](grown)
    assert plans
    assert {table for plan in plans for table in WHOLE.findall(plan)} == set()
    assert not {index for index in BY.get(scan, set()) if not any(index in plan for plan in plans)}


def test_an_audit_of_the_past_reads_no_more_than_its_window(grown: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROWS_A_WINDOW", WINDOW)
    (first,) = grown.rows("SELECT min(started_at) AS at FROM payment_attempts")
    with plans_of(grown.engine) as plans:
        windows = list(islice(audit.windows(grown.ports, first["at"], grown.clock.now()), WINDOWS))
        checks = [check for window in windows for check in audit.look_at(grown.ports, window)]
    assert {table for plan in plans for table in WHOLE.findall(plan)} == set()
    assert max(check.rows for check in checks) <= 2 * WINDOW, "attempts and invoices are counted together"
    assert sum(check.rows for check in checks if check.invariant == "I6") >= WINDOW * WINDOWS


def test_a_whole_chunk_reads_and_writes_by_index(large: World) -> None:
    """Begun, declined, begun again, and approved: each with a few statements, planned once or for these ids."""
    together = replace(large.ports, calls=InTurn(large.ports.gateway, together=True))
    plan = large.plan()
    members = [large.subscribe("decline-limit-1x", plan=plan).id for _ in range(CHUNK)]
    with ExitStack() as both:
        plans = [both.enter_context(plans_of(large.engine, generic=generic)) for generic in (False, True)]
        assert collect.renew(together, members) == CHUNK
        large.clock.advance(days=1)
        found = large.rows("SELECT id FROM invoices WHERE subscription_id = ANY(:ids)", ids=members)
        assert collect.collect(together, [row["id"] for row in found]) == CHUNK
    (paid,) = large.rows(
        "SELECT count(*) AS n FROM invoices WHERE subscription_id = ANY(:ids) AND status = 'paid'", ids=members
    )
    assert paid["n"] == CHUNK
    whole = {(table, plan) for told in plans for plan in told for table in WHOLE.findall(plan)}
    assert not whole, "\n\n".join(f"{table}: {plan}" for table, plan in whole)
    assert any("UPDATE invoices" in plan for plan in plans[0])


def test_the_portfolio_has_grown(grown: World) -> None:
    with grown.engine.connect() as connection:
        for table in GROWING:
            rows = connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()
            assert rows > GROWN, table
