"""Three periods or a single payment, and a fault at every step there is: each of them is charged exactly once.

A step is a commit, a call to the gateway, or the handing out of what a scan claimed. The sandbox's ledger is the judge.
Here are all single faults and a few pairs; `make pairs` runs every pair (`every_pair.py`).
"""

from contextlib import closing
from dataclasses import replace

import pytest

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.ports.outside import Gateway, Listing
from tests.support.deliveries import Delivery
from tests.support.faults import Fault, FaultyDatabase, Script
from tests.support.gateways import Around
from tests.support.lockstep import TIMING
from tests.support.pairs import Change, Laboratory, Scenario, Tally, kinds
from tests.support.sessions import Operator
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
"""Seconds: some hundred scenarios are one test here."""

STEPS = {"ok": 12, "drop-after-charge-1x": 16, "decline-limit-1x": 16, "single-ok": 4, "single-decline-limit-1x": 8}
"""Steps of a run without faults, by what the first charge does: a change here is a change of the core's commits."""
THREE_PERIODS = [behaviour for behaviour in STEPS if not behaviour.startswith("single-")]
"""Long enough for a storm: a single payment is over before the second of its seventh steps."""
BROKEN = STEPS | {"drop-after-charge-1x": 10, "decline-limit-1x": 11}
"""Steps that are broken here: all, and of the runs that differ in their first period only, that one and the next."""
READS = "drop-after-charge-1x"
"""Only where something is unclear the gateway is read: with this card in every run."""
SAMPLE = 601
"""Of the pairs, each so many-th: a prime, so that all kinds of faults have their turn."""


@pytest.mark.fm("A3")
@pytest.mark.fm("C1")
@pytest.mark.fm("C2")
@pytest.mark.fm("C6")
@pytest.mark.fm("C7")
@pytest.mark.fm("C8")
@pytest.mark.fm("C13")
@pytest.mark.fm("C17")
@pytest.mark.fm("D1")
@pytest.mark.fm("D2")
@pytest.mark.fm("D3")
@pytest.mark.fm("G1")
@pytest.mark.parametrize("behaviour", STEPS)
def test_one_fault_at_one_step_leaves_each_period_charged_once(laboratory: Laboratory, note, behaviour: str) -> None:
    tally = Tally()
    (clean,) = laboratory.run([Scenario(behaviour)])
    assert len(clean.script.steps) == STEPS[behaviour], clean.story
    planned = [single for single in clean.followed_by() if single.faults[0][0] <= BROKEN[behaviour]]
    singles = tally.add(laboratory.run(planned))
    pairs = [pair for single in singles for pair in single.followed_by()][::SAMPLE]
    tally.add(laboratory.run(pairs))
    note(len(singles), tally)
    tally.assert_nothing_is_wrong()
    assert tally.fired.total() == len(singles) + 2 * len(pairs)
    if behaviour == READS:
        assert set(tally.fired) == kinds()


@pytest.mark.fm("B2")
@pytest.mark.fm("B3")
@pytest.mark.parametrize("behaviour", THREE_PERIODS)
def test_with_every_message_delivered_twice_and_every_seventh_step_broken_it_is_the_same(
    laboratory: Laboratory, behaviour: str
) -> None:
    tally = Tally()
    tally.add(laboratory.run([Scenario(behaviour, storm=step) for step in range(1, 8)]))
    tally.assert_nothing_is_wrong()
    assert tally.fired.total() > 3 * tally.scenarios


def test_a_scenario_has_the_same_steps_alone_and_among_others(laboratory: Laboratory) -> None:
    words = ("ok 4:held_before 8:twice", "ok 5:lost_reply 6:lost", "drop-after-charge-1x 4:crash_after 8:stale")
    scenarios = [Scenario.read(word) for word in words]
    assert [str(scenario) for scenario in scenarios] == list(words)
    together = [verdict.story for verdict in laboratory.run(scenarios)]
    alone = [verdict.story for scenario in scenarios for verdict in laboratory.run([scenario])]
    # The choice of the control read depends on earlier charges: it is one step either way.
    assert [story.replace("read payment\n", "read key\n") for story in together] == alone


@pytest.mark.fm("D2")
@pytest.mark.fm("G1")
@pytest.mark.parametrize("fault", [Fault.DISCONNECT, Fault.LOST_REPLY])
def test_the_session_really_ends_and_only_with_a_lost_reply_the_commit_is_kept(world: World, fault: Fault) -> None:
    subscription = world.subscribe()
    with closing(Operator.of(world.database_url)) as operator:
        broken = world.with_ports(database=FaultyDatabase(world.ports.database, Script({1: fault}), operator))
        with pytest.raises(Unavailable, match="the database does not answer"):
            broken.cancel(subscription, at_period_end=True)
    assert world.subscription(subscription).cancel_at_period_end is (fault is Fault.LOST_REPLY)


def test_a_held_delivery_goes_on_only_when_it_is_told_to() -> None:
    seen: list[str] = []

    def work() -> None:
        seen.append("called")
        delivery.hold("an order")
        seen.append("answered")

    delivery = Delivery(work, "a delivery")
    assert not delivery.go()
    assert seen == ["called"]
    assert delivery.until == "an order"
    assert delivery.go()
    assert seen == ["called", "answered"]


def doubts_nothing(gateway: Gateway, request: ChargeRequest) -> Outcome:
    """What many do: no clear answer means that it failed, so try again under a new id."""
    outcome = gateway.charge(request)
    return Failed(outcome.reason, new_merchant_uid=True) if isinstance(outcome, Unknown) else outcome


def sees_nothing(_gateway: Gateway, _merchant_uid: str) -> Listing:
    """As where test payments are not asked for."""
    return Listing(())


PLANTED: dict[str, tuple[Change, str, str]] = {
    "an unclear answer is a failure": (
        lambda world: world.with_ports(gateway=Around(world.ports.gateway, on_charge=doubts_nothing)),
        "ok 3:error_after",
        "(0, 'paid', 2)",
    ),
    "the resolver is blind": (
        lambda world: world.with_ports(gateway=Around(world.ports.gateway, on_payments_of=sees_nothing)),
        "ok 3:crash_after",
        "(0, 'open', 1)",
    ),
    "what was claimed is never offered again": (
        lambda world: world.with_ports(timing=replace(TIMING, claim=1e9)),
        "ok 1:lost",
        "periods (number, status, payments) are []",
    ),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_is_found_and_the_command_that_shows_it_again_is_named(
    laboratory: Laboratory, mistake: str
) -> None:
    change, scenario, complaint = PLANTED[mistake]
    tally = Tally()
    tally.add(replace(laboratory, change=change).run([Scenario.read("ok"), Scenario.read(scenario)]))
    assert [str(verdict.scenario) for verdict in tally.wrong] == [scenario]
    with pytest.raises(AssertionError, match="1 of 2 scenarios ended wrong") as found:
        tally.assert_nothing_is_wrong()
    assert complaint in str(found.value)
    assert f'tests/faults/every_pair.py -n 0 --scenario "{scenario}"' in str(found.value)
    assert "<- " in str(found.value)


def test_a_fault_that_is_never_met_is_a_problem_too(laboratory: Laboratory) -> None:
    (verdict,) = laboratory.run([Scenario.read("ok 99:crash_before")])
    assert verdict.problems == ["step 99 never met its fault crash_before"]
