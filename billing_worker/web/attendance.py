"""The signs of a web process, and its look at the other processes, by its own clock: it depends on no queue.

It also writes down how many notifications were refused: a flood of forged ones costs one statement a round and reason.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator

import structlog

from billing_worker.domain.errors import BillingError, line_of
from billing_worker.domain.presence import Role, Sign
from billing_worker.ports.bundle import Ports
from billing_worker.runtime.rounds import Rounds
from billing_worker.usecases.control.watch import attend, count_refused, leave
from billing_worker.web.refusals import Refusals

TICK_SECONDS = 1.0

_log = structlog.get_logger("billing.web")


class Attendance:
    """Gives signs as long as the event loop runs."""

    def __init__(self, ports: Ports, refusals: Refusals) -> None:
        self.name = f"web@{socket.gethostname()}:{os.getpid()}"
        self._ports, self._refusals = ports, refusals
        self._seen = time.monotonic()
        every = ports.watching.every.total_seconds()
        self._rounds = Rounds("attendance", every, self._round, _not_given, self._last)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Give signs while the block runs."""
        self._rounds.start()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.to_thread(self._rounds.stop)

    async def _tick(self) -> None:
        while True:
            self._seen = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)

    def _round(self) -> None:
        attend(self._ports, Sign(self.name, Role.WEB, time.monotonic() - self._seen))
        self._count()

    def _last(self) -> None:
        leave(self._ports, self.name)
        self._count()

    def _count(self) -> None:
        refused = self._refusals.taken()
        try:
            count_refused(self._ports, refused)
        except BillingError:
            self._refusals.give_back(refused)
            raise


def _not_given(error: Exception) -> None:
    _log.warning("sign.not_given", reason=line_of(error))
