"""What all tests share: one PostgreSQL a worker process, a fresh database a test, and one sandbox as the judge.

Servers are embedded and end with the session; `TEST_DATABASE_URL` and `TEST_BROKER_URL` name running ones instead. The
developer's own settings (`BILLING_…`) never reach a test.
"""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.support.databases import Databases
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.servers import Servers
from tests.support.world import World

HEARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)
"""What `nohup`, a shell's `&` or a service may have us ignore: each child would ignore it too, and never end."""


def pytest_configure() -> None:
    """Hear signals also where a shell, or nohup, started the tests in the background: their children ignore these."""
    for number in HEARD:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


for _name in [name for name in os.environ if name.startswith("BILLING_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The embedded servers of this session, each started when first asked for."""
    with Servers() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """Makes databases on this session's PostgreSQL: `databases.migrated()`, `databases.empty()`."""
    with Databases(servers.database_url()) as made:
        yield made


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database."""
    with databases.migrated() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A fresh database without any table."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def broker_url(servers: Servers) -> Iterator[str]:
    """A Redis for this test alone."""
    with servers.broker_url() as url:
        yield url


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests of this process: told apart by their customer_uids and merchant_uids."""
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def world(database_url: str, shared_sandbox: Sandbox) -> Iterator[World]:
    """Real ports on a fresh database and the shared sandbox, with a clock that the test moves."""
    with World.built(database_url, shared_sandbox) as built:
        yield built
    shared_sandbox.forget_rules()


@pytest.fixture
def another_process(world: World) -> Iterator[Callable[[], World]]:
    """A second process on the same database and clock: ports and a pool of its own."""
    others: list[World] = []

    def start() -> World:
        others.append(world.twin())
        return others[-1]

    yield start
    for other in others:
        other.close()
