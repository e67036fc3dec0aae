"""Worlds in which the gateway's schedule collects: on time, once, and defects in it are found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from billing_worker.domain.billing_key import IssueUse, KeyStatus
from billing_worker.domain.schedule import Schedule, ScheduleStatus
from billing_worker.domain.schedule_wish import Wish
from billing_worker.simulation.fleet.ledger import SCHEDULE, Planned, Row
from billing_worker.simulation.fleet.schedules import Schedules
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.judge.docket import Breach
from billing_worker.simulation.run import Run

CALM = {
    "scheduled": 1.0,
    "switches_a_year": 0.0,
    "clerk_acts_a_year": 0.0,
    "policies": False,
    "recovery": False,
    "fallbacks": 0.0,
    "soft_rate": 0.0,
    "card_years": 50.0,
    "churn_years": 50.0,
    "rescued": 1.0,
    "paymentwall": 0.0,
    "naverpay": 0.0,
    "review_rate": 0.0,
    "operator_rate": 0.0,
    "refund_rate": 0.0,
    "singles_a_year": 0.0,
    "stops_a_year": 0.0,
    "pg_rate": 0,
    "spread_hours": 0,
    "catch_up": "bill_all",
    "catch_up_rate": 0,
    "notifies": False,
    "together": False,
    "scan_limit": 500,
    "deaths_a_year": 0.0,
    "long_outages": 0,
}
BUSY = {"switches_a_year": 6.0, "churn_years": 2.0, "card_years": 1.0, "soft_rate": 0.2}
"""Everything happens that revokes a schedule."""

MINUTE = timedelta(minutes=1)


def a_run(faults: dict[str, float] | None = None, *, years: int = 1, **drawn: Any) -> Run:
    """A world of subscriptions that the gateway's schedule collects, with only these faults."""
    return Run(replace(Options.drawn(7, 12, years), **CALM | drawn, faults=faults or {}))


def breach_of(run: Run) -> Breach:
    found = run.verdict().breach
    assert found is not None
    return found


def by_schedule(run: Run) -> list[Row]:
    return [row for row in run.ledger.rows.values() if row.cause == SCHEDULE]


def test_each_period_is_attempted_at_its_start_also_while_all_processes_are_down() -> None:
    run = a_run(long_outages=3)
    assert run.verdict().breach is None, run.docket.breach
    starts = _starts(run)
    found = by_schedule(run)
    assert len(found) > 80
    assert {row.started_at - starts[row.merchant_uid] < MINUTE for row in found} == {True}
    assert {row.status for row in found} == {"paid"}


def _starts(run: Run) -> dict[str, datetime]:
    return {row.merchant_uid: row.schedule_at for row in run.store.schedules.rows.values()}


def test_a_busy_world_with_every_fault_is_clean() -> None:
    faults = {"cancel.dropped_after": 0.2, "cancel.dropped_before": 0.2, "cancel.refused": 0.1, "cancel.stall": 0.1}
    faults |= {"read.trouble": 0.1, "commit.lost_after": 0.02, "commit.crash_after": 0.02, "cancel.crash_after": 0.1}
    faults |= {"webhook.never": 0.3, "webhook.doubled": 0.2, "webhook.late": 0.2, "send.lost": 0.1}
    run = a_run(faults, years=2, **BUSY)
    verdict = run.verdict()
    assert verdict.breach is None, (verdict.breach, verdict.story)
    assert {row.status for row in run.store.schedules.rows.values()} >= {
        ScheduleStatus.EXECUTED,
        ScheduleStatus.REVOKED,
    }
    dunned = {row.id for row in run.store.attempts.rows.values() if not row.scheduled}
    assert dunned
    assert len(by_schedule(run)) > 20


def test_a_world_of_paymentwall_cards_is_clean() -> None:
    """What issued a key pays a period first: until that is decided, the gateway charges none."""
    run = a_run(years=2, **BUSY | {"paymentwall": 1.0, "pingbacks": 1.0})
    assert run.verdict().breach is None, run.docket.breach
    assert by_schedule(run)


def test_a_schedule_that_is_never_revoked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker takes every revocation for done, and PortOne never hears of it."""
    revoked = Schedules._revoked

    def deaf(self: Schedules, customer_uid: str, merchant_uid: str) -> Planned | str:
        row = revoked(self, customer_uid, merchant_uid)
        if isinstance(row, Planned):
            row.status = "scheduled"
        return row

    monkeypatch.setattr(Schedules, "_revoked", deaf)
    found = breach_of(a_run(**BUSY))
    assert found.invariant in {"I1", "I26"}, found


def test_a_registration_that_is_only_written_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgotten(_: Schedules, request: Any) -> Planned:
        charge = request.charge
        money = (charge.money.amount, charge.money.currency)
        return Planned(charge.merchant_uid, charge.customer_uid, request.at, *money, charge.name)

    monkeypatch.setattr(Schedules, "_registered", forgotten)
    found = breach_of(a_run())
    assert (found.invariant, "at the gateway None" in found.text) == ("I26", True)


def test_an_order_that_is_taken_twice_pays_one_period_by_both_ways() -> None:
    """The worker charges while the schedule lives, and the gateway takes one order any number of times."""
    run = a_run()
    run.ledger.takes = lambda *_: True  # type: ignore[method-assign] # the lock of both ways is gone
    run.store.schedules.of_periods = lambda _periods: []  # type: ignore[method-assign] # none is seen at the start
    found = breach_of(run)
    assert found.invariant == "I1", found


def test_a_schedule_that_nobody_compares_is_found() -> None:
    run = a_run(**BUSY | {"churn_years": 0.2})
    _leave_asleep(run, lambda row: row.status is ScheduleStatus.REGISTERED)
    found = breach_of(run)
    assert found.invariant == "I26", found


def _leave_asleep(run: Run, asleep: Callable[[Schedule], bool]) -> None:
    """A registered schedule has no next step, whatever becomes of its subscription."""
    save = run.store.schedules.save

    def kept(schedule: Schedule) -> None:
        if asleep(schedule):
            schedule.next_step_at = None
        save(schedule)

    run.store.schedules.save = kept  # type: ignore[method-assign]


def test_a_payment_before_what_issued_its_key_is_decided_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    against = Wish.against

    def careless(self: Wish) -> str | None:
        return against(replace(self, key=replace(self.key, issue_claim=IssueUse.NONE, issue_for=None)))

    monkeypatch.setattr(Wish, "against", careless)
    run = a_run(years=2, **BUSY | {"paymentwall": 1.0, "pingbacks": 1.0})
    run.store.schedules.unscheduled = partial(_all_unscheduled, run)  # type: ignore[method-assign] # as the wish
    found = breach_of(run)
    assert (found.invariant, "issued" in found.text) == ("I1", True), found


def _all_unscheduled(run: Run, after: datetime, until: datetime, limit: int) -> list[str]:
    rows = run.store.subscriptions.rows.values()
    near = [row for row in rows if after < row.next_period_start <= until and not row.is_scheduled]
    return [row.id for row in near if run.store.keys.rows[row.billing_key_id].status is KeyStatus.ACTIVE][:limit]
