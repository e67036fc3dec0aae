"""A folder for a whole stack."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: as root that is closed to the account under which PostgreSQL runs."""
    path = Path(tempfile.mkdtemp(prefix="billing-worker-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
