"""One subscription over three periods, and one fault at every step there is: each period is charged exactly once.

A step is a commit, a call to the gateway, or the handing out of what a scan claimed. How many there are is counted in
a run without faults; then the run is repeated with each fault at each step. The sandbox's ledger is the judge.
"""

from datetime import timedelta

import pytest

from billing_worker.domain.subscription import Subscription
from billing_worker.usecases import collect, inbox, reconcile, renew
from tests.support.faults import Fault, Script, survive
from tests.support.world import LIMIT, World, renew_and_charge

DAY = timedelta(days=1)
PERIODS = 3
ROUNDS = 4
"""Beat rounds a period, a second apart."""

STEPS = {"ok": 15, "drop-after-charge-1x": 19, "decline-limit-1x": 19}
"""Steps of a run without faults, by what the first charge does. A test below counts them."""
BROKEN = {"ok": 15, "drop-after-charge-1x": 11, "decline-limit-1x": 13}
"""Steps that are broken: all, and of the runs that differ in their first period only, that one and the next."""

JOBS = (
    (renew.due, renew_and_charge),
    (collect.due, collect.collect),
    (reconcile.due, reconcile.reconcile),
    (inbox.due, inbox.apply),
)


def one_round(world: World, script: Script, *, twice: bool) -> None:
    """Each scan, then its ids one by one, as beat and the workers do; with `twice` each message comes two times."""
    for due, verb in JOBS:
        ids = due(world.ports, LIMIT)
        if ids and script.step("hand out") is not None:
            continue  # beat died after its claim, before a message was sent
        ports = script.wrap(world.ports)
        for ident in ids:
            for _ in range(2 if twice else 1):
                survive(lambda ident=ident, verb=verb, ports=ports: verb(ports, ident))


def live(world: World, script: Script, *, twice: bool = False) -> None:
    """Three periods with whatever the script breaks; then time to heal, without faults."""
    for period in range(PERIODS):
        if period:
            world.clock.advance_to(world.clock.now() + DAY - timedelta(seconds=ROUNDS))
        for _ in range(ROUNDS):
            one_round(world, script, twice=twice)
            world.clock.advance(seconds=1)
    world.resolve(hours=3)


def customer(world: World, behaviour: str) -> Subscription:
    return world.subscribe(behaviour, plan=world.plan(interval="day", dunning_days=(1, 1, 1)))


def judge(world: World, subscription: Subscription, script: Script) -> None:
    invoices = world.invoices(subscription)
    story = f"{script.faults} in {script.steps}"
    assert [invoice.period.index for invoice in invoices] == list(range(PERIODS)), story
    assert {invoice.status for invoice in invoices} == {"paid"}, story
    assert [len(world.money(invoice)) for invoice in invoices] == [1] * PERIODS, story
    assert world.rows("SELECT * FROM payment_attempts WHERE status IN ('in_flight', 'unknown')") == [], story
    assert world.alerts() == [], story
    world.assert_books_agree()


@pytest.mark.parametrize("behaviour", STEPS)
def test_the_steps_of_a_run_without_faults_are_those_that_are_broken_below(world: World, behaviour: str) -> None:
    subscription, script = customer(world, behaviour), Script()
    live(world, script)
    judge(world, subscription, script)
    assert len(script.steps) == STEPS[behaviour], script.steps


@pytest.mark.fm("A3")
@pytest.mark.fm("C1")
@pytest.mark.fm("C2")
@pytest.mark.fm("C6")
@pytest.mark.fm("C7")
@pytest.mark.fm("D1")
@pytest.mark.fm("D2")
@pytest.mark.fm("G1")
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(
    ("behaviour", "step"), [(name, n) for name, most in BROKEN.items() for n in range(1, most + 1)]
)
def test_one_fault_at_one_step_leaves_each_period_charged_once(
    world: World, behaviour: str, step: int, fault: Fault
) -> None:
    subscription, script = customer(world, behaviour), Script({step: fault})
    live(world, script)
    judge(world, subscription, script)


@pytest.mark.fm("B2")
@pytest.mark.fm("B3")
@pytest.mark.parametrize("fault", [None, *Fault])
@pytest.mark.parametrize("behaviour", STEPS)
def test_with_every_message_delivered_twice_and_a_fault_in_each_period_it_is_the_same(
    world: World, behaviour: str, fault: Fault | None
) -> None:
    for step in (3, 4, 5):
        subscription = customer(world, behaviour)
        every_seventh = dict.fromkeys(range(step, 60, 7), fault) if fault else {}
        script = Script(every_seventh)
        live(world, script, twice=True)
        judge(world, subscription, script)
        world.cancel(subscription)
