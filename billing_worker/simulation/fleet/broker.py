"""Messages between processes, as Redis and Celery carry them: lost, duplicated, late, or all dropped at once."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from billing_worker.simulation.fleet.chaos import Chaos
from billing_worker.simulation.fleet.scheduler import Crash, Process, Scheduler

RING_EXPIRES, UNIT_EXPIRES = timedelta(seconds=300), timedelta(seconds=60)
"""A message that waits for this long is dropped, as in `tasks/schedule.py` and `tasks/jobs.py`."""

DELAY = (0.1, 7200.0)


@dataclass(slots=True)
class Message:
    """One call of a job."""

    job: str
    idents: Sequence[str]
    expires: datetime
    flushes: int
    """The number of flushes of the broker when it was sent."""


class Worker:
    """A worker process with a limit of messages at a time."""

    def __init__(self, process: Process, threads: int, run: Callable[["Worker", Message], None]) -> None:
        self.process = process
        self.free = threads
        self.run = run
        self._threads = threads
        self.taken: list[Message] = []
        """The messages that are not acknowledged yet."""

    def forget(self) -> list[Message]:
        """Forget the messages of a dead process; returns them."""
        lost, self.taken = self.taken, []
        self.free = self._threads
        return lost


class Broker:
    """One queue, and the workers that take from it."""

    def __init__(self, scheduler: Scheduler, chaos: Chaos, hidden: timedelta) -> None:
        self.workers: list[Worker] = []
        self.down_until = scheduler.now
        self._scheduler = scheduler
        self._chaos = chaos
        self._hidden = hidden
        self._queue: deque[Message] = deque()
        self._flushes = 0
        self._turn = 0

    def join(self, worker: Worker) -> None:
        """Add a worker that takes messages while it is up."""
        self.workers.append(worker)
        worker.process.on_death.append(lambda: self._died(worker))
        worker.process.on_start.append(self.hand_out)

    def send(self, job: str, idents: Sequence[str]) -> None:
        """Publish. Raises Crash where the sender dies of it."""
        chaos = self._chaos
        wait = chaos.pause()
        copies = 1
        match chaos.strikes("send"):
            case "send.crash":
                raise Crash
            case "send.lost":
                return
            case "send.flushed":
                self.flush()
            case "send.doubled":
                copies = 2
            case "send.delayed":
                wait = chaos.between(*DELAY)
        if self._scheduler.now < self.down_until:
            return
        expires = self._scheduler.now + (RING_EXPIRES if job.endswith("_due") else UNIT_EXPIRES)
        for _ in range(copies):
            self._scheduler.after(wait, partial(self._arrive, Message(job, idents, expires, self._flushes)))

    def flush(self) -> None:
        """FLUSHALL: drop every message, including those of dead workers."""
        self._flushes += 1
        self._queue.clear()

    def hand_out(self) -> None:
        """Give waiting messages to free workers in turn."""
        while self._queue:
            worker = self._next_free()
            if worker is None:
                return
            message = self._queue.popleft()
            if message.expires < self._scheduler.now:
                continue
            self._give(worker, message)
            if self._chaos.strikes("deliver"):
                self._scheduler.after(self._chaos.pause(), partial(self._arrive, replace(message)))

    def _give(self, worker: Worker, message: Message) -> None:
        worker.free -= 1
        worker.taken.append(message)

        def done() -> None:
            worker.free += 1
            worker.taken = [each for each in worker.taken if each is not message]
            self.hand_out()

        self._scheduler.start(worker.process, lambda: worker.run(worker, message), done)

    def _arrive(self, message: Message) -> None:
        if message.flushes == self._flushes:
            self._queue.append(message)
            self.hand_out()

    def _next_free(self) -> Worker | None:
        for _ in self.workers:
            self._turn = (self._turn + 1) % len(self.workers)
            worker = self.workers[self._turn]
            if worker.free > 0 and worker.process.up:
                return worker
        return None

    def _died(self, worker: Worker) -> None:
        for message in worker.forget():
            self._scheduler.after(self._hidden, partial(self._arrive, message))
