"""The file that tells a health check that this process works: a look at its time costs no connection and no Python.

A worker touches it with each heartbeat, which its loop sends while it takes messages; beat with each ring that the
broker took. While Redis is away neither works, and both are found unhealthy.
"""

import time
from typing import Any

import structlog
from celery.signals import heartbeat_sent

from tasks.process import process

_log = structlog.get_logger("billing.tasks")

TOUCHED_EVERY = 5.0
"""Seconds: a health check looks for a change within the last minute."""


class Alive:
    """Touches the file of this process, at most so often."""

    _touched_at: float | None = None

    def touch(self) -> None:
        """Tell that the process works now. A file that cannot be written is told once, and stops nothing."""
        path, now = process.settings.alive_file, time.monotonic()
        if path is None or (self._touched_at is not None and now - self._touched_at < TOUCHED_EVERY):
            return
        is_first, self._touched_at = self._touched_at is None, now
        try:
            path.touch()
        except OSError as error:
            if is_first:
                _log.warning("alive_file.not_written", path=str(path), reason=error.strerror)


alive = Alive()


@heartbeat_sent.connect
def _touch(**_: Any) -> None:
    alive.touch()
