"""What is fuzzed: who makes an input, and who examines it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.fuzz import check, hints, mutate, pingbacks
from tests.fuzz.corpus import Recorded, load


@dataclass(frozen=True)
class Target:
    """One parser, and everything that must hold for whatever it is given."""

    made: Callable[[random.Random], tuple[Any, ...]]
    seconds_for: Callable[..., float]


_corpus = cache(load)


def _answer(rng: random.Random) -> Recorded:
    return mutate.answer(rng, _corpus())


TARGETS = {
    "answers": Target(_answer, check.seconds_for),
    "hints": Target(hints.made, hints.seconds_for),
    "pingbacks": Target(pingbacks.made, pingbacks.seconds_for),
}
