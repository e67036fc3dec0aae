"""The database says no at the worst moments: nothing is claimed by halves, nothing is charged without its intent."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import text

from billing_worker.domain.errors import Unavailable
from billing_worker.usecases.charge import collect
from billing_worker.usecases.subscription import renew
from tests.support.deliveries import Crash
from tests.support.faults import Fault, Saboteur, Script
from tests.support.sessions import Operator
from tests.support.world import LIMIT, World

DEADLOCK, SERIALIZATION, DISK_FULL = "40P01", "40001", "53100"


@contextmanager
def refusing(world: World, table: str, event: str, code: str) -> Iterator[None]:
    """Every such statement on the table fails with this SQLSTATE for the time being."""
    function = f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{code}'; END $$"""
    trigger = f"CREATE TRIGGER refusing BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
    with world.engine.begin() as connection:
        connection.execute(text(function))
        connection.execute(text(trigger))
    try:
        yield
    finally:
        with world.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION refuse() CASCADE"))


def claims(world: World) -> list[dict]:
    """What the scans have put on the rows."""
    held = world.rows("SELECT lease_until FROM subscriptions WHERE lease_until IS NOT NULL")
    return held + world.rows("SELECT fence, lease_until FROM invoices WHERE fence > 0 OR lease_until IS NOT NULL")


@pytest.mark.fm("A2")
def test_a_scan_that_ends_before_its_claim_is_kept_has_changed_nothing(world: World) -> None:
    subscription = world.subscribe()
    with closing(Operator.of(world.database_url)) as operator:
        saboteur = Saboteur(world.sandbox, operator)
        # The first commit of a scan is that of the lock against twins, which writes nothing here.
        with pytest.raises(Crash):
            renew.due(saboteur.wrap(world.ports, Script({2: Fault.CRASH_BEFORE})), LIMIT)
        assert claims(world) == []
        world.renew()
        with pytest.raises(Crash):
            collect.due(saboteur.wrap(world.ports, Script({1: Fault.CRASH_BEFORE})), LIMIT)
        assert claims(world) == []
    world.settle()
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


@pytest.mark.fm("A10")
@pytest.mark.parametrize("code", [DEADLOCK, SERIALIZATION])
def test_a_claim_that_the_database_takes_back_is_made_by_the_next_scan(world: World, code: str) -> None:
    subscriptions = [world.subscribe() for _ in range(3)]
    world.renew()
    with refusing(world, "invoices", "UPDATE", code), pytest.raises(Unavailable):
        collect.due(world.ports, LIMIT)
    assert claims(world) == []
    world.settle()
    assert [world.invoice(one).status for one in subscriptions] == ["paid"] * 3
    assert len(world.ledger()) == 3
    world.assert_books_agree()


@pytest.mark.fm("D7")
def test_a_full_disk_keeps_the_intent_from_being_written_and_so_the_charge_from_being_placed(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    with refusing(world, "payment_attempts", "INSERT", DISK_FULL):
        for _ in range(3):
            with pytest.raises(Unavailable):
                world.charge(world.invoice(subscription))
        assert world.ledger() == []
    world.clock.advance(seconds=1)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


@pytest.mark.fm("D7")
@pytest.mark.fm("D8")
@pytest.mark.parametrize("code", [DISK_FULL, SERIALIZATION])
def test_an_outcome_that_cannot_be_written_is_read_later_and_not_charged_again(world: World, code: str) -> None:
    subscription = world.subscribe()
    world.renew()
    with refusing(world, "payment_attempts", "UPDATE", code), pytest.raises(Unavailable):
        world.charge(world.invoice(subscription))
    invoice = world.invoice(subscription)
    assert (invoice.status, world.attempt(invoice).status, len(world.ledger())) == ("open", "in_flight", 1)
    world.resolve()
    assert world.invoice(subscription).status == "paid"
    assert len(world.ledger()) == 1
    world.assert_books_agree()
