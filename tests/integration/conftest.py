"""Real processes: a world on running time, and the Celery processes that serve it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_worker.domain.timing import Timing
from tests.support.clock import RunningClock
from tests.support.sandbox import Sandbox
from tests.support.stack import Stack, settings_for, stack_of
from tests.support.world import World


@pytest.fixture
def world(database_url: str, shared_sandbox: Sandbox) -> Iterator[World]:
    """Real ports on running time; the processes do the work, the test watches."""
    timing = Timing(http_deadline=3.0, lease=4.0, claim=2.0, first_look=0.5, settle_window=1.0)
    with World.built(database_url, shared_sandbox, clock=RunningClock(), timing=timing) as built:
        yield built
    shared_sandbox.forget_rules()


@pytest.fixture
def stack(world: World, broker_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Celery processes of this world."""
    settings = settings_for(world.database_url, broker_url, world.sandbox.url, world.environment)
    with stack_of(settings, tmp_path) as running:
        yield running
