"""Calls of one process of the fleet: all at once, and recorded as many as gather within a moment."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.calls import Answered, Intent, InTime, Record
from billing_worker.simulation.fleet.scheduler import Process, Scheduler

GATHER = timedelta(milliseconds=50)


class VirtualCalls:
    """Each call is a task of the process. What a process had in hand dies with it."""

    def __init__(self, process: Process, scheduler: Scheduler, charge: Callable[[ChargeRequest], Outcome]) -> None:
        self._process = process
        self._scheduler = scheduler
        self._charge = charge
        self._answers: list[Answered] = []
        process.on_death.append(self._answers.clear)

    @contextmanager
    def room(self, count: int) -> Iterator[None]:  # noqa: ARG002 - the virtual fleet has room for all
        """Do not wait."""
        yield

    def place(self, intents: Sequence[Intent], in_time: InTime, record: Record) -> None:
        """Make these calls, all at once, and return without waiting for their answers."""
        for intent in intents:
            self._soon(timedelta(0), partial(self._call, intent, in_time, record))

    def _soon(self, delay: timedelta, work: Callable[[], object]) -> None:
        """Do it as a task of this life of the process."""
        life = self._process.deaths

        def begin() -> None:
            if self._process.up and self._process.deaths == life:
                self._scheduler.start(self._process, work)

        self._scheduler.after(delay, begin)

    def _call(self, intent: Intent, in_time: InTime, record: Record) -> None:
        with suppress(Unavailable):
            if not in_time(intent):
                return
            outcome = self._charge(intent.request)
            self._answers.append(Answered(intent.attempt_id, intent.fence, outcome))
            if len(self._answers) == 1:
                self._soon(GATHER, partial(self._record, record))

    def _record(self, record: Record) -> None:
        gathered = list(self._answers)
        self._answers.clear()
        with suppress(Unavailable):  # their attempts stay open, and are read
            record(gathered)
