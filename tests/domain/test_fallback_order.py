"""Which of a subscription's cards is charged: a pure rule over their states, their months, and what was tried."""

from datetime import UTC, datetime

import pytest

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card import CardFacts
from billing_worker.domain.fallback import Cards, Fallback, FallbackKey, same_card

NOW = datetime(2026, 3, 15, tzinfo=UTC)
GOOD, PAST = "2026-12", "2026-02"
ACTIVE, INVALID, PENDING, DELETED = KeyStatus.ACTIVE, KeyStatus.INVALID, KeyStatus.PENDING, KeyStatus.DELETED


def a_key(name: str, status: KeyStatus = ACTIVE, month: str | None = None) -> BillingKey:
    return BillingKey(name, f"uid-{name}", "nice_v2", status, None, None, None, NOW, card_expires=month)


def cards(main: BillingKey, *others: BillingKey) -> Cards:
    def agreed(place: int, key: BillingKey) -> Fallback:
        return Fallback(FallbackKey(f"fbk_{place}", "sub", key.id, place, NOW, "clause 4", "cli:kim", NOW), key)

    return Cards(main, [agreed(place, key) for place, key in enumerate(others, 1)])


def next_id(which: Cards, *tried: str) -> str | None:
    found = which.next_key(tried, NOW)
    return found.id if found is not None else None


def test_they_come_in_their_order_and_the_main_card_last() -> None:
    all_good = cards(a_key("m"), a_key("a"), a_key("b"))
    order = [next_id(all_good, *tried) for tried in ((), ("a",), ("a", "b"), ("a", "b", "m"))]
    assert order == ["a", "b", "m", None]


@pytest.mark.parametrize("status", [INVALID, PENDING, DELETED])
def test_only_an_active_one_is_chosen(status: KeyStatus) -> None:
    assert next_id(cards(a_key("m", INVALID), a_key("a", status))) is None
    assert next_id(cards(a_key("m", INVALID), a_key("a", status), a_key("b"))) == "b"


def test_one_past_its_month_comes_last_and_still_comes() -> None:
    which = cards(a_key("m", INVALID), a_key("a", month=PAST), a_key("b", month=GOOD))
    assert [next_id(which), next_id(which, "b"), next_id(which, "a", "b")] == ["b", "a", None]


@pytest.mark.parametrize(
    ("present", "other", "chosen"),
    [
        (a_key("m"), a_key("a"), "m"),
        (a_key("m", month=GOOD), a_key("a"), "m"),
        (a_key("m", month=PAST), a_key("a"), "a"),
        (a_key("m", month=PAST), a_key("a", month=PAST), "m"),
        (a_key("m", INVALID), a_key("a", month=PAST), "a"),
        (a_key("m", INVALID), a_key("a", INVALID), "m"),
        (a_key("m", DELETED), a_key("a"), "a"),
        (a_key("m", PENDING), a_key("a"), "m"),
    ],
)
def test_before_a_charge_a_dead_one_or_one_past_its_month_gives_way(
    present: BillingKey, other: BillingKey, chosen: str
) -> None:
    assert cards(present, other).first_choice(present, (), NOW).id == chosen
    assert cards(present, other).first_choice(present, ("a",), NOW).id == "m"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (CardFacts("A", "366", "9512"), CardFacts("B", "366", "9512"), True),
        (CardFacts("A", "366", "9512"), CardFacts("A", "381", "9512"), False),
        (CardFacts("A", "366", "9512"), CardFacts("A", "366", "9513"), False),
        (CardFacts("A", "366", "512"), CardFacts("A", "366", "512"), False),
        (CardFacts("A", None, "9512"), CardFacts("A", None, "9512"), False),
        (CardFacts("A", "366", None), CardFacts("A", "366", None), False),
    ],
)
def test_a_card_is_the_same_by_its_company_and_four_digits(one: CardFacts, other: CardFacts, *, same: bool) -> None:
    assert same_card(one, other) is same
