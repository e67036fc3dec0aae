"""A seed is a story: the same acts at the same times, with enough kills."""

from itertools import pairwise

import pytest

from tests.chaos.plan import LINKS, SERVERS, VICTIMS, Act, draw
from tests.chaos.proxy import Fault


def test_the_same_seed_draws_the_same_acts_and_another_one_others() -> None:
    assert draw(7, 480, 100) == draw(7, 480, 100)
    assert draw(7, 480, 100) != draw(8, 480, 100)


@pytest.mark.parametrize(("seconds", "kills"), [(480, 100), (4500, 1000), (20, 3)])
def test_a_plan_fits_its_time_and_has_more_kills_than_were_asked_for(seconds: float, kills: int) -> None:
    steps = draw(1, seconds, kills)
    assert all(0 < before.at <= after.at < seconds for before, after in pairwise(steps))
    assert sum(step.act is Act.KILL for step in steps) > kills


def test_over_a_long_run_everybody_is_killed_and_every_fault_is_met_within_its_bounds() -> None:
    steps = draw(3, 4500, 1000)
    assert {step.target for step in steps if step.act is Act.KILL} == set(VICTIMS)
    assert {step.act for step in steps} == set(Act)
    assert {step.fault for step in steps if step.fault} == set(Fault)
    for step in steps:
        if step.act is Act.FAULT:
            assert step.fault in LINKS[step.target]
            assert 1 <= step.seconds <= 15
        elif step.act is Act.STOP:
            assert 1 <= step.seconds <= 20
        elif step.act is Act.TERM:
            assert step.target not in SERVERS
