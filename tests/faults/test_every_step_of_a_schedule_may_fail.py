"""Subscriptions that PortOne's schedule collects, and a fault at every step there is: each period is paid once.

The stories are those of `tests/support/schedule_stories.py`. The sandbox's ledger and its schedules are the judge.
"""

import pytest

from tests.support.faults import EVERY
from tests.support.pairs import Scenario, Tally
from tests.support.schedule_stories import SCHEDULE, STORIES, ScheduleLaboratory

pytestmark = pytest.mark.timeout(1200)
"""Seconds: some hundred scenarios are one test here."""

EACH_STORY = [f"{SCHEDULE}{name}" for name in STORIES]


def test_without_a_fault_each_story_ends_as_it_says(schedules: ScheduleLaboratory) -> None:
    tally = Tally()
    tally.add(schedules.run([Scenario(story) for story in EACH_STORY]))
    tally.assert_nothing_is_wrong()


@pytest.mark.parametrize("story", EACH_STORY)
@pytest.mark.long
def test_one_fault_at_one_step_of_a_schedule_pays_each_period_once(
    schedules: ScheduleLaboratory, note, story: str
) -> None:
    tally = Tally()
    (clean,) = schedules.run([Scenario(story)])
    singles = tally.add(schedules.run(list(clean.followed_by())[::EVERY]))
    note(len(singles), tally)
    tally.assert_nothing_is_wrong()
    assert tally.fired.total() == len(singles)
