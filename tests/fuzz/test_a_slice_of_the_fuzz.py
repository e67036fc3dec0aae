"""A small part of `make fuzz`, and everything that it ever found."""

import random

import pytest

from tests.fuzz.check import seconds_for
from tests.fuzz.chunk import fuzzed
from tests.fuzz.corpus import load
from tests.fuzz.mutate import answer
from tests.fuzz.regressions import REGRESSIONS

INPUTS = 3_000


@pytest.mark.fm("C18")
@pytest.mark.parametrize(("status", "raw"), REGRESSIONS.values(), ids=REGRESSIONS)
def test_what_was_found_once_is_not_found_again(status: int, raw: bytes) -> None:
    assert seconds_for(status, raw) >= 0


@pytest.mark.fm("C18")
@pytest.mark.fm("F5")
def test_garbled_answers_prove_nothing_leak_nothing_and_break_nothing() -> None:
    result = fuzzed(seed=7, chunk=0, inputs=INPUTS)
    wrong = [failure for failure in result.failures if " ms" not in failure[:200]]  # seconds are for `make fuzz`
    assert wrong == []
    assert result.inputs == INPUTS


def test_the_recorded_answers_are_of_every_kind() -> None:
    assert {status for status, _ in load()} >= {200, 307, 401, 404, 429, 500, 502, 503}
    assert len(load()) >= 80


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, other, third = (random.Random(seed) for seed in ("3/1", "3/1", "3/2"))
    corpus = load()
    inputs = [answer(one, corpus) for _ in range(200)]
    assert inputs == [answer(other, corpus) for _ in range(200)]
    assert inputs != [answer(third, corpus) for _ in range(200)]
