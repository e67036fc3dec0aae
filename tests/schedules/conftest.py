"""A sandbox of its own, whose clock is moved together with ours: PortOne charges at the dates that were registered."""

from collections.abc import Iterator

import pytest

from tests.schedules.merchant import Merchant
from tests.support.clock import LinkedClock
from tests.support.sandbox import running_sandbox
from tests.support.world import World


@pytest.fixture
def merchant(database_url: str) -> Iterator[Merchant]:
    """A merchant whose subscriptions are collected by PortOne's schedule."""
    with running_sandbox() as sandbox:
        clock = LinkedClock(sandbox.hold_clock)
        with World.built(database_url, sandbox, clock=clock) as world:
            yield Merchant(world, clock)
