"""An engine goes from test to test with its sessions: nothing that a test does in one may reach the next."""

import pytest
from sqlalchemy import Connection, text

from tests.support import engines

LEAVES = (
    "SET search_path = nowhere",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SELECT pg_advisory_lock(5), pg_advisory_lock_shared(6)",
    "LISTEN heard",
    "DECLARE left_open CURSOR WITH HOLD FOR SELECT 1",
)
LEFT = """
    SELECT current_setting('search_path') AS path, session_user AS author,
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
        to_regclass('pg_temp.left_over') AS temporary, (SELECT count(*) FROM pg_listening_channels()) AS channels,
        (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors
"""


@pytest.fixture(autouse=True)
def a_new_engine(database_url: str) -> None:
    """One of an earlier test may have several sessions, and lends now this one, now that."""
    engines.forget(database_url)


def process(connection: Connection) -> int:
    """The number of the server's process at the other end."""
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_a_session_keeps_nothing_of_the_test_before(database_url: str) -> None:
    engine = engines.lend(database_url)
    with engine.connect() as connection:
        before, fresh = process(connection), connection.execute(text(LEFT)).one()
        connection.execute(text("CREATE TEMP TABLE left_over (i int)"))
        for each in LEAVES:
            connection.execute(text(each))
        connection.commit()
        assert connection.execute(text(LEFT)).one() != fresh
    engines.give_back(engine)
    again = engines.lend(database_url)
    with again.connect() as connection:
        assert (process(connection), connection.execute(text(LEFT)).one()) == (before, fresh)
    engines.give_back(again)


def test_a_session_that_ended_is_not_lent(database_url: str) -> None:
    engine, other = engines.lend(database_url), engines.lend(database_url)
    with engine.connect() as connection:
        before = process(connection)
    engines.give_back(engine)
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    again = engines.lend(database_url)
    with again.connect() as connection:
        assert process(connection) != before
    for each in (again, other):
        engines.give_back(each)


def test_what_stays_warm_is_what_is_prepared(database_url: str) -> None:
    """Else nothing would be won."""
    prepared = text("SELECT count(*) FROM pg_prepared_statements")
    engine = engines.lend(database_url)
    with engine.connect() as connection:
        for _ in range(8):
            connection.execute(text("SELECT 1 + :one"), {"one": 1})
        found = connection.execute(prepared).scalar_one()
        connection.commit()  # psycopg forgets what is prepared with a rollback
    assert found > 0
    engines.give_back(engine)
    again = engines.lend(database_url)
    with again.connect() as connection:
        assert connection.execute(prepared).scalar_one() == found
    engines.give_back(again)
