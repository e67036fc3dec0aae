"""An event loop in its own thread: many calls wait in it without a thread each."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

TICK = 0.1
"""Seconds between two looks at how late the loop itself is."""
HELD_UP = 0.2
"""The share of a call's time by which the loop was late, from which this process is the reason of a failure."""


class Loop:
    """Starts with its first call. Safe for many threads, not for use across a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._late = 0.0
        self._next_tick = 0.0

    def now(self) -> tuple[float, float]:
        """Inside the loop: its time, and the seconds by which it was late so far."""
        time = asyncio.get_running_loop().time()
        return time, self._late + max(0.0, time - self._next_tick)

    def was_held_up(self, since: tuple[float, float]) -> bool:
        """Inside the loop: whether this process had too little CPU, or stood still, for much of the time since then."""
        time, late = self.now()
        return late - since[1] > HELD_UP * (time - since[0])

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a call in the loop, and return at once."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a call in the loop, and wait for it. Must not be called in the loop's own thread."""
        begun = self.begin(coroutine)
        try:
            return begun.result()
        except BaseException:
            begun.cancel()
            raise

    def close(self) -> None:
        """End the thread; a later call starts another one."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._next_tick = self._loop.time()
                self._loop.call_soon(self._tick, self._loop)
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="calls", daemon=True)
                self._thread.start()
            return self._loop

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        time = loop.time()
        self._late += max(0.0, time - self._next_tick)
        self._next_tick = time + TICK
        loop.call_later(TICK, self._tick, loop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
