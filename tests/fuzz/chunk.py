"""A chunk of inputs: what they are depends on the seed and the number of the chunk alone."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.targets import TARGETS, Target

TOO_SLOW = 0.05
"""Seconds of processor time for one input."""
AGAIN = 5
"""A slow input is read so many times more: the fastest counts, or a busy machine would fail the run."""


@dataclass
class Result:
    """What a chunk of inputs gave."""

    inputs: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


def fuzzed(seed: int, chunk: int, inputs: int, of: str = "answers") -> Result:
    """Examine the inputs of one chunk."""
    rng, target, result = random.Random(f"{seed}/{chunk}"), TARGETS[of], Result(inputs)
    for number in range(inputs):
        made = target.made(rng)
        try:
            took = _examined(target, made)
        except Exception as error:  # noqa: BLE001 - whatever comes out of the parser is what is looked for
            what = f"seed {seed}, chunk {chunk}, input {number}: {type(error).__name__}: {str(error)[:80]}"
            result.failures.append(f"    {what!r}: {made!r},")
            took = 0.0
        result.slowest = max(result.slowest, took)
    return result


def _examined(target: Target, made: tuple[Any, ...]) -> float:
    took = target.seconds_for(*made)
    if took > TOO_SLOW:
        took = min(target.seconds_for(*made) for _ in range(AGAIN))
    assert took <= TOO_SLOW, f"took {took * 1000:.0f} ms"
    return took
