"""When far more charges are declined than usual, and when it only looks so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.decline_share import ENOUGH, FAR, NEAR, USUAL, WEEK, WINDOWS, excesses
from billing_worker.domain.outcome_counts import OutcomeCount
from billing_worker.domain.shares import Share
from billing_worker.domain.stop import ALL
from billing_worker.domain.try_kind import TryKind

NOW = datetime(2026, 11, 29, 3, 20, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
KCP, NICE = "kcp", "nice_v2"


def answered(
    declined: int, tried: int, *, ago: int = 0, pg: str = NICE, kind: str = TryKind.FIRST
) -> list[OutcomeCount]:
    """So many declined of so many, so many hours ago."""
    hour = THIS_HOUR - timedelta(hours=ago)
    each = OutcomeCount(hour, pg, kind, "declined", declined)
    return [each, replace(each, outcome="approved", count=tried - declined)]


def a_week(percent: int, *, a_day: int = 100, pg: str = NICE, kind: str = TryKind.FIRST) -> list[OutcomeCount]:
    """A week at this share of declines, that ended a day before the windows."""
    days = range(26, 26 + 24 * 6, 24)
    return [each for ago in days for each in answered(a_day * percent // 100, a_day, ago=ago, pg=pg, kind=kind)]


def subjects(counts: Sequence[OutcomeCount], *, open_on: Sequence[str] = ()) -> list[str]:
    return [each.subject for each in excesses(counts, NOW, open_on)]


def test_the_night_that_was_seen_opens_it() -> None:
    (found,) = excesses([*a_week(10), *answered(24, 25)], NOW, ())
    assert (found.subject, found.recent, found.hours) == (NICE, Share(24, 25), 1)
    assert found.usual == pytest.approx(0.1)


@pytest.mark.parametrize("history", [[], a_week(10)])
def test_few_attempts_say_nothing(history: list[OutcomeCount]) -> None:
    assert subjects([*history, *answered(3, 3)]) == []
    assert subjects([*history, *answered(ENOUGH - 1, ENOUGH - 1)]) == []


def test_a_share_that_a_few_tries_only_suggest_opens_nothing() -> None:
    """Four of ten are thirty points above, and may be chance."""
    assert subjects([*a_week(10), *answered(4, 10)]) == []
    assert subjects([*a_week(10), *answered(40, 100)]) == [NICE]


def test_a_fresh_installation_is_compared_with_the_usual_share() -> None:
    (found,) = excesses(answered(24, 25), NOW, ())
    assert (found.before, found.usual) == (None, USUAL)
    assert subjects(answered(6, 25)) == []
    assert subjects([*answered(24, 25), *answered(1, 29, ago=30)]) == [NICE], "29 say too little, too"


def test_where_much_is_declined_as_always_there_is_no_news() -> None:
    assert subjects([*a_week(80), *answered(24, 25)]) == []


def test_a_day_of_dunning_cries_no_wolf() -> None:
    """Retries are declined far more often than first tries, and a day may have hundreds of them."""
    retries = answered(380, 400, kind=TryKind.RETRY)
    by_hand = answered(40, 40, kind=TryKind.BY_HAND)
    found = answered(0, 40, kind="found")
    assert subjects([*a_week(10), *answered(10, 100), *retries, *by_hand, *found]) == []
    assert subjects([*a_week(10), *retries]) == []
    assert subjects([*a_week(10), *answered(24, 25), *answered(0, 400, kind=TryKind.RETRY)]) == [NICE]


def test_what_was_not_placed_or_is_unclear_is_no_decline() -> None:
    failed = OutcomeCount(THIS_HOUR, NICE, TryKind.FIRST, "failed", 500)
    unknown = replace(failed, outcome="unknown")
    assert subjects([*a_week(10), failed, unknown]) == []
    assert subjects([*a_week(10), failed, unknown, *answered(24, 25)]) == [NICE]


def test_one_pg_is_named_where_the_others_do_well() -> None:
    counts = [*a_week(10), *a_week(10, pg=KCP), *answered(24, 25, pg=KCP), *answered(10, 100)]
    assert subjects(counts) == [KCP]
    inicis = "html5_inicis"
    others = [*counts, *a_week(10, pg=inicis), *answered(25, 25, pg=inicis)]
    assert subjects(others) == [inicis, KCP] or subjects(others) == [KCP, inicis]


def test_no_pg_is_named_where_all_do_badly_or_only_their_sum_says_it() -> None:
    week = [*a_week(10), *a_week(10, pg=KCP)]
    assert subjects([*week, *answered(24, 25), *answered(24, 25, pg=KCP)]) == [ALL]
    assert subjects([*week, *answered(8, 8), *answered(8, 8, pg=KCP)]) == [ALL]
    assert subjects([*week, *answered(24, 25), *answered(3, 3, pg=KCP)]) == [NICE], "three say nothing of the other"


def test_the_shortest_window_with_enough_attempts_counts() -> None:
    week = a_week(10)
    burst = answered(24, 25, ago=5)
    (found,) = excesses([*week, *burst], NOW, ())
    assert found.hours == 6
    assert subjects([*week, *burst, *answered(2, 25)], open_on=[NICE]) == [], "the last hour is well again"
    assert subjects([*week, *burst, *answered(0, 5)], open_on=[NICE]) == [NICE], "five say too little about its end"
    assert subjects([*week, *answered(24, 25, ago=max(WINDOWS) + 1)], open_on=[NICE]) == [], "a day is over"


def test_it_stays_open_until_it_is_near_the_usual_share() -> None:
    week = a_week(10)
    between = answered(30, 100)
    assert FAR >= NEAR
    assert subjects([*week, *between]) == []
    assert subjects([*week, *between], open_on=[NICE]) == [NICE]
    assert subjects([*week, *answered(18, 100)], open_on=[NICE]) == []


@given(st.lists(st.booleans(), min_size=20, max_size=60))
def test_an_alert_about_all_does_not_come_and_go_with_each_try_at_one_pg(declines: list[bool]) -> None:
    """One PG declines everything; at the other, tries come one by one, and its share passes the limit many times."""
    base = [*a_week(10), *a_week(10, pg=KCP), *answered(60, 60)]
    heard: list[list[str]] = [[NICE]]
    for tried in range(1, len(declines) + 1):
        declined = sum(declines[:tried])
        now = subjects([*base, *answered(declined, tried, pg=KCP)], open_on=heard[-1])
        if now != heard[-1]:
            heard.append(now)
            if now == [NICE]:
                assert declined / tried - 0.1 <= NEAR + 1e-9, "it left the one about all only when the other did well"


def test_an_alert_about_all_stays_while_the_other_pg_is_not_near_its_usual_share() -> None:
    base = [*a_week(10), *a_week(10, pg=KCP), *answered(60, 60)]
    assert subjects([*base, *answered(5, 15, pg=KCP)]) == [NICE]
    assert subjects([*base, *answered(5, 15, pg=KCP)], open_on=[ALL]) == [ALL]
    assert subjects([*base, *answered(2, 15, pg=KCP)], open_on=[ALL]) == [NICE]


COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)
HISTORY = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(sorted)


@given(now=COUNTS, before=HISTORY, is_open=st.booleans())
def test_in_any_case_it_opens_only_far_above_and_more_declines_never_close_it(
    *, now: list[int], before: list[int], is_open: bool
) -> None:
    (declined, tried), (week_declined, week) = now, before
    history = answered(week_declined, week, ago=30)
    open_on = [NICE] if is_open else []
    found = subjects([*history, *answered(declined, tried)], open_on=open_on)
    if found:
        assert tried >= ENOUGH
        usual = week_declined / week if week >= 30 else USUAL
        assert declined / tried - usual > (NEAR if is_open else FAR)
        assert subjects([*history, *answered(min(tried, declined + 1), tried)], open_on=open_on) == [NICE]
        assert subjects([*history, *answered(declined, tried)], open_on=[NICE]) == [NICE], "open is the weaker word"


@given(st.lists(st.tuples(st.integers(0, 200), COUNTS, st.sampled_from([KCP, NICE])), max_size=8), st.randoms())
def test_neither_the_order_of_counts_nor_what_is_older_than_a_week_matters(
    parts: list[tuple[int, list[int], str]], random: object
) -> None:
    counts = [each for ago, (declined, tried), pg in parts for each in answered(declined, tried, ago=ago, pg=pg)]
    shuffled = list(counts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    old = answered(0, 1_000, ago=max(WINDOWS) + WEEK // timedelta(hours=1) + 1, pg=KCP)
    assert subjects(shuffled) == subjects(counts) == subjects([*counts, *old])
