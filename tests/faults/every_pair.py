"""Every single fault and every ordered pair of faults, at every step of one subscription's three periods.

`make pairs` runs this; pytest alone does not find it, since it takes minutes. `--scenario` runs one scenario and shows
its steps. Faults are those of `tests/support/faults.py`, steps those that a run with the first fault really has: the
tree of runs is walked, not guessed. For a card that is approved (`ok`) every pair is run. For the three other
behaviours, which differ from it in one charge or one webhook, every single fault is run, and of the pairs each 31st:
all of them would take three times as long as everything else here. A single payment has a third of the steps: every
pair is run. The stories of schedules (`tests/support/schedule_stories.py`) move the clock of a sandbox of their own: of
their pairs each 211th is run.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.support.lockstep import SINGLE
from tests.support.pairs import BEHAVIOURS, Laboratory, Scenario, Tally
from tests.support.schedule_stories import SCHEDULE, STORIES, ScheduleLaboratory

OTHER_STRIDE = 31
SCHEDULE_STRIDE = 211
EVERY = int(os.environ.get("PAIRS", "1"))
"""Run each so many-th share: all of them take too long for every commit (`make nightly` runs all)."""


class Share(NamedTuple):
    """The first faults of one behaviour that one batch runs, with all that can follow them."""

    behaviour: str
    number: int
    of: int
    stride: int
    """Every pair, or each so many-th."""

    def __str__(self) -> str:
        return f"{self.behaviour} {self.number}/{self.of}"


SHARES = [
    *(Share("ok", number, 24, 1) for number in range(1, 25)),
    *(Share(other, number, 4, OTHER_STRIDE) for other in BEHAVIOURS[1:] for number in range(1, 5)),
    *(Share(f"{SINGLE}{card}", number, 4, 1) for card in ("ok", "drop-after-charge-1x") for number in range(1, 5)),
    *(Share(f"{SCHEDULE}{story}", number, 2, SCHEDULE_STRIDE) for story in STORIES for number in (1, 2)),
]
"""Each of about two hundred scenarios, for the workers of the run to share. A period has 25 single faults: a divisor of
that would give one share the same fault of each period, and some faults are followed by many more steps than others."""

pytestmark = pytest.mark.timeout(600)
"""Seconds a batch: many times what it takes alone on two cores."""


@pytest.fixture
def rooms(laboratory: Laboratory, schedules: ScheduleLaboratory) -> Callable[[str], Laboratory]:
    """Where a behaviour is run."""
    return lambda behaviour: schedules if behaviour.startswith(SCHEDULE) else laboratory


@pytest.mark.parametrize("share", SHARES[::EVERY], ids=str)
def test_every_pair_of_faults_leaves_each_period_charged_once(
    rooms: Callable[[str], Laboratory], pytestconfig: pytest.Config, note, share: Share
) -> None:
    if pytestconfig.getoption("--scenario"):
        pytest.skip("one scenario was asked for")
    tally, laboratory = Tally(), rooms(share.behaviour)
    (clean,) = laboratory.run([Scenario(share.behaviour)])
    singles = tally.add(laboratory.run(list(clean.followed_by())[share.number - 1 :: share.of]))
    pairs = [pair for single in singles for pair in single.followed_by()][:: share.stride]
    tally.add(laboratory.run(pairs))
    note(len(singles), tally)
    tally.assert_nothing_is_wrong()
    # Where nothing is wrong each planned fault was met; and that is what was counted.
    assert tally.fired.total() == len(singles) + 2 * len(pairs)


def test_the_scenario_that_was_asked_for(rooms: Callable[[str], Laboratory], pytestconfig: pytest.Config) -> None:
    asked = pytestconfig.getoption("--scenario")
    if not asked:
        pytest.skip('no --scenario "ok 3:crash_before 7:held_after" was given')
    (verdict,) = rooms(asked).run([Scenario.read(asked)])
    print(verdict.story)  # noqa: T201 - what the person who asks wants to see
    assert not verdict.problems, verdict.story
