"""Store many notifications with one commit: all that arrive during a commit go into the next one.

A notification that arrives while none is being written is written at once. Each is answered when its own commit has
returned. With a thread per request, 20 could run at a time, and each would wait for the disk by itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from billing_worker.domain.errors import Busy, Unavailable
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.incoming.receive import Notification, Receipt
from billing_worker.usecases.jobs import JobName
from billing_worker.web.bell import Bell
from billing_worker.web.errors import ErrorType, Refused

MOST_NOTIFICATIONS_TOGETHER = 200
"""Notifications per commit: at this number the cost of the commit itself is negligible."""
MOST_NOTIFICATIONS_WAITING = 2000
"""Notifications held for the database: about as many as it stores in a second, while their senders still wait."""
LONGEST_WAIT_SECONDS = 10.0
"""Seconds until a sender is asked to retry, even if the database hangs. Senders give up after some 30."""
WRITERS = 4
"""The most commits at once, each with a connection: one, unless a commit is held up."""
HELD_UP = 0.25
"""Seconds after which later notifications use another connection."""
AT_ONCE_AGAIN = 1.0
"""Seconds: a failure sooner than this means that the connection was stale. A new one may work."""
SINGLY = 5.0
"""Seconds to store notifications one by one when one of them cannot be stored."""

_log = structlog.get_logger("billing.web")

_Waiting = tuple[Notification, "asyncio.Future[Receipt]"]
_AWAY = "the database does not answer; send it again later"
_FULL = "more notifications arrive than the database takes; send it again later"


class Intake:
    """Takes in notifications. Lives in one event loop."""

    def __init__(self, ports: Ports, bell: Bell) -> None:
        self._ports, self._bell = ports, bell
        self._waiting: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="intake")
        self._writing = 0
        self._began = 0.0

    async def store(self, notification: Notification) -> None:
        """Store a notification; return when it is durable and, if a worker should look at once, the bell was rung.

        Raises Refused (503) after at most `LONGEST_WAIT_SECONDS`. It may then be stored or not; storing it again is
        harmless.
        """
        if len(self._waiting) >= MOST_NOTIFICATIONS_WAITING:
            raise Refused(503, ErrorType.UNAVAILABLE, _FULL)
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.append((notification, stored))
        if not self._writing or (self._writing < WRITERS and loop.time() - self._began > HELD_UP):
            self._write_next(loop)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                receipt = await stored
        except (TimeoutError, Unavailable) as error:
            raise Refused(503, ErrorType.UNAVAILABLE, _AWAY) from error
        if receipt.at_once:
            self._bell.ring(JobName.APPLY, str(receipt.id))

    def close(self) -> None:
        """Take in no more notifications."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _write_next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < MOST_NOTIFICATIONS_TOGETHER:
            one = self._waiting.popleft()
            if not one[1].done():  # its sender already got a refusal
                batch.append(one)
        if not batch:
            return
        self._writing += 1
        self._began = loop.time()
        written = loop.run_in_executor(self._threads, self._write, [notification for notification, _ in batch])
        written.add_done_callback(lambda done: self._answer(loop, batch, done))

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Waiting],
        written: "asyncio.Future[Sequence[Receipt | Exception]]",
    ) -> None:
        self._writing -= 1
        self._write_next(loop)
        if written.cancelled():  # the process is ending, and its senders with it
            return
        for (_, stored), result in zip(batch, written.result(), strict=True):
            if stored.done():
                continue
            if isinstance(result, Exception):
                stored.set_exception(result)
            else:
                stored.set_result(result)

    def _write(self, notifications: Sequence[Notification]) -> Sequence[Receipt | Exception]:
        """Store them together or, if one cannot be stored, one by one. Never raises."""
        began = time.monotonic()
        again = True
        while True:
            try:
                return receive.receive_many(self._ports, notifications)
            except Exception as error:  # noqa: BLE001 - every error answers a request
                if len(notifications) > 1 and (isinstance(error, Busy) or not isinstance(error, Unavailable)):
                    return self._write_singly(notifications)
                if not again or not isinstance(error, Unavailable) or time.monotonic() - began > AT_ONCE_AGAIN:
                    return _failed(error, len(notifications))
                again = False

    def _write_singly(self, notifications: Sequence[Notification]) -> Sequence[Receipt | Exception]:
        results: list[Receipt | Exception] = []
        end = time.monotonic() + SINGLY
        for number, notification in enumerate(notifications):
            if time.monotonic() > end:
                late = Unavailable("the database was too slow for single notifications")
                return [*results, *_failed(late, len(notifications) - number)]
            try:
                results.append(receive.receive_many(self._ports, [notification])[0])
            except Exception as error:  # noqa: BLE001 - as above
                results += _failed(error, 1)
        return results


def _failed(error: Exception, count: int) -> Sequence[Exception]:
    """One error for each sender; the database's message goes to the log, once."""
    if not isinstance(error, Unavailable):
        return [error] * count
    _log.warning("request.unavailable", notifications=count, error=str(error))
    return [Unavailable(str(error)) for _ in range(count)]
