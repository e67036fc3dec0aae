"""Virtual time: a heap of moments, and greenlets that wait for them.

One thread runs everything. A task yields only in `wait`, so everything between two waits happens at one moment, without
interruption. A transaction's body runs in this way: no other task runs from its begin to its commit, so locks of rows
need no model here (tests with two real workers on a real database cover those).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

Do = Callable[[], object]


class Crash(BaseException):
    """The process is gone. No code may catch this, just as no code catches SIGKILL."""


class Task:
    """One piece of work in one process. It may be abandoned at any wait."""

    __slots__ = ("alive", "done", "ended", "greenlet", "where", "work")

    def __init__(self, where: "Process", work: Do, ended: Do | None, carrier: Any) -> None:
        self.where = where
        self.work = work
        self.ended = ended
        self.alive = True
        self.done = False
        self.greenlet = carrier

    def run(self) -> None:
        """Do the work, up to its end or a crash."""
        try:
            self.work()
        except Crash:
            self.where.die()
        except Exception as error:  # noqa: BLE001 - no trouble of a task may end the virtual world
            self.where.failed(error)
        self.done = True


class Scheduler:
    """The clock, and the events in time."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.steps = 0
        self.halted = False
        """Set by the judge to stop the run."""
        self._heap: list[tuple[datetime, int, Do]] = []
        self._number = 0
        self._until = start
        self._hub: Any = getcurrent()
        self._task: Task | None = None
        self._idle: list[Any] = []
        """Greenlets of finished tasks, for reuse: a new one costs several times as much as a task."""

    def at(self, when: datetime, do: Do) -> None:
        """Call a function at this moment. Calls at the same moment keep their order."""
        self._number += 1
        heappush(self._heap, (when, self._number, do))

    def after(self, delay: timedelta, do: Do) -> None:
        """Call a function after this long."""
        self.at(self.now + delay, do)

    def run(self, until: datetime) -> None:
        """Let time pass until this moment."""
        self._until = until
        heap = self._heap
        while not self.halted and heap and heap[0][0] <= until:
            self.now, _, do = heappop(heap)
            self.steps += 1
            do()
        if not self.halted:
            self.now = until

    def start(self, where: "Process", work: Do, ended: Do | None = None) -> None:
        """Begin a task now, from outside any task. `ended` is called when it ends by itself."""
        carrier = self._idle.pop() if self._idle else greenlet(self._carry, self._hub)
        task = Task(where, work, ended, carrier)
        where.tasks[task] = None
        self._resume(task)

    def wait(self, delay: timedelta) -> None:
        """Yield for this long. Only within a task."""
        wake = self.now + delay
        heap = self._heap
        if wake <= self._until and (not heap or wake < heap[0][0]):
            # No event comes before it: keep the same order without two switches.
            self.now = wake
            self.steps += 1
            return
        task = self._task
        if task is None:
            raise AssertionError("only a task can wait")
        self.at(wake, lambda: self._resume(task))
        self._hub.switch()

    def kill(self, task: Task) -> None:
        """Kill a task for good. From outside any task."""
        task.alive = False
        if not task.done:
            task.greenlet.throw(GreenletExit)

    def close(self) -> None:
        """End every waiting greenlet: each would keep the whole world in memory. From outside any task."""
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
        """Run again, without any earlier state."""
        if not self.up:
            self.up = True
            for do in self.on_start:
                do()

    def failed(self, error: Exception) -> None:
        """Report a task that ended with an unexpected error."""
        self._broken(self, error)

    def _clear(self) -> None:
        for task in list(self.tasks):
            self._scheduler.kill(task)
        self.tasks.clear()
        for do in self.on_death:
            do()
