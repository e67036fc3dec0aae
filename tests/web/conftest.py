"""The application on a real port and a real database: one for the session, emptied for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from web_helpers import Web, running

from tests.support.databases import Databases


@pytest.fixture(scope="session")
def shared_web(databases: Databases) -> Iterator[Web]:
    """The application against a sandbox, with a Paymentwall secret, and taking card data."""
    with databases.migrated() as url, running(url, card_entry=True) as started:
        yield started


@pytest.fixture
def web(shared_web: Web) -> Iterator[Web]:
    """The shared application, as if new."""
    shared_web.begin_anew()
    yield shared_web
    shared_web.doorbell.released.set()


@pytest.fixture
def web_with(database_url: str) -> Iterator[Callable[..., Web]]:
    """The application with other settings, all on one fresh database: `web_with(api_token=TOKEN)`."""
    with ExitStack() as stack:

        def start(**given: Any) -> Web:
            return stack.enter_context(running(database_url, **given))

        yield start
