"""Virtual time: a heap of moments, and greenlets that wait for theirs.

One thread runs everything. A task gives way only in `wait`; so what happens between two waits happens at one moment,
and nothing comes in between. That is how a transaction's body runs: from its begin to its commit no other task moves,
so that locks of rows need no model here (tests with two real workers on a real database cover those).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

Do = Callable[[], object]


class Crash(BaseException):
    """The process is gone: nothing may catch this, as nothing catches SIGKILL."""


class Task:
    """One piece of work in one process, which may be left for ever at any wait."""

    __slots__ = ("alive", "done", "ended", "greenlet", "where", "work")

    def __init__(self, where: "Process", work: Do, ended: Do | None, carrier: Any) -> None:
        self.where = where
        self.work = work
        self.ended = ended
        self.alive = True
        self.done = False
        self.greenlet = carrier

    def run(self) -> None:
        """Do the work, as far as it comes."""
        try:
            self.work()
        except Crash:
            self.where.die()
        except Exception as error:  # noqa: BLE001 - no trouble of a task may end the virtual world
            self.where.failed(error)
        self.done = True


class Scheduler:
    """The clock, and what happens when."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.steps = 0
        self.halted = False
        """Set by the judge who has seen enough: nothing more happens."""
        self._heap: list[tuple[datetime, int, Do]] = []
        self._number = 0
        self._until = start
        self._hub: Any = getcurrent()
        self._task: Task | None = None
        self._idle: list[Any] = []
        """Greenlets that carried a task to its end: a new one costs several times what a task does."""

    def at(self, when: datetime, do: Do) -> None:
        """Do something at this moment; in order of asking where moments are equal."""
        self._number += 1
        heappush(self._heap, (when, self._number, do))

    def after(self, delay: timedelta, do: Do) -> None:
        """Do something after this long."""
        self.at(self.now + delay, do)

    def run(self, until: datetime) -> None:
        """Let time pass up to this moment."""
        self._until = until
        heap = self._heap
        while not self.halted and heap and heap[0][0] <= until:
            self.now, _, do = heappop(heap)
            self.steps += 1
            do()
        if not self.halted:
            self.now = until

    def start(self, where: "Process", work: Do, ended: Do | None = None) -> None:
        """Begin a task now, from outside of any task; `ended` is called when it ended by itself."""
        carrier = self._idle.pop() if self._idle else greenlet(self._carry, self._hub)
        task = Task(where, work, ended, carrier)
        where.tasks[task] = None
        self._resume(task)

    def wait(self, delay: timedelta) -> None:
        """Give way for this long. Only within a task."""
        wake = self.now + delay
        heap = self._heap
        if wake <= self._until and (not heap or wake < heap[0][0]):
            # Nothing can happen meanwhile: the same order of events, without two switches.
            self.now = wake
            self.steps += 1
            return
        task = self._task
        if task is None:
            raise AssertionError("only a task can wait")
        self.at(wake, lambda: self._resume(task))
        self._hub.switch()

    def kill(self, task: Task) -> None:
        """It never comes back. From outside of any task."""
        task.alive = False
        if not task.done:
            task.greenlet.throw(GreenletExit)

    def close(self) -> None:
        """End every greenlet that waits: each would keep the whole world in memory. From outside of any task."""
        self._heap.clear()
        for carrier in self._idle:
            carrier.throw(GreenletExit)
        self._idle.clear()
        self._task = None

    def _resume(self, task: Task) -> None:
        if not task.alive:
            return
        self._task = task
        task.greenlet.switch()
        if task.done:
            self._idle.append(task.greenlet)
            task.where.tasks.pop(task, None)
            if task.alive and task.ended is not None:
                task.ended()

    def _carry(self) -> None:
        while self._task is not None:
            self._task.run()
            self._hub.switch()


class Process:
    """One process of the fleet: it dies with all its tasks, and its supervisor starts it again."""

    def __init__(self, name: str, scheduler: Scheduler, broken: Callable[["Process", Exception], None]) -> None:
        self.name = name
        self.up = True
        self.tasks: dict[Task, None] = {}
        self.deaths = 0
        self.on_death: list[Do] = []
        self.on_start: list[Do] = []
        self.down_for: Callable[[], timedelta] = timedelta
        self._scheduler = scheduler
        self._broken = broken

    def die(self) -> None:
        """SIGKILL. Every task stops where it is."""
        if not self.up:
            return
        self.up = False
        self.deaths += 1
        for task in self.tasks:
            task.alive = False
        self._scheduler.at(self._scheduler.now, self._clear)
        self._scheduler.after(self.down_for(), self.revive)

    def revive(self) -> None:
        """Run again, with nothing of what it did before."""
        if not self.up:
            self.up = True
            for do in self.on_start:
                do()

    def failed(self, error: Exception) -> None:
        """A task ended with an error that nobody foresaw."""
        self._broken(self, error)

    def _clear(self) -> None:
        for task in list(self.tasks):
            self._scheduler.kill(task)
        self.tasks.clear()
        for do in self.on_death:
            do()
