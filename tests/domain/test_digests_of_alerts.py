"""Few messages tell all alerts: each change once, a new kind within a minute, and nothing without end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.alert_digest import (
    LONGEST_WAIT,
    SHORTEST_WAIT,
    WHOLE,
    AlertChange,
    AlertChannel,
    AlertPace,
    carries,
    digest,
    is_news,
)
from billing_worker.domain.alerts import AlertKind

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = (AlertKind.SURPLUS_PAYMENT, AlertKind.STOPPED, AlertKind.UNKNOWN, "of an earlier release")

changes = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=60).map(
    lambda told: [AlertChange(n, i, KINDS[i % 4], is_open, NOW) for n, (i, is_open) in enumerate(dict.fromkeys(told))]
)
"""An alert opens at most once, and closes at most once."""


@given(changes)
def test_every_alert_is_in_one_part_of_the_message(told: list[AlertChange]) -> None:
    found = digest(told)
    counted = sum(sum(part.values()) for part in (found.opened, found.closed, found.passed))
    assert counted == len({each.alert_id for each in told})
    ended = {each.alert_id for each in told if not each.is_open}
    assert len(found.whole) == min(WHOLE, sum(found.opened.values()))
    assert not set(found.whole) & ended


def test_the_most_urgent_alerts_are_told_in_full() -> None:
    kinds = [AlertKind.SURPLUS_PAYMENT] * 10 + [AlertKind.UNKNOWN, AlertKind.STOPPED]
    found = digest([AlertChange(n, n, kind, is_open=True, changed_at=NOW) for n, kind in enumerate(kinds)])
    assert found.whole[:2] == (11, 10)
    assert found.opened[AlertKind.SURPLUS_PAYMENT] == 10


def messages(*, minutes: int, news: bool = False) -> list[int]:
    """The minutes at which a channel is told that always has something to tell."""
    pace, told = AlertPace("chat"), []
    for second in range(0, minutes * 60, 5):
        now = NOW + timedelta(seconds=second)
        if pace.is_its_turn(now, news=news):
            pace.begin(now + timedelta(seconds=45))
            pace.end(now, taken=True)
            told.append(second // 60)
    return told


def test_an_alert_that_flaps_becomes_six_messages_in_the_first_hour_and_then_one_an_hour() -> None:
    assert messages(minutes=60) == [0, 1, 3, 7, 15, 31]
    day = messages(minutes=24 * 60)
    assert len(day) < 6 + 25
    assert day[-1] - day[-2] == LONGEST_WAIT / timedelta(minutes=1)


def test_news_waits_for_a_minute_at_most() -> None:
    assert messages(minutes=5, news=True) == [0, 1, 2, 3, 4]
    assert is_news(["stopped"], ["unknown"])
    assert not is_news(["unknown"], ["unknown", "stopped"])
    assert not is_news([], [])


@given(st.lists(st.integers(0, 5_000), max_size=30))
def test_a_wait_stays_within_its_limits_and_starts_again_after_a_silence(gaps: list[int]) -> None:
    pace, now = AlertPace("mail"), NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        before = pace.told_at
        if pace.is_its_turn(now, news=False):
            silent = before is None or now - before >= 2 * pace.wait
            pace.end(now, taken=True)
            assert SHORTEST_WAIT <= pace.wait <= LONGEST_WAIT
            assert pace.wait == SHORTEST_WAIT or not silent


def test_a_refusal_changes_no_wait_and_a_lease_keeps_others_away() -> None:
    pace = AlertPace("chat")
    pace.begin(NOW + timedelta(seconds=45))
    assert not pace.is_its_turn(NOW, news=True)
    pace.end(NOW, taken=False)
    assert (pace.told_at, pace.wait, pace.lease_until) == (None, SHORTEST_WAIT, None)


def test_a_channel_never_tells_that_it_tells_nothing() -> None:
    for channel in AlertChannel:
        told = [each for each in AlertChannel if carries(each, AlertKind.ALERTS_UNDELIVERED, channel)]
        assert told == [each for each in AlertChannel if each is not channel]
        assert carries(channel, AlertKind.NOTICES_UNDELIVERED, "mail")
