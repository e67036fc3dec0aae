"""A set-up in which no process can work: each of them ends with the same true line, and none says that we erred."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from billing_worker.runtime import free_port
from tests.support.databases import Databases
from tests.support.pooler import debian_postgres, needs_debian
from tests.support.sandbox import Sandbox
from tests.support.stack import Stack, settings_for, stack_of

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

PROCESSES = {
    "worker": ("celery", "-A", "tasks", "worker"),
    "beat": ("celery", "-A", "tasks", "beat"),
    "web": ("billing_worker", "web", "--port", str(free_port())),
    "up": ("billing_worker", "up"),
    "db check": ("billing_worker", "db", "check"),
    "db upgrade": ("billing_worker", "db", "upgrade"),
    "plan list": ("billing_worker", "plan", "list"),
}


@pytest.fixture
def stack(broker_url: str, shared_sandbox: Sandbox, tmp_path: Path) -> Iterator[Stack]:
    """Everything is right but the database."""
    with stack_of(settings_for("", broker_url, shared_sandbox.url, "setup"), tmp_path) as running:
        yield running


def all_say(stack: Stack, url: str, words: str) -> None:
    """Each process ends with one line that has these words; `doctor` has them in its table."""
    stack.settings["BILLING_DATABASE_URL"] = url
    running = [stack.program(name.replace(" ", "-"), *argv) for name, argv in PROCESSES.items()]
    doctor = stack.program("doctor", "billing_worker", "doctor", "--json")
    for process in running:
        assert process.wait() in (1, 2), process.output
        printed = [line for line in process.output.splitlines() if line.strip()]
        lines = [line for line in printed if line.startswith("billing-worker: BILLING_DATABASE_URL: ")]
        assert len(lines) == 1, (process.name, process.output)
        assert process.name == "beat" or printed == lines, "Celery greets first, and only for a beat"
        assert "Traceback" not in process.output
        assert words in lines[0], (process.name, lines)
        assert "a mistake in billing-worker" not in lines[0]
        assert "is the server running" not in lines[0]
    assert doctor.wait() == 1
    assert words in doctor.output


def test_tables_of_a_newer_release(stack: Stack, databases: Databases, database_url: str) -> None:
    with databases.copy_of(database_url) as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("UPDATE billing_alembic_version SET version_num = 'ffff'")
        all_say(stack, url, "a newer release brought the database to migration ffff")


@needs_debian
def test_debians_postgresql_works_and_its_standby_is_refused(stack: Stack) -> None:
    with debian_postgres() as primary, debian_postgres(primary) as standby:
        # A standby that is only named first is passed over.
        both = primary.url().replace(f":{primary.port}", f":{standby.port},127.0.0.1:{primary.port}")
        for words in (["db", "upgrade"], ["db", "check"]):
            done = stack.program("-".join(words), "billing_worker", *words, BILLING_DATABASE_URL=both)
            assert done.wait() == 0, done.output
        all_say(stack, standby.url(), "the server is a standby and only reads; name the primary")
