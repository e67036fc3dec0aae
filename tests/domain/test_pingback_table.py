"""What the pingbacks about one payment add up to: every step of the table, and every order of arrival."""

from datetime import UTC, datetime
from itertools import permutations, product

import pytest

from billing_worker.domain.pingback import (
    BLOCKING,
    TABLE,
    Effect,
    PingbackPayment,
    Signal,
    Verdict,
    kills_active,
    mark_of,
    signal_of,
)

REFUSALS = {Signal.DECLINED, Signal.VOIDED, Signal.REVERSED}


def payment() -> PingbackPayment:
    return PingbackPayment(1, "b1", "u1", "gold", Verdict.UNDECIDED, datetime(2026, 1, 1, tzinfo=UTC))


def take_all(signals: tuple[Signal, ...]) -> tuple[PingbackPayment, list[Effect | None]]:
    one, effects = payment(), []
    for signal in signals:
        effects.append(one.take(signal, signal))
        one.note(signal, done=True)
    return one, effects


def test_every_step_is_in_the_table_and_keeps_its_promises() -> None:
    assert set(TABLE) == set(product(Verdict, Signal))
    for (before, signal), (after, effect) in TABLE.items():
        if signal in REFUSALS:
            assert effect is Effect.CANCEL
            assert after in BLOCKING - {Verdict.HELD}
        elif before in BLOCKING - {Verdict.HELD}:
            assert after is before, "nothing brings back what was refused"
            assert effect not in (Effect.CONFIRM, Effect.HOLD)
        if effect is Effect.CONFIRM:
            assert after is Verdict.DELIVERED
        if signal is Signal.UNDER_REVIEW:
            assert after is (Verdict.HELD if before is Verdict.UNDECIDED else before), "a hold overrides no decision"
        if before is Verdict.REVERSED:
            assert after is Verdict.REVERSED


@pytest.mark.parametrize("length", [2, 3])
def test_the_order_of_arrival_does_not_matter_to_what_a_payment_is_held_to_be(length: int) -> None:
    for signals in product(Signal, repeat=length):
        if len(set(signals)) < length or {Signal.DECLINED, Signal.VOIDED} <= set(signals):
            continue
        verdicts = {take_all(order)[0].verdict for order in permutations(signals)}
        assert len(verdicts) == 1, signals


def test_accepted_after_declined_is_a_contradiction_and_a_late_payment_after_a_refund_is_not() -> None:
    assert take_all((Signal.DECLINED, Signal.ACCEPTED))[1] == [Effect.CANCEL, Effect.CONTRADICTION]
    assert take_all((Signal.REVERSED, Signal.PAID))[1] == [Effect.CANCEL, Effect.NOTHING]


@pytest.mark.fm("E22")
def test_a_repeated_pingback_has_no_effect_in_any_state() -> None:
    for signals in product(Signal, repeat=2):
        one, _ = take_all(signals)
        before = one.verdict
        assert [one.take(signal, signal) for signal in signals] == [None, None]
        assert one.verdict is before


def test_an_effect_that_waits_is_asked_for_again_unless_it_is_outdated() -> None:
    one = payment()
    assert one.take("0", Signal.PAID) is Effect.CONFIRM
    one.note("0", done=False)
    assert one.take("0", Signal.PAID) is Effect.CONFIRM
    one.take("202", Signal.DECLINED)
    one.note("202", done=True)
    assert one.take("0", Signal.PAID) is Effect.NOTHING
    one.note("0", done=True)
    assert one.take("0", Signal.PAID) is None


@pytest.mark.parametrize(
    ("kind", "reason", "signal"),
    [
        (0, None, "paid"), (1, None, "paid"), (2, None, "reversed"), (2, "9", "reversed"), (2, "10", "partly_reversed"),
        (12, None, "subscription"), (13, None, "subscription"), (14, None, "subscription"),
        (200, None, "under_review"), (201, None, "accepted"), (202, None, "declined"), (203, None, "voided"),
        (220, None, "partly_reversed"), (3, None, "unknown"), (100, None, "unknown"), (9999, None, "unknown"),
    ],
)  # fmt: skip
def test_what_a_type_says(kind: int, reason: str | None, signal: str) -> None:
    assert signal_of(kind, reason) == signal


@pytest.mark.parametrize(
    ("more", "mark"),
    [
        ({"type": "0", "reason": "9"}, "0"),
        ({"type": "2"}, "2"),
        ({"type": "2", "reason": "1"}, "2|1"),
        ({"type": "2", "reason": "10", "refund_amount": "5"}, "2|10|5"),
        ({"type": "220", "refund_amount": "5"}, "220|5"),
        ({"type": "220", "refund_amount": "5", "merchant_refund_id": "r1"}, "220|r1"),
        ({"type": "220"}, "220|"),
    ],
)
def test_what_tells_pingbacks_about_one_payment_apart(more: dict[str, str], mark: str) -> None:
    assert mark_of(more) == mark


def test_which_news_put_an_active_key_out_of_use() -> None:
    killed = {
        (signal, reason, confirmed)
        for signal, reason, confirmed in product(Signal, (None, "1", "2", "3", "4", "9"), (True, False))
        if kills_active(signal, reason, confirmed_key=confirmed)
    }
    reasons = {(Signal.REVERSED, reason, confirmed) for reason in "123" for confirmed in (True, False)}
    refused = set(product((Signal.DECLINED, Signal.VOIDED), (None, *"12349"), (True,)))
    assert killed == reasons | refused
