"""Every policy that can be made ends, keeps to its hours, and stays below the card networks' caps."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.caps import CAPS, free_from, remember
from billing_worker.domain.dunning.days import is_business_day, payday_from
from billing_worker.domain.dunning.definition import EXAMPLE, STEPPED, read_policy, written_policy
from billing_worker.domain.dunning.planner import TryFacts, next_try, used_up_at
from billing_worker.domain.dunning.policy import DEFAULT, days
from billing_worker.domain.dunning.steps import read_step
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import SEOUL, Quiet

DECLINED = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""12:00 in Seoul, on a Monday that is a substitute holiday."""

STEPS = st.sampled_from(
    [
        *("1h", "6h", "12h", "1d", "2d", "3d", "7d"),
        *("1d daily 03:10", "1d weekdays 10:00", "2h paydays 10:00", "1d paydays 23:50", "2d business-days 11:30"),
        *("1d cron 0 */6 * * *", "1d cron 0 10 1,16 * *", "3d cron 5 9 L * *"),
    ]
)
LISTS = st.lists(STEPS, max_size=8)
QUIET = st.sampled_from([None, "21:00-08:00", "00:00-06:00", "12:00-13:30", "23:00-01:00"])
DEFINITIONS = st.fixed_dictionaries(
    {
        "steps": LISTS,
        "by_category": st.dictionaries(st.sampled_from([each.value for each in STEPPED]), LISTS, max_size=3),
        "failures": st.lists(st.sampled_from(["10m", "30m", "1h", "3h", "12h"]), max_size=6),
        "quiet": QUIET,
        "business_days": st.booleans(),
        "paid_hour": st.booleans(),
        "jitter": st.sampled_from([None, "30m", "2h"]),
        "final": st.sampled_from(["unpaid", "cancel", "keep_past_due"]),
        "win_back": st.sampled_from([None, "30d", "10d paydays 10:00"]),
    }
)
MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: DECLINED + timedelta(minutes=minutes))
PG_HOURS = st.sampled_from(
    [(), (Quiet(time(23, 30), time(0, 30)),), (Quiet(time(3), time(5)), Quiet(time(9), time(11)))]
)


@settings(max_examples=400, deadline=None)
@given(DEFINITIONS, MOMENTS, PG_HOURS, st.lists(st.sampled_from(STEPPED), min_size=20, max_size=20), st.data())
def test_any_policy_ends_within_its_hours_and_below_the_caps(definition, declined_at, closed, categories, data):
    try:
        policy = read_policy(definition)
    except InvalidInput:
        return
    assert read_policy(written_policy(policy)) == policy
    paid_hour = data.draw(st.sampled_from([None, time(0), time(10), time(22)]))
    declines, at = (declined_at,), declined_at
    for number, category in enumerate(categories, start=1):
        facts = TryFacts("inv_1", declines, paid_hour, closed)
        end = used_up_at(policy, number, category, at, facts)
        following = next_try(policy, number, category, at, facts)
        if following is None:
            assert end == at
            break
        assert at < following <= end
        for quiet in (policy.hours.quiet, *closed):
            assert quiet is None or quiet.ends(following) is None
        if policy.hours.business_days:
            assert is_business_day(following.astimezone(SEOUL).date())
        at, declines = following, (*declines, following)
    else:
        raise AssertionError("the policy never ends")
    for cap in CAPS:
        for first in declines:
            assert sum(first <= other < first + cap.window for other in declines) <= cap.tries


@pytest.mark.parametrize(
    ("step", "declined", "expected"),
    [
        ("3d", "2026-03-02 12:00", "2026-03-05 12:00"),
        ("1d weekdays 10:00", "2026-03-05 12:00", "2026-03-09 10:00"),
        ("1d paydays 10:00", "2026-03-02 12:00", "2026-03-10 10:00"),
        ("1d paydays 10:00", "2026-03-11 10:01", "2026-03-13 10:00"),  # the 15th is a Sunday
        ("1d paydays 10:00", "2026-03-12 10:01", "2026-03-20 10:00"),  # past the 13th; the 21st is a Saturday
        ("1d paydays 10:00", "2026-09-21 09:00", "2026-09-23 10:00"),  # Chuseok from the 24th
        ("1d business-days 11:30", "2026-09-23 09:00", "2026-09-28 11:30"),
        ("1d cron 0 10 L * *", "2026-02-02 12:00", "2026-02-28 10:00"),
        ("12h daily 00:05", "2026-03-02 12:06", "2026-03-04 00:05"),
    ],
)
def test_a_step_comes_when_it_says(step, declined, expected):
    declined_at = datetime.fromisoformat(declined).replace(tzinfo=SEOUL)
    assert read_step("steps", step).time_after(declined_at) == datetime.fromisoformat(expected).replace(tzinfo=SEOUL)
    assert str(read_step("steps", step)) == step


def test_every_day_has_a_payday_soon_after_it():
    day = date(2026, 1, 1)
    for _ in range(1500):
        found = payday_from(day)
        assert day <= found <= day + timedelta(days=16)
        assert is_business_day(found)
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"steps": None}, "steps", "is a list of texts"),
        ({"steps": ["3 days"]}, "steps", "is no wait"),
        ({"steps": ["3d", "5w"]}, "steps", "is no wait"),
        ({"steps": ["10m"]}, "steps", "a wait is 1h to 60d"),
        ({"steps": ["1d sundays 10:00"]}, "steps", "is no window"),
        ({"steps": ["1d weekdays"]}, "steps", "a time of day such as 10:00 follows"),
        ({"steps": ["1d cron 0 10 30 2 *"]}, "steps", "never comes"),
        ({"steps": ["1d cron 0 10 1 1 *"]}, "steps", "leaves more than 35 days"),
        ({"steps": ["1d cron * 10 * * *"]}, "steps", "once an hour at most"),
        ({"steps": ["1d cron 0 10 * *"]}, "steps", "five fields"),
        ({"steps": ["1d cron R(0-59) 10 * * *"]}, "steps", "random times"),
        ({"steps": ["1d cron 0 10 1 */2 *"]}, "steps", "leaves more than 35 days"),
        ({"steps": ["1d cron 0 10 1-5 1-10 *"]}, "steps", "leaves more than 35 days"),
        ({"steps": ["1d cron 0 25 * * *"]}, "steps", "is not a cron expression"),
        ({"steps": ["1d"] * 16}, "steps", "at most 15 tries"),
        ({"steps": ["1h"] * 8, "failures": ["10m"] * 3}, "steps", "12 times in 1d (9 by steps, 3 after failures)"),
        ({"steps": ["1d"] * 15, "failures": ["10m"] * 5}, "steps", "21 times in 30d (16 by steps, 5 after failures)"),
        ({"steps": ["60d"] * 4}, "steps", "may last 240 days"),
        ({"steps": ["1d weekdays 23:00"]}, "steps", "within the quiet hours 21:00-08:00"),
        ({"steps": ["1d cron 0 */3 * * *"]}, "steps", "comes at 00:00, within the quiet hours"),
        ({"win_back": "30d daily 07:59"}, "win_back", "within the quiet hours"),
        ({"final": "cancel"}, "win_back", "a canceled subscription is not charged"),
        ({"final": "void"}, "final", "is one of unpaid, cancel, keep_past_due"),
        ({"quiet": "21-8"}, "quiet", "are hours such as 21:00-08:00"),
        ({"quiet": "08:00-08:00"}, "quiet", "begins and ends at one time"),
        ({"jitter": "4h"}, "jitter", "a wait is 0m to 3h"),
        ({"jitter": "99999d"}, "jitter", "a wait is 0m to 3h"),
        ({"business_days": "yes"}, "business_days", "is true or false"),
        ({"by_category": {"expired": ["1d"]}}, "by_category", "has no steps of its own"),
        ({"by_category": ["1d"]}, "by_category", "is an object"),
        ({"retries": 3}, "retries", "is no field of a policy"),
        ({"failures": ["3d"]}, "failures", "a wait is 5m to 2d"),
        ({"steps": [], "failures": ["2d"] * 8}, "failures", "may last 16d; waits after failures end within 14 days"),
        ({"steps": ["1d"] * 1000}, "steps", "has too many; at most 15 tries"),
        ({"failures": ["2d"] * 1000}, "failures", "has too many"),
        ({"steps": [f"1d cron {'0,' * 1000}0 10 * * *"]}, "steps", "has at most 100 characters"),
        ({"steps": ["٣d"]}, "steps", "is no wait"),
    ],
)
def test_a_policy_that_could_do_harm_is_refused_by_name(change, field, words):
    with pytest.raises(InvalidInput) as refused:
        read_policy({**EXAMPLE, **change})
    assert refused.value.field == field
    assert words in str(refused.value)


def test_the_default_does_no_harm():
    DEFAULT.refuse_harm()


def test_the_example_is_a_policy_and_says_each_field():
    policy = read_policy(EXAMPLE)
    assert written_policy(policy) == dict(EXAMPLE)
    assert read_policy({"steps": []}).retries is False


def test_whole_days_count_from_the_decline_before():
    policy, at, seen = days(1, 3, 5, 7), DECLINED, []
    for number in range(1, 6):
        following = next_try(policy, number, Category.BALANCE, at, TryFacts("inv_1"))
        if following is None:
            break
        seen.append((following - DECLINED).days)
        at = following
    assert seen == [1, 4, 9, 16]


def test_a_card_is_free_again_when_its_oldest_decline_leaves_the_window():
    declines = ()
    for hour in range(10):
        declines = remember(declines, DECLINED + timedelta(hours=hour))
    at = DECLINED + timedelta(hours=10)
    assert free_from(declines, at) == DECLINED + timedelta(hours=24)
    assert free_from(declines[1:], at) == at
    spread = tuple(DECLINED + timedelta(days=day) for day in range(20))
    assert free_from(spread, DECLINED + timedelta(days=20)) == DECLINED + timedelta(days=30)


def test_tries_of_different_invoices_are_spread_and_those_of_one_are_not():
    policy = read_policy({"steps": ["1d"], "jitter": "2h"})
    times = {next_try(policy, 1, Category.BALANCE, DECLINED, TryFacts(f"inv_{number}")) for number in range(200)}
    offsets = sorted(at - DECLINED - timedelta(days=1) for at in times if at)
    assert len(offsets) > 190
    assert timedelta(0) <= offsets[0] < timedelta(minutes=10)
    assert timedelta(minutes=110) < offsets[-1] < timedelta(hours=2)
    again = next_try(policy, 1, Category.BALANCE, DECLINED, TryFacts("inv_7"))
    assert again in times


@pytest.mark.parametrize("step", ["1d paydays 10:00", "1d business-days 10:00", "1d daily 10:00", "1d weekdays 10:00"])
def test_no_window_stays_closed_for_longer_than_it_says(step):
    window = read_step("steps", step).window
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    while moment < datetime(2031, 1, 1, tzinfo=UTC):
        following = window.next_from(moment + timedelta(minutes=1))
        assert following - moment <= window.longest
        moment = following
