"""A copy of the database, or another account, charges nothing until an operator claims it. The ledger is the judge."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.errors import Conflict
from billing_worker.usecases.charge import collect
from billing_worker.usecases.control.environment import accept_fingerprint, compared, require_claimed_environment
from billing_worker.usecases.control.stop_charging import clear_stop, stops
from billing_worker.usecases.entry.calls import delete_key
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.jobs import BY_NAME
from billing_worker.usecases.refund.refund import request_refund
from tests.support.databases import Databases
from tests.support.world import World


@pytest.fixture
def twin(world: World, databases: Databases) -> Iterator[World]:
    """The same merchant on a copy of the database, made after a first period and before the second is due."""
    subscription = world.subscribe(plan=world.plan(interval="day"))
    world.settle()
    assert len(world.money(world.invoice(subscription))) == 1
    world.clock.advance(days=1)
    world.renew()
    world.engine.dispose()
    with databases.copy_of(world.database_url) as url:
        made = world.elsewhere(url)
        yield made
        made.close()


@pytest.mark.fm("G3")
def test_a_copied_database_charges_nothing_until_it_is_claimed(world: World, twin: World) -> None:
    before = len(world.ledger())
    twin.settle()
    assert len(world.ledger()) == before
    (stopped,) = stops(twin.ports, 10)
    assert (stopped.stop.scope, stopped.stop.cause, stopped.waiting) == ("all", "environment", 1)
    assert "the database's oid was" in stopped.stop.reason
    assert "stopped" in {alert.kind for alert in twin.alerts()}
    world.settle()
    assert len(world.ledger()) == before + 1
    assert stops(world.ports, 10) == []
    accept_fingerprint(twin.ports, compares=False)
    assert stops(twin.ports, 10) == []
    twin.clock.advance(days=1)
    twin.settle()
    assert len(world.ledger()) == before + 2


@pytest.mark.fm("G3")
@pytest.mark.parametrize("scan", ["renew", "collect", "schedule_step", "win_back"])
@pytest.mark.parametrize("is_in_shadow", [False, True])
def test_each_scan_that_may_charge_stops_a_copy_also_in_shadow(twin: World, scan: str, *, is_in_shadow: bool) -> None:
    ports = replace(twin.ports, shadow=is_in_shadow)
    assert list(BY_NAME[scan].claim(ports, 10)) == []
    assert [each.stop.cause for each in stops(twin.ports, 10)] == ["environment"]


@pytest.mark.fm("G3")
def test_a_copy_charges_nothing_even_before_any_scan_has_looked(world: World, twin: World) -> None:
    """Ids that lay in the queue reach a worker whose database was replaced underneath."""
    before = len(world.ledger())
    invoices = twin.rows("SELECT id FROM invoices WHERE status = 'open'")
    assert len(invoices) == 1
    assert collect.collect(twin.ports, [invoices[0]["id"]]) == 0
    assert len(world.ledger()) == before


@pytest.mark.fm("G3")
def test_clearing_the_stop_of_a_twin_without_a_claim_lets_nothing_through(world: World, twin: World) -> None:
    before = len(world.ledger())
    twin.settle()
    (stopped,) = stops(twin.ports, 10)
    clear_stop(twin.ports, stopped.stop.id, "I think it is fine")
    twin.clock.advance(seconds=5)
    twin.settle()
    assert len(world.ledger()) == before
    assert [each.stop.cause for each in stops(twin.ports, 10)] == ["environment"]


@pytest.mark.fm("J5")
@pytest.mark.parametrize("changed", [{"account": "api.iamport.kr key 00000000"}, {"environment": "stage"}])
def test_other_credentials_or_another_prefix_on_the_same_database_stop_everything(world: World, changed) -> None:
    subscription = world.subscribe(plan=world.plan(interval="day"))
    world.settle()
    world.clock.advance(days=1)
    wrong = world.with_ports(**changed)
    wrong.settle()
    assert len(world.ledger()) == 1
    assert next(iter(changed.values())) in stops(world.ports, 10)[0].stop.reason
    world.settle()
    assert len(world.ledger()) == 1
    accept_fingerprint(wrong.ports)
    wrong.settle()
    assert len(world.sandbox.ledger(world.first_order)) == 2
    assert len(world.invoices(subscription)) == 2


def test_a_database_in_which_nothing_was_charged_claims_itself(world: World) -> None:
    assert compared(world.ports).claimed is None
    require_claimed_environment(world.ports)
    assert compared(world.ports).differences == []
    assert stops(world.ports, 10) == []
    assert world.alerts() == []


def test_a_used_database_without_a_claim_waits(world: World) -> None:
    world.subscribe()
    world.settle()
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM environment_claims"))
    world.subscribe()
    world.settle()
    assert len(world.ledger()) == 1
    assert "never claimed" in stops(world.ports, 10)[0].stop.reason


def test_the_guard_looks_and_writes_nothing_when_all_is_as_claimed(world: World) -> None:
    require_claimed_environment(world.ports)
    for _ in range(3):
        require_claimed_environment(world.ports)
    assert len(world.rows("SELECT 1 FROM environment_claims")) == 1


def test_the_database_tells_who_it_is_to_a_role_without_any_right(world: World) -> None:
    url = make_url(world.database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool)
    who = text("SELECT database_identity()")
    mine = world.rows("SELECT database_identity() AS who")[0]["who"]
    assert re.fullmatch(r"\d+/\d+/[0-9A-F]{8}", mine)
    refusals = [[], ["pg_control_system()"], ["pg_control_system()", "pg_walfile_name(pg_lsn)"]]
    seen = []
    try:
        for refused in refusals:
            with engine.connect() as connection:
                connection.execute(text("CREATE ROLE plain_reader"))
                for function in refused:
                    connection.execute(text(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"))
                connection.execute(text("SET LOCAL ROLE plain_reader"))
                seen.append(connection.execute(who).scalar_one())
                connection.rollback()
    finally:
        engine.dispose()
    _, oid, timeline = mine.split("/")
    assert seen == [mine, f"?/{oid}/{timeline}", f"?/{oid}/?"]


def test_who_the_database_is_stays_the_same_while_the_server_writes_its_control_file(world: World) -> None:
    """PostgreSQL reads that file without a lock, and reports a broken checksum in the midst of a write."""
    done = threading.Event()

    def writes() -> None:
        engine = create_engine(world.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            while not done.is_set():
                connection.execute(text("CHECKPOINT"))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(writes)
        with world.engine.connect() as connection:
            seen = {connection.execute(text("SELECT database_identity()")).scalar_one() for _ in range(2000)}
        done.set()
        writer.result(timeout=60)
    assert len(seen) == 1
    assert "?" not in seen.pop()


def test_a_fingerprint_says_each_difference_in_words() -> None:
    claimed = Fingerprint("77/5/00000001", "api.iamport.kr key 12345678", "bw")
    assert claimed.differences(claimed) == []
    restored = Fingerprint("77/5/00000002", "api.iamport.kr key 12345678", "bw")
    assert restored.differences(claimed) == ["the timeline of the write-ahead log was 00000001, is 00000002"]
    other = Fingerprint("78/6/00000001", "127.0.0.1 key 9", "stage")
    assert len(other.differences(claimed)) == 4


@pytest.mark.fm("G3")
def test_a_copy_gives_nothing_back_and_deletes_no_key(world: World, twin: World) -> None:
    """Both would reach the customers of the original: with live credentials, PortOne cannot tell who asks."""
    (paid,) = twin.rows("SELECT id FROM invoices WHERE status = 'paid'")
    (other,) = twin.rows("SELECT billing_key_id AS id FROM subscriptions")
    twin.settle()
    with pytest.raises(Conflict, match="not the claimed one"):
        delete_key(twin.ports, other["id"], "a test on staging")
    request_refund(twin.ports, paid["id"], None, everything=True, reason="the customer asked")
    twin.settle()
    assert {row["status"] for row in world.ledger()} == {"paid"}
    accept_fingerprint(twin.ports, compares=False)
    twin.settle()
    assert "cancelled" in {row["status"] for row in world.ledger()}


@pytest.mark.fm("G3")
def test_what_was_asked_for_before_the_copy_is_done_by_the_original_only(world: World, databases: Databases) -> None:
    subscription = world.subscribe()
    world.settle()
    invoice, key = world.invoice(subscription), world.key()
    request_refund(world.ports, invoice.id, 3000, reason="the customer asked")
    request_delete(world.ports, key.id, "the customer left")
    world.engine.dispose()
    with databases.copy_of(world.database_url) as url:
        copy = world.elsewhere(url)
        before = len(world.sandbox.requests())
        assert (copy.refund(), copy.resolve_key_calls()) == (0, 0)
        assert len(world.sandbox.requests()) == before
        copy.close()
    world.clock.advance(minutes=1)
    assert (world.refund(), world.resolve_key_calls()) == (1, 1)
