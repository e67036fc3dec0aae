import time
from datetime import UTC, datetime

import pytest
from sandbox_calls import eventually

from billing_worker.sandbox import Quantiles, TimeMachine
from billing_worker.sandbox.latency import Latency

START = datetime.fromisoformat("2026-01-01T00:00:00+09:00").timestamp()
DAY = 86_400


def machine(speed):
    return TimeMachine.parse(f"2026-01-01T00:00:00+09:00 x{speed} @{datetime.now(UTC).isoformat()}")


def test_payments_carry_virtual_time_and_tokens_real_time(sandbox):
    caller = sandbox(time_machine=machine(1))
    payment = caller.paid("ok-kim", "m1")
    assert START <= payment["paid_at"] <= START + 60
    assert abs(caller.token()["now"] - time.time()) < 5
    assert START <= caller.http.get("/_sandbox").json()["now"] <= START + 60


def test_days_pass_in_seconds_for_schedules_and_late_approvals(sandbox):
    caller = sandbox(time_machine=machine(DAY))
    caller.again("late-approval-days-kim", "m1")
    caller.http.post(
        "/subscribe/payments/schedule",
        json={
            "customer_uid": "ok-kim",
            "schedules": [{"merchant_uid": "s1", "schedule_at": int(START) + 5 * DAY, "amount": 1}],
        },
    )
    approved = eventually(lambda: next(iter(caller.ledger(merchant_uid="m1", status="paid")), None))
    assert 3 * DAY <= approved["paid_at"] - approved["started_at"] < 4 * DAY
    scheduled = eventually(lambda: next(iter(caller.ledger(merchant_uid="s1")), None))
    assert 5 * DAY <= scheduled["started_at"] - START < 6 * DAY


@pytest.mark.parametrize(
    "wrong",
    [
        "2026-01-01",
        "2026-01-01T00:00:00 x1 @2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z x0 @2026-01-01T00:00:00Z",
        "tomorrow x1 @now",
    ],
)
def test_a_time_machine_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        TimeMachine.parse(wrong)


def test_latencies_have_the_two_quantiles_asked_for_and_repeat_with_the_seed():
    first, second = (Latency(Quantiles.parse("180,1500"), 7) for _ in range(2))
    draws = sorted(first.draw() for _ in range(20_000))
    assert second.draw() > 0
    assert draws[10_000] == pytest.approx(0.180, rel=0.05)
    assert draws[19_800] == pytest.approx(1.5, rel=0.15)
    assert Latency(Quantiles.parse("180,1500"), 7).draw() == Latency(Quantiles.parse("180,1500"), 7).draw()


@pytest.mark.parametrize("wrong", ["", "5", "0,5", "9,5", "a,b", "1,inf", "1,2,3"])
def test_a_latency_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        Quantiles.parse(wrong)
