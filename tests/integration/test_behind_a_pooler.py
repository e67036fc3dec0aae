"""Real workers behind PgBouncer in transaction mode: each transaction may run in another session of the server's."""

import collections
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from billing_worker.adapters.database.engine import WORKING, is_direct, open_engine
from billing_worker.adapters.database.readiness import check_ready
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from tests.support.databases import Databases
from tests.support.pooler import needs_pgbouncer, pgbouncer
from tests.support.stack import eventually, settings_for, stack_of
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600), needs_pgbouncer]

SUBSCRIPTIONS = 40
TURNS = 200


@pytest.fixture(scope="module")
def pooler(servers) -> Iterator[str]:
    """Two sessions of the server's for everybody."""
    with pgbouncer(servers.database_url()) as url:
        yield url


def through(pooler: str, database_url: str) -> str:
    """The same database, by way of the pooler."""
    return urlsplit(pooler)._replace(path=urlsplit(database_url).path).geturl()


@contextmanager
def engine_at(url: str, size: int = 4) -> Iterator[Engine]:
    made = open_engine(url, pool_size=size, application="test")
    try:
        yield made
    finally:
        made.dispose()


@pytest.mark.fm("G10")
def test_two_workers_charge_forty_subscriptions_once_each_over_two_sessions(
    world: World, pooler: str, broker_url: str, tmp_path: Path
) -> None:
    plan = world.plan(interval="day")
    for _ in range(SUBSCRIPTIONS):
        later = world.clock.now() + timedelta(days=1)
        world.backdate(world.subscribe(plan=plan, start=later), world.clock.now() - timedelta(minutes=1))
    url = through(pooler, world.database_url)
    with stack_of(settings_for(url, broker_url, world.sandbox.url, world.environment), tmp_path) as stack:
        workers = [stack.worker(ready=False) for _ in range(2)]
        stack.beat()
        query = "SELECT count(*) FILTER (WHERE status = 'paid') AS paid FROM invoices"
        eventually(lambda: world.rows(query)[0]["paid"] == SUBSCRIPTIONS, "all are paid", 120)
        assert all(worker.alive for worker in workers)
        # A worker logs after its commit.
        eventually(lambda: sum(worker.output.count("invoice.paid") for worker in workers) == SUBSCRIPTIONS, "logs", 60)
    rows = world.money()
    assert len(rows) == len({row["merchant_uid"] for row in rows}) == SUBSCRIPTIONS
    world.assert_books_agree()


@pytest.mark.fm("G10")
def test_no_statement_is_answered_by_another_connections_statement(pooler: str, database_url: str) -> None:
    """Both threads' statements have one shape; prepared, they had one name, and shared the server's sessions."""
    seen: collections.Counter[bool] = collections.Counter()

    with engine_at(through(pooler, database_url)) as engine:

        def ask(word: str) -> None:
            with engine.connect() as connection:
                for turn in range(TURNS):
                    statement = text(f"SELECT '{word}' || CAST(:n AS integer)")
                    seen[connection.execute(statement, {"n": turn}).scalar_one() == f"{word}{turn}"] += 1
                    connection.commit()

        threads = [threading.Thread(target=ask, args=(word,)) for word in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == {True: 2 * TURNS}
        assert not is_direct(engine)
        with engine.connect() as connection:
            for name, wanted in WORKING.settings.items():
                assert connection.execute(text(f"SHOW {name}")).scalar_one() == f"{wanted // 1000}s"
    with engine_at(database_url) as engine:
        assert is_direct(engine), "the detection would be worth nothing if it never said yes"


@pytest.mark.fm("G10")
def test_what_a_transaction_sets_is_not_found_by_the_next_user_of_the_session(pooler: str, database_url: str) -> None:
    url = through(pooler, database_url)
    with engine_at(f"{url}?options=-c%20work_mem%3D9MB") as ours:
        with ours.connect() as connection:
            assert connection.execute(text("SHOW work_mem")).scalar_one() == "9MB"
        with ours.connect().execution_options(isolation_level="AUTOCOMMIT") as outside:
            for name in ("work_mem", *WORKING.settings):
                assert outside.execute(text(f"SHOW {name}")).scalar_one() in {"4MB", "0"}


def test_the_tables_are_made_through_a_pooler_also_by_two_at_once(pooler: str, databases: Databases) -> None:
    with (
        databases.empty() as empty,
        pgbouncer(empty, size=6) as own,
        engine_at(own, 1) as one,
        engine_at(own, 1) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(upgrade, (one, other)))
        check_ready(one)
    with databases.empty() as empty, engine_at(through(pooler, empty)) as engine:
        upgrade(engine)
        check_ready(engine)


def test_long_work_through_a_pooler_is_refused_where_the_role_has_a_limit(pooler: str, databases: Databases) -> None:
    with databases.empty() as empty:
        with engine_at(empty, 1) as direct:
            name = urlsplit(empty).path.removeprefix("/")
            with direct.begin() as connection:
                connection.execute(text(f'ALTER DATABASE "{name}" SET statement_timeout = 60000'))
        with (
            engine_at(through(pooler, empty)) as engine,
            pytest.raises(SettingsInvalid, match=r"statement_timeout is 1min .*the server's own address"),
        ):
            upgrade(engine)
        with engine_at(empty, 1) as direct:
            upgrade(direct)
            check_ready(direct)


def test_a_pooler_that_splits_transactions_is_refused_with_the_way_out(database_url: str) -> None:
    with (
        pgbouncer(database_url, mode="statement") as url,
        engine_at(url) as engine,
        pytest.raises(Unavailable, match="set pool_mode = transaction") as refusal,
    ):
        check_ready(engine)
    assert "running" not in str(refusal.value)
