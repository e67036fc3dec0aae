"""A queue is short: rings collapse, and a scan adds only what its queue has room for, and what it can enqueue."""

import pytest

from billing_worker.domain.backpressure import STEP, fill, is_heard, room


class Offers:
    """Work that is due, and a clock that goes on with each step."""

    def __init__(self, due: int, seconds: float = 0.0) -> None:
        self.due = due
        self.steps: list[int] = []
        self._seconds = seconds

    def offer(self, most: int) -> int:
        self.steps.append(most)
        found = min(most, self.due)
        self.due -= found
        return found

    def monotonic(self) -> float:
        return self._seconds * len(self.steps)


@pytest.mark.parametrize(("waiting", "heard"), [(0, "rung"), (9, "rung"), (10, "left out"), (1218, "left out")])
def test_a_ring_is_sent_only_while_less_than_a_round_waits(waiting: int, heard: str) -> None:
    assert is_heard(waiting, 10) is (heard == "rung")


@pytest.mark.parametrize(("waiting", "more"), [(0, 500), (249, 251), (250, 250), (251, 0), (500, 0), (9000, 0)])
def test_a_queue_is_filled_again_when_half_of_it_is_taken(waiting: int, more: int) -> None:
    assert room(waiting, 500) == more


def test_a_queue_of_one_place_is_filled_when_it_is_empty() -> None:
    assert [room(waiting, 1) for waiting in (0, 1, 2)] == [1, 0, 0]


def test_a_quick_process_offers_all_that_is_due_in_steps() -> None:
    work = Offers(due=120)
    fill(500, 3.0, work.offer, work.monotonic)
    assert (work.due, work.steps) == (0, [STEP, STEP, STEP])


def test_a_quick_process_offers_no_more_than_there_is_room_for() -> None:
    work = Offers(due=1000)
    fill(120, 3.0, work.offer, work.monotonic)
    assert work.due == 880
    assert work.steps == [50, 50, 20]


def test_a_slow_process_leaves_unclaimed_what_it_cannot_enqueue_in_time() -> None:
    work = Offers(due=1000, seconds=2.0)
    fill(500, 3.0, work.offer, work.monotonic)
    assert work.due == 1000 - 2 * STEP


def test_a_scan_without_room_has_its_other_duties() -> None:
    work = Offers(due=7)
    fill(0, 3.0, work.offer, work.monotonic)
    assert (work.due, work.steps) == (7, [0])
