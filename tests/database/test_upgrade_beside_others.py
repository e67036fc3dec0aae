"""`db upgrade` on a database that others use, with tables that are large, cut off at any moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import migrations, online, watch
from billing_worker.adapters.database import upgrade as upgrading
from billing_worker.adapters.database.engine import Limits, open_engine
from billing_worker.adapters.database.readiness import check_ready, migration_of
from billing_worker.adapters.database.upgrade import Patience, upgrade
from billing_worker.domain.errors import Unavailable

pytestmark = pytest.mark.long

ROWS, STREAMS = 20_000, 300
HASTY = Patience(tries=3, first_pause=0.01)


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = open_engine(empty_database_url, pool_size=1, application="test")
    yield made
    made.dispose()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that waits for a lock gives up after a second; every line is reported."""
    monkeypatch.setattr(upgrading, "LIMITS", Limits(statement=0, lock=1_000, idle=0))
    monkeypatch.setattr(watch, "PROGRESS_EVERY", 0.0)


@contextmanager
def another_session(engine: Engine, *statements: str) -> Iterator[psycopg.Connection]:
    """Another session, in the midst of a transaction."""
    url = make_url(engine.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, application_name="psql") as session:
        for statement in statements:
            session.execute(statement)
        yield session


def to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def fill(engine: Engine, rows: int) -> None:
    """Delivered events of many streams, some of them about a key, as release 0005 wrote them."""
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO outbox (id, sequence, type, subject_id, data, occurred_at, next_try_at, tries, delivered_at)
            OVERRIDING SYSTEM VALUE
            SELECT 'evt_' || g, 3 * g, CASE WHEN g % 7 = 0 THEN 'billing_key.activated' ELSE 'invoice.paid' END,
                   'sub_' || (g % 11), CASE WHEN g % 5 = 0 THEN '{}'::jsonb
                                      ELSE jsonb_build_object('subscription_id', 'sub_' || (g % :streams)) END,
                   now(), now(), 1, now()
            FROM generate_series(1, :rows) AS g"""),
            {"rows": rows, "streams": STREAMS},
        )


def misnumbered(engine: Engine) -> tuple[int, int]:
    """Events whose place is not the one that the order of writing gives, and streams whose last place is wrong."""
    with engine.connect() as connection:
        events = connection.execute(
            text("""
            SELECT count(*) FROM (
                SELECT stream_id, stream_sequence, stream,
                       row_number() OVER (PARTITION BY stream ORDER BY sequence) AS place
                FROM (SELECT *, CASE WHEN type LIKE 'billing_key.%' THEN subject_id
                                ELSE coalesce(data ->> 'subscription_id', subject_id) END AS stream FROM outbox) told) n
            WHERE stream_id <> stream OR stream_sequence <> place""")
        ).scalar_one()
        streams = connection.execute(
            text("""
            SELECT count(*) FROM event_streams s FULL JOIN
                (SELECT stream_id, max(stream_sequence) AS last FROM outbox GROUP BY 1) o ON o.stream_id = s.id
            WHERE s.last_sequence IS DISTINCT FROM o.last""")
        ).scalar_one()
        return events, streams


def releases(session: psycopg.Connection, heard: list[str]) -> Callable[[str], None]:
    """Ends the other session's transaction as soon as it is reported as blocking."""

    def tell(line: str) -> None:
        heard.append(line)
        if "is in use by" in line:
            session.rollback()

    return tell


@pytest.mark.fm("J3")
@pytest.mark.usefixtures("soon")
def test_a_table_in_use_is_told_with_its_user_and_the_upgrade_goes_on_when_it_is_free(engine: Engine) -> None:
    to(engine, "0005")
    heard: list[str] = []
    with another_session(engine, "SELECT count(*) FROM outbox") as session:
        upgrade(engine, releases(session, heard), HASTY)
        pid = session.info.backend_pid
    waited = [line for line in heard if line.startswith("waiting: ")]
    assert f"waiting: table outbox is in use by pid {pid} (psql, since 20" in waited[0]
    check_ready(engine)


@pytest.mark.usefixtures("soon")
def test_a_table_that_stays_in_use_ends_the_upgrade_in_one_line_and_the_next_one_goes_on_from_there(
    engine: Engine,
) -> None:
    to(engine, "0005")
    heard: list[str] = []
    with another_session(engine, "SELECT count(*) FROM outbox") as session:
        with pytest.raises(Unavailable) as refusal:
            upgrade(engine, heard.append, HASTY)
        pid = session.info.backend_pid
    line = str(refusal.value)
    assert line.startswith(f"BILLING_DATABASE_URL: table outbox is in use by pid {pid} (psql, since 20")
    assert "run again: billing-worker db upgrade" in line
    assert sum("trying again in" in each for each in heard) == HASTY.tries - 1
    assert migration_of(engine) == "0008", "what did not need that table is done"
    assert upgrade(engine) == "0008"
    check_ready(engine)


def test_pauses_between_tries_grow_to_a_limit() -> None:
    assert list(Patience(tries=5, first_pause=1, longest_pause=5).pauses()) == [1, 2, 4, 5]
    assert list(Patience(tries=1).pauses()) == []


@pytest.mark.usefixtures("soon")
def test_an_index_beside_a_reader_waits_for_it_and_says_so(engine: Engine) -> None:
    to(engine, "0006_numbers")
    heard: list[str] = []
    with another_session(engine) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.execute("SELECT count(*) FROM plans")
        upgrade(engine, releases(session, heard), HASTY)
    assert any("table outbox is in use by pid" in line for line in heard)
    check_ready(engine)


def test_an_upgrade_waits_for_another_one_and_says_so(engine: Engine) -> None:
    heard: list[str] = []
    with another_session(engine, "SELECT pg_advisory_lock(727001)") as session:
        session.commit()  # as earlier releases held it: with the session

        def tell(line: str) -> None:
            heard.append(line)
            session.execute("SELECT pg_advisory_unlock(727001)")
            session.commit()

        upgrade(engine, tell)
        pid = session.info.backend_pid
    # A slow machine tells of other steps, too.
    (waited,) = [line for line in heard if line.startswith("waiting")]
    assert f"waiting for another upgrade: what is needed is in use by pid {pid} (psql, since 20" in waited
    check_ready(engine)


@pytest.mark.fm("J3")
@pytest.mark.usefixtures("soon")
def test_many_events_are_numbered_a_few_at_a_time_and_a_cut_off_run_is_continued(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(engine, "0005")
    fill(engine, ROWS)
    monkeypatch.setattr(online, "BATCH", 1_500)
    told: list[str] = []

    def cut_off(line: str) -> None:
        if line.startswith("table outbox: rows"):
            told.append(line)
            if len(told) == 5:
                raise InterruptedError("the operator pressed Ctrl-C")

    with pytest.raises(InterruptedError):
        upgrade(engine, cut_off)
    assert migration_of(engine) == "0006"
    with engine.connect() as connection:
        done = connection.execute(text("SELECT count(*) FROM outbox WHERE stream_id IS NOT NULL")).scalar_one()
    assert done == 5 * 1_500
    assert "rows up to number 22,500 of 60,000 are done" in told[-1]
    upgrade(engine)
    check_ready(engine)
    assert misnumbered(engine) == (0, 0)


@pytest.mark.fm("J3")
def test_limits_of_the_role_do_not_end_long_work_and_hold_again_after_it(engine: Engine) -> None:
    """20,000 rows need far more than 5 ms, in the numbering and in each index."""
    to(engine, "0005")
    fill(engine, ROWS)
    with engine.begin() as connection:
        for name in ("statement_timeout", "lock_timeout"):
            connection.execute(text(f'ALTER DATABASE "{engine.url.database}" SET {name} = 5'))
    engine.dispose()
    upgrade(engine)
    check_ready(engine)
    assert misnumbered(engine) == (0, 0)


def test_no_event_is_written_without_its_number_while_the_numbers_are_given(engine: Engine) -> None:
    to(engine, "0005")
    fill(engine, 1)
    to(engine, "0006")
    with pytest.raises(IntegrityError, match="ck_outbox_numbered"), engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET tries = tries + 1"))
    with pytest.raises(IntegrityError, match="not-null"):
        fill(engine, 1)


def test_an_index_that_was_cut_off_is_built_again(engine: Engine) -> None:
    to(engine, "0004")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_invoices_created_at ON invoices (created_at)"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_invoices_created_at'::regclass")
        )
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).scalar_one() == 0
    check_ready(engine)


def test_a_migration_that_was_applied_in_one_piece_by_an_earlier_release_is_completed(engine: Engine) -> None:
    """Earlier, 0006 and 0007 did all of it in one transaction: what follows them now finds nothing to do."""
    upgrade(engine)
    for was in ("0004", "0006", "0007"):
        config = Config()
        config.set_main_option("script_location", migrations.__path__[0])
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, {"0004": "0004_indexes", "0006": "0006_indexes", "0007": "0007_indexes"}[was])
        with engine.begin() as connection:
            connection.execute(text("UPDATE billing_alembic_version SET version_num = :was"), {"was": was})
        upgrade(engine)
        check_ready(engine)
