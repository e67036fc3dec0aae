"""What dunning recovered, by each side, and whether one policy recovers more than another."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.dunning.policy import days
from billing_worker.domain.dunning.recovered import DeclinedInvoice, Side, added_up, compared
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.shares import Share, difference, paired
from billing_worker.issuer_model.figures import tried
from billing_worker.issuer_model.history import explain, seen_in
from billing_worker.issuer_model.parameters import Parameters
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.dunning.split import is_first_half, split
from billing_worker.usecases.reading.recovered import answers_of_cards, compare_policies, recovered_by
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.world import World

pytestmark = pytest.mark.long


def _declined(policy: str = "a@1", *, paid: bool = True, declines: int = 1, amount: int = 100) -> DeclinedInvoice:
    more = {"is_paid": paid, "is_open": False, "days": 2.0 if paid else None}
    return DeclinedInvoice(policy, "kcp", "balance", "2026-01", declines, "KRW", amount, **more)


def _billing(world: World, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own: its log must not outlive it here."""
    command = [sys.executable, "-m", "billing_worker", *words]
    variables = os.environ | {"BILLING_DATABASE_URL": world.database_url}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100, check=False)


def test_the_report_is_what_the_ledger_says(world: World) -> None:
    plan = world.plan(9900, dunning_days=[1, 3])
    for behaviour in (
        "decline-limit-1x",
        "decline-limit-1x",
        "decline-limit-2x",
        "decline-limit",
        "decline-stolen",
        "ok",
    ):
        world.subscribe(behaviour, plan=plan)
    began = world.clock.now()
    world.run_until(began + timedelta(days=12))
    span = (began - timedelta(days=1), world.clock.now())
    (line,) = recovered_by(world.ports, Side.POLICY, *span, "UTC")
    paid = {row["merchant_uid"] for row in world.ledger() if row["status"] == "paid"}
    tried = {row["merchant_uid"] for row in world.ledger() if row["status"] == "failed"}
    assert (line.value, line.attempted, line.recovered) == ("days-1-3@1", len(tried), len(paid & tried))
    assert (line.attempted, line.recovered, line.recovered_amount) == (5, 3, 29700)
    assert line.share_low < line.share == 0.6 < line.share_high
    steps = {
        each.value: (each.attempted, each.recovered) for each in recovered_by(world.ports, Side.STEP, *span, "UTC")
    }
    assert steps == {"01": (5, 2), "02": (2, 1), "03": (1, 0)}
    sides = {each.value: each.recovered for each in recovered_by(world.ports, Side.CATEGORY, *span, "UTC")}
    assert sides == {"limit": 3, "lost_or_stolen": 0}
    assert [each.value for each in recovered_by(world.ports, Side.PG, *span, "UTC")] == ["nice_v2"]
    assert [each.value for each in recovered_by(world.ports, Side.MONTH, *span, "UTC")] == ["2026-01"]
    assert recovered_by(world.ports, Side.PG, span[1] + timedelta(days=1), span[1] + timedelta(days=2), "UTC") == []


def test_a_declined_invoice_counts_at_the_pg_that_declined_it(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=[1, 3]))
    world.settle()
    replace_key(world.ports, subscription.id, world.key(pg="kcp").id)
    world.settle()
    span = (world.clock.now() - timedelta(days=1), world.clock.now() + timedelta(days=1))
    found = [(each.value, each.recovered) for each in recovered_by(world.ports, Side.PG, *span, "UTC")]
    assert found == [("nice_v2", 1)]
    with pytest.raises(InvalidInput, match="until: is not after"):
        recovered_by(world.ports, Side.PG, span[1], span[0], "UTC")


@pytest.mark.parametrize(("still_open", "settled"), [(0, True), (5, True), (60, False)])
def test_no_difference_is_told_that_open_invoices_could_undo(*, still_open: int, settled: bool) -> None:
    better = [_declined("one@1", paid=number < 160) for number in range(200)]
    worse = [_declined("other@1", paid=number < 100) for number in range(200 - still_open)]
    worse += [replace(_declined("other@1", paid=False), is_open=True)] * still_open
    found = compared(better + worse, "one", "other")
    assert (found.difference.is_one, found.is_settled) == (True, settled)
    assert compared(worse + better, "other", "one").is_settled == settled


def test_a_difference_is_called_one_only_where_there_is_one(world: World) -> None:
    create_policy(world.ports, "one", {"steps": ["1d"]})
    create_policy(world.ports, "other", {"steps": ["3d"]})
    found = compare_policies(world.ports, "one", "other", world.clock.now() - timedelta(days=1))
    assert not found.is_difference
    assert "needs 30 declined invoices" in found.verdict
    with pytest.raises(InvalidInput, match="is the same policy"):
        compare_policies(world.ports, "one", "one", world.clock.now())
    with pytest.raises(InvalidInput, match="there is no such dunning policy"):
        compare_policies(world.ports, "one", "nothing", world.clock.now())


@pytest.mark.parametrize(
    ("paid", "of", "other_paid", "of_other", "is_one"),
    [(70, 100, 40, 100, True), (55, 100, 50, 100, False), (20, 29, 2, 29, False), (600, 1000, 540, 1000, True)],
)
def test_a_difference_needs_enough_cases(paid, of, other_paid, of_other, is_one) -> None:
    rows = [_declined("a@1", paid=number < paid) for number in range(of)]
    rows += [_declined("b@2", paid=number < other_paid) for number in range(of_other)]
    found = compared([*rows, _declined("c@1")], "a", "b")
    assert found.difference.is_one is is_one
    assert (found.one, found.other) == (Share(paid, of), Share(other_paid, of_other))
    assert found.difference.low < paid / of - other_paid / of_other < found.difference.high


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share_and_turns_with_its_sides(a: int, b: int, c: int, d: int) -> None:
    one, other = Share(min(a, b), b), Share(min(c, d), d)
    low, high = one.interval
    assert 0 <= low <= one.value + 1e-9
    assert one.value - 1e-9 <= high <= 1
    there, back = difference(one, other), difference(other, one)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert there.is_one == back.is_one


def test_known_intervals() -> None:
    """Wilson's and Newcombe's own examples (Statistics in Medicine 17, 1998): 81 of 263, and 56/70 against 48/80."""
    assert Share(81, 263).interval == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    found = difference(Share(56, 70), Share(48, 80))
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert paired([True, True, False, False], [True, False, False, False]).value == 0.25


def test_sums_of_all_sides_are_those_of_the_invoices() -> None:
    rows = [_declined(paid=number % 3 == 0, declines=number % 4, amount=number) for number in range(100)]
    for side in (Side.CATEGORY, Side.PG, Side.POLICY, Side.MONTH):
        (line,) = added_up(rows, side)
        assert (line.attempted, line.attempted_amount) == (100, sum(range(100)))
    assert sum(line.recovered for line in added_up(rows, Side.STEP)) == 34


def test_a_split_is_stable_even_and_takes_those_who_come_later(world: World) -> None:
    for name in ("one", "other"):
        create_policy(world.ports, name, {"steps": ["1d"]})
    plan = world.plan()
    first = [world.subscribe(plan=plan) for _ in range(12)]
    counts = split(world.ports, plan.id, "one", "other")
    assert sum(counts) == 12
    before = {each.id: world.subscription(each).dunning_policy for each in first}
    assert before == {each.id: "one" if is_first_half(plan.id, each.id) else "other" for each in first}
    later = world.subscribe(plan=plan)
    assert sum(split(world.ports, plan.id, "one", "other")) == 13
    assert {each.id: world.subscription(each).dunning_policy for each in first} == before
    assert world.subscription(later).dunning_policy in ("one", "other")
    halves = [is_first_half("plan_1", f"sub_{number}") for number in range(2000)]
    assert 900 < sum(halves) < 1100


def test_the_commands_print_tables_json_csv_and_pictures(world: World, tmp_path) -> None:
    plan = world.plan(9900, dunning_days=[1])
    world.subscribe("decline-limit-1x", plan=plan)
    world.run_until(world.clock.now() + timedelta(days=3))
    since = ("--since", "2026-01-01", "--until", "2026-12-31")
    (line,) = json.loads(_billing(world, "dunning", "report", *since, "--json").stdout)
    assert (line["value"], line["attempted"], line["recovered"]) == ("limit", 1, 1)
    picture = ("--plot", str(tmp_path / "shares.svg"))
    table = _billing(world, "dunning", "report", *since, "--by", "policy", "--csv", *picture).stdout
    assert table.splitlines()[1].startswith("days-1@1,KRW,1,1,0,1.0")
    assert (tmp_path / "shares.svg").read_text().startswith("<?xml")
    refused = _billing(world, "dunning", "split", plan.id, "days-1", "nothing")
    assert (refused.returncode, "there is no such policy" in refused.stderr) == (2, True)


def test_a_history_is_replayed_against_policies(world: World) -> None:
    plan = world.plan(9900, dunning_days=[1, 3, 5, 7])
    for behaviour in ("limit-1x", "limit-2x", "limit", "balance", "stolen"):
        world.subscribe(f"decline-{behaviour}", plan=plan)
    world.subscribe(plan=plan)
    world.run_until(world.clock.now() + timedelta(days=20))
    seen = seen_in(answers_of_cards(world.ports, world.clock.now() - timedelta(days=30), world.clock.now()))
    tries = sorted((len(each.answers), each.answers[-1][1] is None) for each in seen)
    assert tries == [(1, False), (2, True), (3, True), (5, False), (5, False)]
    found = explain(seen, Parameters(), seed=1)
    assert len(found.cases) + found.unexplained == 5
    assert len(found.cases) >= 4
    again = tried(found.cases, days(1, 3, 5, 7))
    paid = {each.id for each in seen if each.answers[-1][1] is None}
    assert list(again.is_recovered) == [case.ident in paid for case in found.cases]
    rows = json.loads(_billing(world, "dunning", "simulate", "--history", "--json").stdout)
    assert {row["invoices"] for row in rows} <= {4, 5}
