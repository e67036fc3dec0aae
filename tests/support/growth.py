"""How much more work a longer text makes: a ratio within one run, which no slow machine changes."""

import time
from collections.abc import Callable
from typing import AnyStr

RUNS = 5
LINEAR = 10.0
"""Four times the text is four times the work if work grows with the length, sixteen if it grows with the square."""


def work_of_four_times(work: Callable[[AnyStr], object], text: AnyStr) -> float:
    """CPU seconds for four times the text, divided by CPU seconds for the text; each the least of several runs."""
    return _least(work, text * 4) / _least(work, text)


def _least(work: Callable[[AnyStr], object], text: AnyStr) -> float:
    took = []
    for _ in range(RUNS):
        began = time.process_time()
        work(text)
        took.append(time.process_time() - began)
    return min(took)
