"""The database breaks in the midst of a charge: the real server ends real sessions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from billing_worker.adapters.database.engine import WORKING, Limits, open_engine
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect
from tests.support.gateways import Around
from tests.support.world import World, open_period

pytestmark = pytest.mark.long


def end_sessions(world: World) -> int:
    """End every session of this world's database but the one that asks."""
    engine = open_engine(world.database_url, pool_size=1, application="operator")
    try:
        with engine.connect() as connection:
            return len(
                connection.execute(
                    text("""
                        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()""")
                ).all()
            )
    finally:
        engine.dispose()


@pytest.mark.fm("D10")
@pytest.mark.fm("G1")
@pytest.mark.parametrize("behaviour", ["ok", "decline-limit-1x", "drop-after-charge-1x"])
def test_sessions_that_end_during_the_call_do_not_disturb_it(world: World, behaviour: str) -> None:
    """No connection is held over the network, and the pool replaces those that died."""

    def meanwhile(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        assert end_sessions(world) > 0
        return outcome

    subscription = world.subscribe(behaviour)
    world.with_ports(gateway=Around(world.ports.gateway, meanwhile)).settle()
    assert world.attempt(world.invoice(subscription)).status != "in_flight"
    world.resolve(hours=25)
    assert world.invoice(subscription).status == "paid"
    assert len(world.money(world.invoice(subscription))) == 1
    world.assert_books_agree()


def test_no_connection_is_taken_from_the_pool_during_the_call(world: World) -> None:
    taken: list[int] = []

    def counts(gateway: Gateway, request: ChargeRequest) -> Outcome:
        taken.append(world.engine.pool.checkedout())  # type: ignore[attr-defined] # a QueuePool has it
        return gateway.charge(request)

    world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, counts)).settle()
    assert taken == [0]


@pytest.mark.fm("G1")
@pytest.mark.parametrize("at", ["lock_due", "lock_settlements", "save_settlements"])
def test_a_session_that_ends_inside_an_act_rolls_it_back_and_is_unavailable(world: World, at: str) -> None:
    subscription = world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    broken = world.with_ports(database=EndsItsSession(world, at))
    with pytest.raises(Unavailable):
        collect.collect(broken.ports, [ident])
    expected = {"lock_due": 0, "lock_settlements": 1, "save_settlements": 1}[at]
    assert len(world.ledger()) == expected
    assert world.rows("SELECT count(*) AS n FROM evidence") == [{"n": 0}]
    world.resolve(hours=1)
    assert world.invoice(subscription).status == "paid"
    assert len(world.ledger()) == 1
    world.assert_books_agree()


class EndsItsSession:
    """A database that ends the sessions of a transaction right after one of its methods was called."""

    def __init__(self, world: World, method: str) -> None:
        self._world = world
        self._method = method
        self._inner: SqlDatabase = world.ports.database  # type: ignore[assignment] # it is one here

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._inner.transaction() as uow:
            called: Callable[..., Any] = getattr(uow, self._method)

            def and_end(*arguments: Any) -> Any:
                result = called(*arguments)
                end_sessions(self._world)
                return result

            setattr(uow, self._method, and_end)
            yield uow


@pytest.mark.fm("D10")
def test_an_unreachable_database_is_unavailable_in_every_job_and_nothing_is_charged(world: World) -> None:
    world.subscribe()
    away = open_engine("postgresql://billing@127.0.0.1:1/none", pool_size=1, application="test")
    try:
        broken = world.with_ports(database=SqlDatabase(away, world.ports.ids))
        for job in (broken.renew, broken.collect, broken.reconcile, broken.apply):
            with pytest.raises(Unavailable):
                job()
    finally:
        away.dispose()
    assert world.ledger() == []


@pytest.mark.fm("G4")
@pytest.mark.fm("G9")
def test_a_lock_that_is_held_too_long_is_unavailable_and_not_a_wait_for_ever(world: World) -> None:
    subscription = world.subscribe()
    assert world.rows("SHOW lock_timeout") == [{"lock_timeout": "10s"}]
    limits = Limits(statement=WORKING.statement, lock=200, idle=WORKING.idle)
    hurried = open_engine(world.database_url, pool_size=1, application="test", limits=limits)
    try:
        impatient = world.with_ports(database=SqlDatabase(hurried, world.ports.ids))
        with world.engine.connect() as holder:
            holder.execute(text("SELECT * FROM subscriptions FOR UPDATE"))
            with pytest.raises(Unavailable, match="lock timeout"):
                open_period(impatient.ports, subscription.id)
    finally:
        hurried.dispose()
    world.settle()
    assert world.invoice(subscription).status == "paid"


@pytest.mark.fm("G5")
def test_a_pool_that_is_used_up_is_unavailable(world: World) -> None:
    engine = open_engine(world.database_url, pool_size=1, application="test")
    engine.pool._timeout = 0.1  # type: ignore[attr-defined] # 30 s in production
    try:
        small = world.with_ports(database=SqlDatabase(engine, world.ports.ids))
        with engine.connect(), pytest.raises(Unavailable):
            small.renew()
    finally:
        engine.dispose()
