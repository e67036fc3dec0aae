"""What the tests of generated clients need of the tests of the application."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "web"))

from web_helpers import Web, running


@pytest.fixture
def served(database_url: str) -> Iterator[Web]:
    """The application on a real port."""
    with running(database_url) as started:
        yield started
