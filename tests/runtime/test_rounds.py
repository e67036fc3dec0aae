"""Rounds go on whatever an act raises, and the last act takes leave."""

import threading

from billing_worker.runtime.rounds import Rounds

SECONDS = 60.0


def test_an_act_that_raises_is_told_once_a_minute_and_tried_again() -> None:
    tries: list[int] = []
    told: list[Exception] = []
    enough, left = threading.Event(), threading.Event()

    def act() -> None:
        tries.append(len(tries))
        if len(tries) >= 5:
            enough.set()
        raise ConnectionError("away")

    rounds = Rounds("test", 0.001, act, told.append, left.set)
    rounds.start()
    assert enough.wait(SECONDS)
    assert not left.is_set()
    rounds.stop()
    assert left.is_set()
    assert len(told) == 1


def test_a_round_under_way_is_finished_before_the_last_act() -> None:
    order: list[str] = []
    begun, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert go_on.wait(SECONDS)
        order.append("act")

    def last() -> None:
        order.append("last")
        left.set()

    rounds = Rounds("test", SECONDS, act, lambda _: None, last)
    rounds.start()
    assert begun.wait(SECONDS)
    rounds.finish()
    go_on.set()
    assert left.wait(SECONDS)
    assert order == ["act", "last"]
