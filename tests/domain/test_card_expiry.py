"""The month of a card: to its end in Seoul, warned of ahead only where it matters."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.card_expiry import ends_at, entered_month, expires_soon, first_look, is_past
from billing_worker.domain.errors import InvalidInput

END = datetime(2027, 3, 31, 15, tzinfo=UTC)
"""Midnight in Seoul after March 2027."""
TICK = timedelta(microseconds=1)


def test_a_card_is_good_to_the_end_of_its_month_in_seoul() -> None:
    assert ends_at("2027-03") == END
    assert ends_at("2027-12") == datetime(2027, 12, 31, 15, tzinfo=UTC)
    assert [is_past("2027-03", END - TICK), is_past("2027-03", END), is_past(None, END)] == [False, True, False]


@pytest.mark.parametrize(
    ("now", "next_charge_at", "warns"),
    [
        (END - timedelta(days=30), END, True),
        (END - timedelta(days=30) - TICK, END, False),
        (END - TICK, END + timedelta(days=300), True),
        (END, END, False),
        (END - timedelta(days=9), END - TICK, False),
        (END - timedelta(days=9), None, False),
    ],
)
def test_it_is_warned_of_for_30_days_if_the_next_charge_falls_after_it(
    now: datetime, next_charge_at: datetime | None, *, warns: bool
) -> None:
    assert expires_soon("2027-03", now, next_charge_at) is warns
    assert not expires_soon(None, now, next_charge_at)


def test_it_is_first_looked_at_30_days_ahead() -> None:
    assert first_look("2027-03") == END - timedelta(days=30)


@pytest.mark.parametrize("text", ["", "03/27", "2027-3", "2027-13", "2027-00", "1999-01", "2027-03-01", "soon"])
def test_a_month_is_a_year_and_a_month(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        entered_month(text)
    assert refused.value.field == "card_expires"


def test_blanks_around_a_month_do_not_matter() -> None:
    assert entered_month(" 2027-03 ") == "2027-03"
