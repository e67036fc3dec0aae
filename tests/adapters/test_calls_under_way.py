"""The engine of calls: how many are under way follows the recording, calls that hang take no place, nothing is lost."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from billing_worker.adapters import calls as module
from billing_worker.adapters.calls import FEWEST_YOUNG, HANGS_AFTER, MOST_CALLS, MOST_YOUNG, CallsUnderWay
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.ports.calls import Answered, Intent

DEADLINE = 60.0
WRONG = Failed("not sent: a test")


class Watch:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gateway:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.calls: dict[str, Future[Outcome]] = {}

    def begin_charge(self, request: ChargeRequest) -> Future[Outcome]:
        self.calls[request.merchant_uid] = Future()
        return self.calls[request.merchant_uid]


class Book:
    """Keeps what was recorded, and how much of it at a time."""

    def __init__(self) -> None:
        self.commits: list[Sequence[Answered]] = []
        self.changed = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.trouble: Exception | None = None

    def record(self, answers: Sequence[Answered]) -> None:
        self.gate.wait(DEADLINE)
        with self.changed:
            self.commits.append(answers)
            self.changed.notify_all()
        if self.trouble is not None:
            raise self.trouble

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: sum(map(len, self.commits)) >= count, DEADLINE)


def intents(count: int, prefix: str = "m") -> list[Intent]:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    return [
        Intent(f"{prefix}{n}", n, until, ChargeRequest(f"{prefix}{n}", "card", Money(9900, "KRW"), "plan", "nice_v2"))
        for n in range(count)
    ]


def always(_intent: Intent) -> bool:
    return True


@pytest.fixture
def parts() -> tuple[CallsUnderWay, Gateway, Book, Watch]:
    gateway, watch = Gateway(), Watch()
    return CallsUnderWay(gateway, watch), gateway, Book(), watch


def begins(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def room_for(calls: CallsUnderWay, count: int) -> threading.Event:
    """Set once there is room."""
    entered = threading.Event()

    def enter() -> None:
        with calls.room(count):
            entered.set()

    begins(enter)
    return entered


def test_answers_that_come_together_are_recorded_together_each_as_its_own(parts) -> None:
    calls, gateway, book, _ = parts
    book.gate.clear()
    calls.place(intents(60), always, book.record)
    for number, call in enumerate(gateway.calls.values()):
        call.set_result(Failed(f"answer {number}"))
    book.gate.set()
    book.wait_for(60)
    answers = [answer for commit in book.commits for answer in commit]
    assert [(a.attempt_id, a.fence, a.outcome.reason) for a in answers] == [
        (f"m{n}", n, f"answer {n}") for n in range(60)
    ]
    assert len(book.commits) <= 2
    assert calls.drain(DEADLINE) == 0


def test_no_more_than_a_bound_is_recorded_with_one_commit(parts) -> None:
    calls, gateway, book, _ = parts
    book.gate.clear()
    calls.place(intents(module.MOST_ANSWERS + 30), always, book.record)
    for call in gateway.calls.values():
        call.set_result(WRONG)
    book.gate.set()
    book.wait_for(module.MOST_ANSWERS + 30)
    assert max(map(len, book.commits)) <= module.MOST_ANSWERS


def test_a_call_that_would_end_too_late_is_not_made(parts) -> None:
    calls, gateway, book, _ = parts
    calls.place(intents(3), lambda intent: intent.fence != 1, book.record)
    assert list(gateway.calls) == ["m0", "m2"]


def test_a_call_that_ends_with_an_error_of_ours_is_unknown(parts) -> None:
    calls, gateway, book, _ = parts
    calls.place(intents(1), always, book.record)
    gateway.calls["m0"].set_exception(RuntimeError("card 4242424242424242"))
    book.wait_for(1)
    outcome = book.commits[0][0].outcome
    assert isinstance(outcome, Unknown)
    assert "4242" not in outcome.reason


def test_what_cannot_be_recorded_takes_no_place_and_stops_no_other(parts) -> None:
    calls, gateway, book, _ = parts
    book.trouble = RuntimeError("no")
    calls.place(intents(1), always, book.record)
    gateway.calls["m0"].set_result(WRONG)
    book.wait_for(1)
    book.trouble = None
    calls.place(intents(1, "n"), always, book.record)
    gateway.calls["n0"].set_result(WRONG)
    book.wait_for(2)
    assert calls.drain(DEADLINE) == 0


def test_beyond_the_bound_a_chunk_waits_until_answers_are_recorded(parts) -> None:
    calls, gateway, book, _ = parts
    book.gate.clear()
    calls.place(intents(MOST_YOUNG), always, book.record)
    entered = room_for(calls, 50)
    for call in list(gateway.calls.values())[:50]:
        call.set_result(WRONG)
    assert not entered.wait(3 * module.NEXT_LOOK), "an answer that is not recorded still has its place"
    book.gate.set()
    assert entered.wait(DEADLINE)


@pytest.mark.fm("C8")
def test_calls_that_hang_take_no_place_until_there_are_very_many(parts) -> None:
    calls, _, book, watch = parts
    hanging = 0
    while hanging + MOST_YOUNG <= MOST_CALLS:
        calls.place(intents(MOST_YOUNG, f"h{hanging}-"), always, book.record)
        hanging += MOST_YOUNG
        watch.now += HANGS_AFTER + 1
        if hanging < MOST_CALLS:
            assert room_for(calls, 50).wait(DEADLINE)
    assert not room_for(calls, 50).wait(3 * module.NEXT_LOOK)


def test_a_chunk_larger_than_the_bound_goes_when_nothing_else_does(parts) -> None:
    calls, *_ = parts
    assert room_for(calls, MOST_YOUNG + 1).wait(DEADLINE)


def test_a_slow_recorder_halves_what_may_be_under_way_and_a_fast_one_brings_it_back(parts) -> None:
    calls, gateway, book, watch = parts
    for turn in range(4):
        book.gate.clear()
        calls.place(intents(2, f"s{turn}-"), always, book.record)
        gateway.calls[f"s{turn}-0"].set_result(WRONG)
        watch.now += module.SLOW + 1
        book.gate.set()
        book.wait_for(turn + 1)
    assert calls.drain(0) == 4
    assert not room_for(calls, FEWEST_YOUNG).wait(3 * module.NEXT_LOOK)
    for turn in range(4):
        gateway.calls[f"s{turn}-1"].set_result(WRONG)
        book.wait_for(5 + turn)
    assert calls.drain(DEADLINE) == 0
    assert room_for(calls, FEWEST_YOUNG + module.MORE).wait(DEADLINE)


def test_draining_waits_for_the_last_answer_and_tells_what_is_left(parts) -> None:
    calls, gateway, book, _ = parts
    calls.place(intents(2), always, book.record)
    gateway.calls["m0"].set_result(WRONG)
    book.wait_for(1)
    assert calls.drain(0.3) == 1
    ended = begins(lambda: gateway.calls["m1"].set_result(WRONG))
    assert calls.drain(DEADLINE) == 0
    ended.join()
    assert sum(map(len, book.commits)) == 2
