"""A chunk of inputs: what they are depends on the seed and the number of the chunk alone."""

import random
from dataclasses import dataclass, field

from tests.fuzz.check import seconds_for
from tests.fuzz.corpus import load
from tests.fuzz.mutate import answer

TOO_SLOW = 0.05
"""Seconds of processor time for one answer."""
AGAIN = 5
"""A slow answer is read so many times more: the fastest counts, or a busy machine would fail the run."""


@dataclass
class Result:
    """What a chunk of inputs gave."""

    inputs: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


def fuzzed(seed: int, chunk: int, inputs: int) -> Result:
    """Examine the inputs of one chunk."""
    rng = random.Random(f"{seed}/{chunk}")
    corpus, result = load(), Result(inputs)
    for number in range(inputs):
        status, raw = answer(rng, corpus)
        try:
            took = _examined(status, raw)
        except Exception as error:  # noqa: BLE001 - whatever comes out of the parser is what is looked for
            what = f"seed {seed}, chunk {chunk}, input {number}: {type(error).__name__}: {str(error)[:80]}"
            result.failures.append(f"    {what!r}: {(status, raw)!r},")
            took = 0.0
        result.slowest = max(result.slowest, took)
    return result


def _examined(status: int, raw: bytes) -> float:
    took = seconds_for(status, raw)
    if took > TOO_SLOW:
        took = min(seconds_for(status, raw) for _ in range(AGAIN))
    assert took <= TOO_SLOW, f"took {took * 1000:.0f} ms"
    return took
