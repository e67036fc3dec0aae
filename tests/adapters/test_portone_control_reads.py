"""A control read speaks for reads that ended before it began; who asks at the same time shares one."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from billing_worker.adapters.portone.control_reads import ControlReads

STORM = 32
PATIENCE = 60.0


class Reads:
    """A gateway whose reads wait until they are let go, one by one."""

    def __init__(self, shown: Callable[[int], bool] = lambda _: True) -> None:
        self.begun = 0
        self._shown = shown
        self._began = threading.Semaphore(0)
        self._let_go = threading.Semaphore(0)

    def __call__(self, _imp_uid: str) -> bool:
        self.begun += 1
        number = self.begun
        self._began.release()
        assert self._let_go.acquire(timeout=PATIENCE)
        return self._shown(number)

    def until_begun(self) -> None:
        assert self._began.acquire(timeout=PATIENCE)

    def let_go(self) -> None:
        self._let_go.release()


class Ticking:
    """A clock that moves on whenever it is read, and tells how often it was."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.taken, self._step = 0.0, 0, step
        self._read = threading.Condition()

    def __call__(self) -> float:
        with self._read:
            self.now += self._step
            self.taken += 1
            self._read.notify_all()
            return self.now

    def until_taken(self, times: int) -> None:
        with self._read:
            assert self._read.wait_for(lambda: self.taken >= times, PATIENCE)


def asked(controls: ControlReads, pool: ThreadPoolExecutor, count: int, clock: Ticking) -> list:
    """Threads that have asked: each has taken the time of its question."""
    before = clock.taken
    futures = [pool.submit(controls.shows, "imp_known") for _ in range(count)]
    clock.until_taken(before + count)
    return futures


def test_a_storm_that_asks_during_one_read_is_served_by_the_next_one(pool: ThreadPoolExecutor) -> None:
    reads, clock = Reads(), Ticking()
    controls = ControlReads(reads, every=0, monotonic=clock)
    [first] = asked(controls, pool, 1, clock)
    reads.until_begun()
    storm = asked(controls, pool, STORM, clock)
    reads.let_go()
    assert first.result(PATIENCE)
    reads.until_begun()
    reads.let_go()
    assert [each.result(PATIENCE) for each in storm] == [True] * STORM
    assert reads.begun == 2, "the storm needs one read of its own, and no more"


def test_a_read_that_began_before_the_question_is_no_answer_to_it(pool: ThreadPoolExecutor) -> None:
    """The gateway shows everything, then nothing at all: what was seen before says nothing about now."""
    reads, clock = Reads(shown=lambda number: number == 1), Ticking()
    controls = ControlReads(reads, every=0, monotonic=clock)
    [before] = asked(controls, pool, 1, clock)
    reads.until_begun()
    [after] = asked(controls, pool, 1, clock)
    reads.let_go()
    assert before.result(PATIENCE) is True
    reads.until_begun()
    reads.let_go()
    assert after.result(PATIENCE) is False


def test_two_reads_of_one_payment_keep_their_distance_and_those_of_another_need_not() -> None:
    clock, slept = Ticking(step=0.0), []
    read: list[str] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    controls = ControlReads(lambda uid: not read.append(uid), every=1.0, monotonic=clock, sleep=sleep)
    assert controls.shows("imp_a")
    clock.now += 0.25
    assert controls.shows("imp_a")
    assert controls.shows("imp_b")
    assert (read, slept) == (["imp_a", "imp_a", "imp_b"], [0.75])
    clock.now += 5
    assert controls.shows("imp_a")
    assert slept == [0.75]


def test_a_read_that_breaks_leaves_no_thread_waiting(pool: ThreadPoolExecutor) -> None:
    def broken(_imp_uid: str) -> bool:
        raise RuntimeError("broken")

    controls = ControlReads(broken, every=0)
    futures = [pool.submit(controls.shows, "imp_known") for _ in range(STORM)]
    assert {type(each.exception(PATIENCE)) for each in futures} == {RuntimeError}


@pytest.fixture
def pool():
    with ThreadPoolExecutor(STORM + 1) as made:
        yield made
