"""Clerks at the gateway's console, and its Recovery: random runs meet them, and break no promise."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.simulation.fleet.ledger import OPERATOR, RECOVERY, Planned
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.run import START, Run
from billing_worker.usecases.schedule.take_back import BROUGHT_BACK

pytestmark = pytest.mark.long

BUSY = {"clerk_acts_a_year": 6.0, "recovery": True, "scheduled": 0.8}
SEEDS = (1, 9, 23)


def test_seeds_meet_each_act_and_all_that_follows_from_it() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        run = Run(replace(Options.drawn(seed, 12, 2), **BUSY))
        try:
            assert run.verdict().breach is None
            met += run.market.clerks.done
            rows = run.ledger.rows.values()
            met["run by a clerk"] += sum(row.cause == OPERATOR and row.holds > 0 for row in rows)
            met["given back"] += sum(row.cause == OPERATOR and row.cancelled > 0 for row in rows)
            met["paid by recovery"] += sum(row.cause == RECOVERY and row.status == "paid" for row in rows)
            ours = run.store.schedules.rows.values()
            met["revoked again"] += sum(BROUGHT_BACK in (row.note or "") for row in ours)
            alerts = [row for row in run.store.alerts.table.rows.values() if row.kind == AlertKind.SCHEDULE_DIFFERS]
            met["alerts closed"] += sum(row.closed_at is not None for row in alerts)
        finally:
            run.close()
    acts = ("revoked", "moved", "revived", "recovered", "tried in vain")
    told = ("told missing", "told content", "told taken_back", "told revived", "alerts closed")
    ends = ("run by a clerk", "given back", "paid by recovery", "revoked again")
    assert {name: met[name] for name in (*acts, *told, *ends) if not met[name]} == {}


def test_some_drawn_seeds_have_clerks_and_recovery() -> None:
    drawn = [Options.drawn(seed, 20, 5) for seed in range(1, 31)]
    assert sum(each.clerk_acts_a_year > 0 for each in drawn) > 5
    assert sum(each.recovery for each in drawn) > 5


def test_a_schedule_that_is_not_revoked_again_is_seen() -> None:
    """A test of the judge: a world whose comparison acts on nothing."""
    for seed in range(40):
        run = Run(replace(Options.drawn(seed, 12, 2), **BUSY, faults={}))
        run.market.clerks.compare_last = _revive_the_last(run)  # type: ignore[method-assign] # after the last comparison
        try:
            found = run.verdict().breach
        finally:
            run.close()
        if found is not None:
            assert (found.invariant, "is scheduled at the gateway, and revoked" in found.text) == ("I26", True)
            return
    raise AssertionError("no seed has a revoked schedule at its end")


def _revive_the_last(run: Run) -> object:
    def act() -> None:
        revoked = [row for row in run.ledger.schedules.values() if row.status == "revoked"]
        if revoked:
            _alive(revoked[-1], run)

    return act


def _alive(row: Planned, run: Run) -> None:
    row.status, row.at = "scheduled", START + timedelta(days=365 * run.options.years + 30)
