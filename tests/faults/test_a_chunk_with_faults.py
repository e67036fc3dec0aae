"""Every step of a chunk may be the last one: a kill, a lost commit, a lost answer; each period is charged once."""

from contextlib import closing
from dataclasses import replace

import pytest

from billing_worker.usecases.charge import collect
from billing_worker.usecases.subscription import renew
from tests.support.faults import FAULTS as OF_STEPS
from tests.support.faults import HOLDING, Fault, Saboteur, Script, Step, survive
from tests.support.sessions import Operator
from tests.support.world import InTurn, World

pytestmark = pytest.mark.long

CHUNK = 3
STEPS = (Step.COMMIT, *[Step.CHARGE] * CHUNK, Step.COMMIT)
"""Of a chunk of renewals: the attempts are committed, the calls are made, the answers are committed."""
FAULTS = [
    (number, fault)
    for number, step in enumerate(STEPS, 1)
    for fault in OF_STEPS[step]
    # One thread makes all calls here, and what holds a call up would hold all of them.
    if fault not in HOLDING
]


@pytest.mark.fm("G1")
@pytest.mark.fm("D1")
@pytest.mark.parametrize(("number", "fault"), FAULTS, ids=str)
def test_a_fault_at_any_step_of_a_chunk_leaves_each_period_charged_once(
    world: World, number: int, fault: Fault
) -> None:
    plan = world.plan()
    subscriptions = [world.subscribe("ok", plan=plan) for _ in range(CHUNK)]
    script = Script({number: fault})
    with closing(Operator.of(world.database_url)) as operator:
        ports = Saboteur(world.sandbox, operator).wrap(world.ports, script)
        together = replace(ports, calls=InTurn(ports.gateway, together=True))
        ids = renew.due(world.ports, CHUNK)
        assert len(ids) == CHUNK
        survive(lambda: collect.renew(together, ids))
    assert script.fired == {number: fault}, script.story
    world.resolve(hours=2)
    assert [str(world.invoice(each).status) for each in subscriptions] == ["paid"] * CHUNK, script.story
    assert [len(world.money(world.invoice(each))) for each in subscriptions] == [1] * CHUNK, script.story
    world.assert_books_agree()


def test_the_steps_of_a_chunk_are_these(world: World) -> None:
    script = Script()
    plan = world.plan()
    for _ in range(CHUNK):
        world.subscribe("ok", plan=plan)
    with closing(Operator.of(world.database_url)) as operator:
        ports = Saboteur(world.sandbox, operator).wrap(world.ports, script)
        collect.renew(replace(ports, calls=InTurn(ports.gateway, together=True)), renew.due(world.ports, CHUNK))
    assert tuple(step for step, _ in script.steps) == STEPS
