"""A thread that waits for a lock that a test holds."""

import threading
import time
from concurrent.futures import Future
from typing import Any

from tests.support.world import World

WAIT_SECONDS = 60.0


def until_it_waits_or_ends(world: World, work: Future[Any]) -> None:
    """Until a session of this database waits for a lock, or the work is over."""
    deadline = time.monotonic() + WAIT_SECONDS
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not work.done() and not world.rows(waiting):
        assert time.monotonic() < deadline, "it neither waits nor ends"
        threading.Event().wait(0.01)
