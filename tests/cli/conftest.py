"""Command lines: in this process through the real door, or as a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from cli_helpers import Command, Said, environment, stored

from billing_worker.cli.main import main
from tests.support.sandbox import IMP_KEY, IMP_SECRET, Sandbox


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command line points the log at its own standard error, which is gone after the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: no .env of a developer is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def billing(
    here: Path,  # noqa: ARG001 - the command lines run there
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run a command line on a fresh, migrated database, in this process."""
    monkeypatch.setenv("BILLING_DATABASE_URL", database_url)
    monkeypatch.delenv("COLUMNS", raising=False)  # tables are folded to it, where a terminal left it behind

    def run(*words: str) -> Said:
        capsys.readouterr()
        status = main(words)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


@pytest.fixture
def with_gateway(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox is the gateway of the command lines.

    All tests of a process share its books, so each has an environment of its own: with one for all, what a test pays by
    a command is an orphan in the books of the next one, and `reconcile` tells of it.
    """
    monkeypatch.setenv("BILLING_ENVIRONMENT", "c" + uuid4().hex[:7])
    monkeypatch.setenv("BILLING_PORTONE_API_URL", shared_sandbox.url)
    monkeypatch.setenv("BILLING_PORTONE_IMP_KEY", IMP_KEY)
    monkeypatch.setenv("BILLING_PORTONE_IMP_SECRET", IMP_SECRET)
    yield shared_sandbox
    shared_sandbox.forget_rules()


@pytest.fixture
def process(here: Path) -> Command:
    """Run `python -m billing_worker …` as a process of its own."""

    def run(*words: str, **variables: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "billing_worker", *words],
            env=environment(**variables),
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def counted(database_url: str) -> Callable[[], dict[str, int]]:
    return lambda: stored(database_url)


@pytest.fixture
def plan_id(billing: Command) -> str:
    return str(billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json["id"])


@pytest.fixture
def key_id(billing: Command) -> str:
    return str(billing("key", "register", "nice-ok-kim-1", "--pg", "nice_v2", "--json").json["id"])


@pytest.fixture
def subscription_id(billing: Command, plan_id: str, key_id: str) -> str:
    words = ("subscription", "create", "--plan", plan_id, "--key", key_id, "--customer", "kim", "--json")
    return str(billing(*words).json["id"])
