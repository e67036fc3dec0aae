"""The calls of charges under way in this process: no thread waits for a call, and answers are recorded together.

The limit of calls under way follows the recording of their answers, not the number of sockets: an attempt must be
closed well before the resolver looks at it. A hanging call takes no place from the others.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

import structlog

from billing_worker.domain.payment import ChargeRequest, Outcome, Unknown
from billing_worker.ports.calls import Answered, Intent, InTime, Record

_log = structlog.get_logger("billing.calls")

GATHER = 0.05
"""Seconds for which answers gather before they are recorded with one commit."""
MOST_ANSWERS = 100
"""Answers recorded with one commit: more would save nothing, and lock more rows."""
MOST_YOUNG = 256
"""Calls under way, or answered but not recorded, that are younger than `HANGS_AFTER`."""
FEWEST_YOUNG = 50
HANGS_AFTER = 5.0
"""Seconds after which a call counts as hanging."""
MOST_CALLS = 768
"""All calls, including hanging ones: each holds a socket, and most systems allow a process 1,024 open files."""
NEXT_LOOK = 0.2
"""Seconds until a thread that waits for room looks again: calls grow old without a notice."""
SLOW = 1.0
"""Seconds from an answer to its commit, beyond which fewer calls are begun at a time."""
MORE = 8
"""How many more may be under way after each commit in time."""


@runtime_checkable
class Begins(Protocol):
    """Places a charge without waiting for it."""

    def begin_charge(self, request: ChargeRequest) -> Future[Outcome]:
        """Place one charge."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """An answer that waits for its commit."""

    answer: Answered
    record: Record
    at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """The outcomes of a process's calls."""

    recorded: Mapping[str, int]
    """By outcome: approved, declined, failed, unknown."""
    under_way: int
    """Calls that have not ended, or whose answers are not recorded."""


class CallsUnderWay:
    """Makes calls from any thread; one thread of its own, started on first use, has their answers recorded.

    Not for use across a fork: build it in the process that uses it.
    """

    def __init__(self, gateway: Begins, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gateway = gateway
        self._monotonic = monotonic
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._gathered = threading.Condition(lock)
        self._begun: dict[str, float] = {}
        """The start of each call under way or not recorded, by attempt."""
        self._kept = 0
        self._most_young = MOST_YOUNG
        self._arrived: list[_Arrived] = []
        self._recorded: Counter[str] = Counter()
        self._recorder: threading.Thread | None = None

    @contextmanager
    def room(self, count: int) -> Iterator[None]:
        """Wait until this many more calls may be under way, and keep their places until the block ends."""
        with self._room:
            while not self._has_room(count):
                self._room.wait(NEXT_LOOK)
            self._kept += count
        try:
            yield
        finally:
            with self._room:
                self._kept -= count
                self._room.notify_all()

    def place(self, intents: Sequence[Intent], in_time: InTime, record: Record) -> None:
        """Make these calls, all at once, and return without waiting for their answers."""
        for intent in intents:
            if not in_time(intent):
                continue  # this process was held up: the attempt belongs to the resolver
            with self._room:
                self._begun[intent.attempt_id] = self._monotonic()
            call = self._gateway.begin_charge(intent.request)
            call.add_done_callback(lambda done, intent=intent: self._answered(intent, done, record))  # type: ignore[misc] # the default binds

    def counts(self) -> Counts:
        """The answers recorded since this process began, by outcome, and the calls under way now."""
        with self._room:
            return Counts(dict(self._recorded), len(self._begun))

    def drain(self, seconds: float) -> int:
        """Wait, this long at most, until all calls have ended and are recorded; returns how many are left."""
        with self._room:
            self._room.wait_for(lambda: not self._begun, seconds)
            return len(self._begun)

    def _has_room(self, count: int) -> bool:
        hangs = self._monotonic() - HANGS_AFTER
        young = sum(begun > hangs for begun in self._begun.values()) + self._kept
        # A chunk that is larger than the bound must not wait for ever.
        return (young == 0 or young + count <= self._most_young) and len(self._begun) + self._kept + count <= MOST_CALLS

    def _answered(self, intent: Intent, done: Future[Outcome], record: Record) -> None:
        try:
            outcome = done.result()
        except BaseException as error:  # noqa: BLE001 - whatever ended the call: it may have been sent
            outcome = Unknown(f"no answer: {type(error).__name__}")
        with self._gathered:
            now = self._monotonic()
            took = timedelta(seconds=now - self._begun.get(intent.attempt_id, now))
            answer = Answered(intent.attempt_id, intent.fence, outcome, took)
            self._arrived.append(_Arrived(answer, record, now))
            if self._recorder is None:
                self._recorder = threading.Thread(target=self._record_for_ever, name="answers", daemon=True)
                self._recorder.start()
            if len(self._arrived) in (1, MOST_ANSWERS):
                self._gathered.notify()

    def _record_for_ever(self) -> None:
        while True:
            with self._gathered:
                self._gathered.wait_for(lambda: self._arrived)
                oldest = self._arrived[0].at
                self._gathered.wait_for(self._are_enough, max(0.0, oldest + GATHER - self._monotonic()))
                batch, self._arrived = self._arrived[:MOST_ANSWERS], self._arrived[MOST_ANSWERS:]
            self._record([each.answer for each in batch], batch[0].record)
            with self._room:
                for each in batch:
                    self._begun.pop(each.answer.attempt_id, None)
                self._recorded.update(type(each.answer.outcome).__name__.lower() for each in batch)
                is_slow = self._monotonic() - oldest > SLOW
                self._most_young = (
                    max(FEWEST_YOUNG, self._most_young // 2) if is_slow else min(MOST_YOUNG, self._most_young + MORE)
                )
                self._room.notify_all()

    def _are_enough(self) -> bool:
        return len(self._arrived) >= MOST_ANSWERS

    def _record(self, answers: Sequence[Answered], record: Record) -> None:
        try:
            record(answers)
        except Exception as error:  # noqa: BLE001 - the attempts stay open, and are read
            _log.warning("answers.not_recorded", count=len(answers), error=type(error).__name__)
