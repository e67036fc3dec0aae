"""What several tests of the use cases begin with."""

import pytest

from tests.support.world import World


@pytest.fixture
def known(world: World) -> World:
    """A world in which one payment of another customer exists, for control reads."""
    world.subscribe()
    world.settle()
    return world
