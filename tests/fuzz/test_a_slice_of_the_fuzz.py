"""A small part of `make fuzz`, and everything that it ever found."""

import random
from contextlib import suppress

import pytest

from billing_worker.domain.errors import InvalidInput, SignatureInvalid
from billing_worker.web.errors import Refused
from billing_worker.web.hints import hint_in
from tests.fuzz import pingbacks
from tests.fuzz.check import seconds_for
from tests.fuzz.chunk import fuzzed
from tests.fuzz.corpus import load
from tests.fuzz.mutate import answer
from tests.fuzz.regressions import REGRESSIONS
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.long

INPUTS = 3_000
READERS = {"hints": hint_in, "pingbacks": pingbacks.verify}


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


@pytest.mark.fm("E10")
@pytest.mark.fm("E12")
@pytest.mark.fm("E21")
@pytest.mark.parametrize("of", ["hints", "pingbacks"])
def test_nothing_that_is_sent_to_the_receiver_breaks_a_parser_or_is_taken_for_more_than_it_says(of: str) -> None:
    result = fuzzed(seed=7, chunk=0, inputs=INPUTS, of=of)
    assert [failure for failure in result.failures if " ms" not in failure[:200]] == []


@pytest.mark.parametrize(("of", "least"), [("hints", 0.2), ("pingbacks", 0.2)])
def test_the_fuzzer_of_the_receiver_also_makes_what_is_to_be_taken(of: str, least: float) -> None:
    rng, taken = random.Random(1), 0
    for _ in range(1000):
        made = TARGETS[of].made(rng)
        with suppress(Refused, InvalidInput, SignatureInvalid):
            taken += bool(READERS[of](*made))
    assert least < taken / 1000 < 0.8


def test_the_recorded_answers_are_of_every_kind() -> None:
    assert {status for status, _ in load()} >= {200, 307, 401, 404, 429, 500, 502, 503}
    assert len(load()) >= 80


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, other, third = (random.Random(seed) for seed in ("3/1", "3/1", "3/2"))
    corpus = load()
    inputs = [answer(one, corpus) for _ in range(200)]
    assert inputs == [answer(other, corpus) for _ in range(200)]
    assert inputs != [answer(third, corpus) for _ in range(200)]
