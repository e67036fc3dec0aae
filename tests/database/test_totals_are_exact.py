"""The totals say what a count of all invoices says, at any moment and in every zone, whoever changes what meanwhile."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from billing_worker.adapters.database import migrations
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.ports.books import Tally
from billing_worker.ports.calls import Answered
from billing_worker.usecases.charge import collect
from billing_worker.usecases.charge.begin import begin_renewals
from billing_worker.usecases.incoming import tidy
from billing_worker.usecases.settle.record import record_answers
from tests.support.databases import Databases
from tests.support.sandbox import Sandbox
from tests.support.world import InTurn, World

COUNTED = text("""
    SELECT to_char(period_start AT TIME ZONE :timezone, 'YYYY-MM') AS month, currency,
           count(*) AS invoices,
           count(*) FILTER (WHERE status = 'paid') AS paid,
           coalesce(sum(amount) FILTER (WHERE status = 'paid'), 0)::bigint AS paid_amount,
           count(*) FILTER (WHERE status = 'open') AS open,
           count(*) FILTER (WHERE status = 'uncollectible') AS uncollectible,
           count(*) FILTER (WHERE status = 'void') AS void,
           count(*) FILTER (WHERE status = 'paid' AND declines > 0) AS recovered,
           coalesce(sum(refunded), 0)::bigint AS refunded_amount
    FROM invoices
    LEFT JOIN (SELECT invoice_id, refunded FROM payment_attempts WHERE refunded > 0 AND NOT surplus) given
           ON given.invoice_id = invoices.id
    GROUP BY 1, 2 ORDER BY 1, 2
""")
"""As the report counted them before there were totals."""

ZONES = ("UTC", "Asia/Seoul", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns")
EDGES = [
    datetime.fromisoformat(f"{day}T{hour}+00:00")
    for day in ("2026-01-31", "2026-02-01", "2026-02-02", "2026-02-15", "2026-02-27", "2026-02-28", "2026-03-01")
    for hour in ("00:00", "09:59:59.999999", "10:00", "10:14:59", "10:15", "14:59:59", "15:00", "18:15", "23:59:59")
]


def counted(engine: Engine, timezone: str) -> Sequence[Tally]:
    with engine.connect() as connection:
        return [Tally(**row) for row in connection.execute(COUNTED, {"timezone": timezone}).mappings()]


def assert_exact(world: World) -> None:
    for timezone in ZONES:
        with world.ports.database.transaction() as uow:
            found = uow.books.tallies(timezone)
        assert list(found) == list(counted(world.engine, timezone)), timezone


def bare_invoices(
    engine: Engine,
    starts: Sequence[datetime],
    prefix: str = "inv",
    first: int = 1_000,
    *,
    of_old_release: bool = False,
) -> None:
    """Open invoices of one subscription that is there, one for each start."""
    rows = [
        {"id": f"{prefix}_{number}", "index": first + number, "start": start} for number, start in enumerate(starts)
    ]
    column, value = ("", "") if of_old_release else (", dunning_policy", ", 'days-1-3-5-7@1'")
    statement = f"""
        INSERT INTO invoices (id, subscription_id, billing_key_id, period_index, period_start, period_end, amount,
                              currency, status, merchant_uid, generation, created_at, attempts, declines, failures,
                              fence, awaits_key{column})
        SELECT :id, id, billing_key_id, :index, :start, CAST(:start AS timestamptz) + interval '1 day', 100, 'KRW',
               'open', :id, 1, :start, 0, 0, 0, 0, false{value}
        FROM subscriptions ORDER BY id LIMIT 1"""  # noqa: S608 - our own words
    with engine.begin() as connection:
        connection.execute(text(statement), rows)


def test_months_are_exact_in_every_zone(world: World) -> None:
    world.subscribe(start=world.clock.now() + timedelta(days=300))
    bare_invoices(world.engine, EDGES)
    assert_exact(world)
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.rows("SELECT count(*) AS n FROM invoice_deltas")[0]["n"] == 0
    assert_exact(world)


def test_whatever_becomes_of_invoices_and_refunds_the_totals_follow(world: World) -> None:
    plan = world.plan(1000, interval="week")
    world.subscribe(plan=plan)
    world.subscribe("decline-limit-1x", plan=plan)
    world.subscribe("decline-stolen", plan=world.plan(500, currency="USD"))
    gone = world.subscribe("decline-limit", plan=plan)
    world.run_until(world.clock.now() + timedelta(days=10))
    assert_exact(world)
    world.cancel(gone)
    assert_exact(world)
    paid = next(row for row in world.money() if row["currency"] == "KRW")
    world.sandbox.control("/operator/cancel", imp_uid=paid["imp_uid"], amount=300)
    world.webhook(paid["imp_uid"], paid["merchant_uid"], "cancelled")
    world.settle()
    assert_exact(world)
    with world.ports.database.transaction() as uow:
        assert sum(tally.refunded_amount for tally in uow.books.tallies("UTC")) == 300
        standing = uow.books.standing(world.clock.moment(), world.clock.now(), receiver=False)
    (row,) = world.rows("SELECT count(*) AS n FROM invoices WHERE status = 'open' AND declines > 0")
    assert standing.in_dunning == row["n"]
    tidy.tidy(world.ports, tidy.INBOX)
    assert_exact(world)


def test_a_chunk_counts_every_invoice_in_one_row_of_a_statement(world: World) -> None:
    """One statement opens many invoices, and one closes many: the totals have each of them, at once."""
    together = replace(world.ports, calls=InTurn(world.ports.gateway, together=True))
    plans = [world.plan(1000), world.plan(300, currency="USD")]
    behaviours = ["ok", "decline-limit-1x", "decline-stolen", "ok"] * 3
    members = [world.subscribe(behaviour, plan=plan).id for behaviour in behaviours for plan in plans]
    world.rows("SELECT recount_invoices()")
    assert world.rows("SELECT * FROM invoice_deltas") == []
    begun = begin_renewals(world.ports, members)
    assert len(begun.intents) == len(members)
    assert_exact(world)
    opened = world.rows("SELECT currency, open FROM invoice_deltas ORDER BY currency")
    assert opened == [{"currency": currency, "open": len(behaviours)} for currency in ("KRW", "USD")]
    record_answers(
        world.ports,
        [Answered(each.attempt_id, each.fence, world.ports.gateway.charge(each.request)) for each in begun.intents],
    )
    assert_exact(world)
    closed = world.rows("SELECT currency, paid, in_dunning FROM invoice_deltas WHERE paid > 0 ORDER BY currency")
    paid = behaviours.count("ok")
    assert closed == [
        {"currency": currency, "paid": paid, "in_dunning": len(behaviours) - paid} for currency in ("KRW", "USD")
    ]
    world.clock.advance(days=1)
    invoices = [row["id"] for row in world.rows("SELECT id FROM invoices WHERE status = 'open' ORDER BY id")]
    assert collect.collect(together, invoices) > 1
    assert_exact(world)
    # A period that has its invoice already is no new one, though the statement names it.
    with world.ports.database.transaction() as uow:
        known = [uow.invoices.of_subscription(member)[0] for member in members]
        assert uow.invoices.add_all([replace(each, id=f"{each.id}x") for each in known]) == frozenset()
        uow.commit()
    assert_exact(world)
    tidy.tidy(world.ports, tidy.INBOX)
    assert_exact(world)


def test_folding_beside_charges_loses_and_doubles_nothing(world: World) -> None:
    """Two that fold and one that bills, all at once; every view between must be exact."""
    world.subscribe(start=world.clock.now() + timedelta(days=300))

    def bill() -> None:
        for turn in range(60):
            start = datetime.fromisoformat("2026-02-10T00:00+00:00") + timedelta(hours=turn)  # all in one slot
            bare_invoices(world.engine, [start], f"i{turn}", turn + 1)

    def fold() -> None:
        while not billing.done():
            with world.ports.database.transaction() as uow:
                uow.books.fold(7)
                uow.commit()

    with ThreadPoolExecutor(3) as pool:
        billing = pool.submit(bill)
        folding = [pool.submit(fold) for _ in range(2)]
        while not billing.done():
            seen = _seen_at_once(world.engine)
            assert seen["kept"] == seen["counted"]
        for work in (billing, *folding):
            work.result()
    assert_exact(world)


def _seen_at_once(engine: Engine) -> Any:
    with engine.connect() as connection:
        return (
            connection.execute(
                text("""
                SELECT (SELECT count(*) FROM invoices) AS counted,
                       (SELECT coalesce(sum(open), 0) FROM (
                           SELECT open FROM invoice_totals UNION ALL SELECT open FROM invoice_deltas) k) AS kept""")
            )
            .mappings()
            .one()
        )


@pytest.fixture
def old(databases: Databases) -> Iterator[str]:
    with databases.empty() as url:
        yield url


def test_the_upgrade_counts_what_is_there_and_what_others_change_meanwhile(old: str, shared_sandbox: Sandbox) -> None:
    engine = open_engine(old, pool_size=2, application="test")
    _to(engine, "0014")
    with World.built(old, shared_sandbox) as world:
        with world.engine.begin() as connection:
            for trigger in ("note_new", "note_changed"):
                connection.execute(text(f"ALTER TABLE invoices DISABLE TRIGGER {trigger}"))
        _filled(world)
        before = len(EDGES)
        with world.engine.begin() as connection:
            for trigger in ("note_new", "note_changed"):
                connection.execute(text(f"ALTER TABLE invoices ENABLE TRIGGER {trigger}"))
        bare_invoices(
            world.engine, [edge + timedelta(days=365) for edge in EDGES[:5]], "between", 5_000, of_old_release=True
        )
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE invoices SET declines = 1 WHERE id = 'inv_3'"))
        upgrade(engine)
        assert_exact(world)
        assert world.rows("SELECT count(*) AS n FROM invoices")[0]["n"] == before + 5
        with world.engine.begin() as connection:
            connection.execute(text("SELECT recount_invoices()"))
        assert_exact(world)
    engine.dispose()


def _filled(world: World) -> None:
    """A subscription of that release, in its own columns."""
    soon = world.clock.now() + timedelta(days=300)
    with world.engine.begin() as connection:
        for statement in OF_AN_OLD_RELEASE:
            connection.execute(text(statement), {"soon": soon})
    bare_invoices(world.engine, EDGES, of_old_release=True)


OF_AN_OLD_RELEASE = (
    """INSERT INTO plans (id, name, amount, currency, interval_unit, interval_count, timezone, dunning_days, created_at,
                          catch_up_mode, catch_up_max_age)
       VALUES ('plan_1', 'Basic', 100, 'KRW', 'month', 1, 'Asia/Seoul', '{1}', :soon, 'bill_all', 90)""",
    """INSERT INTO billing_keys (id, customer_uid, pg_provider, status, created_at, looks)
       VALUES ('key_1', 'card-1', 'nice_v2', 'active', :soon, 0)""",
    """INSERT INTO subscriptions (id, plan_id, billing_key_id, customer, status, anchor, next_period_index,
                                  next_period_start, created_at, cancel_at_period_end)
       VALUES ('sub_1', 'plan_1', 'key_1', 'kim', 'pending', :soon, 0, :soon, :soon, false)""",
)


def _to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
