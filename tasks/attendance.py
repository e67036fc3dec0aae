"""The signs of a worker and of a beat: rows in the database with the time of the last ring and of the last work.

A thread of its own writes the row and looks at the other processes (`usecases/control/watch.py`). It tells what the
main loop did: a heartbeat, a message taken, a ring sent. So a process whose loop hangs falls silent, although a thread
of it runs. Nothing is written for a message.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import heartbeat_sent, worker_ready, worker_shutdown, worker_shutting_down

from billing_worker.domain.errors import line_of
from billing_worker.domain.presence import Role, Sign
from billing_worker.ports.bundle import Ports
from billing_worker.runtime.rounds import Rounds
from billing_worker.usecases.control.watch import attend, leave
from billing_worker.usecases.jobs import JOBS
from tasks.process import process
from tasks.schedule import task_name

_log = structlog.get_logger("billing.tasks")

RINGS_OF_BEAT = frozenset(task_name(job.scan) for job in JOBS if job.due is not None and job.chunk == 1)
"""Scans that nothing but beat rings: a worker rings the others too, after a full chunk."""
UNITS = frozenset(task_name(job.name) for job in JOBS)

Clock = Callable[[], float]


class Attendance:
    """What this process did last, and its signs. Monotonic seconds."""

    def __init__(self, monotonic: Clock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen = monotonic()
        self._rung: float | None = None
        self._worked: float | None = None
        self._rounds: Rounds | None = None
        self._name = ""
        self.consumer: Any = None

    def tick(self) -> None:
        """Note that the main loop runs."""
        self._seen = self._monotonic()

    def ring(self) -> None:
        """Note a ring of beat that is at the broker."""
        self._rung = self._monotonic()

    def take(self, task: str) -> None:
        """Note a message that this worker takes."""
        if task in RINGS_OF_BEAT:
            self.ring()
        elif task in UNITS:
            self._worked = self._monotonic()

    def begin(self, role: Role, name: str, ports: Callable[[], Ports]) -> None:
        """Give signs from now on, by the name."""
        self.tick()
        self._name = name
        if self._rounds is None:
            self._rounds = Rounds(
                "attendance",
                process.watching.every.total_seconds(),
                act=lambda: attend(ports(), self.sign(role)),
                failed=_not_given,
                last=lambda: leave(ports(), name),
            )
            self._rounds.start()

    def sign(self, role: Role) -> Sign:
        """What this process says of itself now."""
        now = self._monotonic()

        def since(at: float | None) -> float | None:
            return None if at is None else now - at

        return Sign(self._name, role, now - self._seen, since(self._rung), since(self._worked), self._queues())

    def finish(self) -> None:
        """Take leave, since this process takes no more work: its signs are missed by none."""
        if self._rounds is not None:
            self._rounds.finish()

    def end(self) -> None:
        """The same, and wait until it is done."""
        if self._rounds is not None:
            self._rounds.stop()

    def _queues(self) -> tuple[str, ...]:
        """The queues that this worker takes from now: an operator may cancel one by a broadcast."""
        return () if self.consumer is None else tuple(self.consumer.app.amqp.queues.consume_from)


def _not_given(error: Exception) -> None:
    _log.warning("sign.not_given", reason=line_of(error))


def beat_name() -> str:
    """The name of this beat, as a worker's is: what it does, and where."""
    return f"beat@{socket.gethostname()}:{os.getpid()}"


attendance = Attendance()


def _ports() -> Ports:
    return process.ports


@heartbeat_sent.connect
def _tick(**_: Any) -> None:
    attendance.tick()


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    attendance.consumer = sender
    attendance.begin(Role.WORKER, sender.hostname, _ports)


@worker_shutting_down.connect
def _finish(**_: Any) -> None:
    attendance.finish()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    attendance.end()
