"""Planned events at virtual times: schedules, late approvals, net-cancels. One task sleeps until the next one."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

from billing_worker.sandbox.clock import Clock

LONGEST_SLEEP = 5.0  # real seconds; a step of the system clock is noticed within this time
Act = Callable[[], Awaitable[None]]


class Agenda:
    """A heap of acts by virtual time. An act checks by itself whether it is still valid."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Act]] = []
        self._count = itertools.count()
        self._changed = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def at(self, moment: float, act: Act) -> None:
        """Plan an act at a virtual time; a past time means now."""
        heapq.heappush(self._heap, (moment, next(self._count), act))
        self._changed.set()

    async def run(self) -> None:
        """Run due acts until cancelled."""
        while True:
            self._changed.clear()
            while self._heap and self._heap[0][0] <= self._clock.virtual():
                self._begin(heapq.heappop(self._heap)[2])
            self._at_rest.set()
            wait = LONGEST_SLEEP
            if self._heap:
                wait = min(wait, self._clock.real_seconds_until(self._heap[0][0]))
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    async def caught_up(self) -> None:
        """Wait until every act has ended that was due when this was called."""
        self._at_rest.clear()
        self._changed.set()
        await self._at_rest.wait()
        while self._running:
            await asyncio.wait(set(self._running))

    def _begin(self, act: Act) -> None:
        task = asyncio.ensure_future(act())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
