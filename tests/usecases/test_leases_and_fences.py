"""A worker that stalled: only the holder of the lease writes, and a number tells old and new holders apart."""

from collections.abc import Callable

import pytest

from billing_worker.domain.payment import Approved, ChargeRequest, Outcome
from billing_worker.ports.calls import Answered
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect
from billing_worker.usecases.charge.begin import begin_invoices
from billing_worker.usecases.settle.record import record_answers
from tests.support.gateways import Around
from tests.support.world import World


@pytest.fixture
def caught(known: World) -> tuple[World, str, Callable[[], Outcome]]:
    """A worker that is caught between act one and act two: its invoice, and what lets it place its call."""
    known.subscribe()
    known.renew()
    (invoice_id,) = collect.due(known.ports, 10)
    (intent,) = begin_invoices(known.ports, [invoice_id]).intents

    def go_on() -> Outcome:
        outcome = known.ports.gateway.charge(intent.request)
        record_answers(known.ports, [Answered(intent.attempt_id, intent.fence, outcome)])
        return outcome

    return known, intent.attempt_id, go_on


def status_of(world: World, attempt_id: str) -> str:
    (row,) = world.rows("SELECT status FROM payment_attempts WHERE id = :id", id=attempt_id)
    return str(row["status"])


@pytest.mark.fm("D3")
def test_a_worker_whose_lease_ended_writes_nothing_but_evidence(caught) -> None:
    world, attempt_id, go_on = caught
    world.clock.advance(seconds=world.ports.timing.lease)
    world.reconcile()
    assert status_of(world, attempt_id) == "unknown"
    assert isinstance(go_on(), Approved)
    assert status_of(world, attempt_id) == "unknown"
    (kept,) = world.rows("SELECT body FROM evidence WHERE attempt_id = :id", id=attempt_id)
    assert '"paid"' in kept["body"].replace(" ", "")
    # What it learned makes the resolver look at once.
    assert world.reconcile() == 1
    assert status_of(world, attempt_id) == "approved"
    world.assert_books_agree()


@pytest.mark.fm("D3")
def test_a_worker_that_comes_back_after_absence_was_proven_does_not_charge_twice(caught) -> None:
    world, attempt_id, go_on = caught
    world.clock.advance(seconds=world.ports.timing.lease)
    world.resolve()
    assert status_of(world, attempt_id) == "failed"
    go_on()
    world.resolve()
    assert len(world.money()) == 2  # the control payment and this one
    assert {row["status"] for row in world.rows("SELECT status FROM invoices")} == {"paid"}
    world.assert_books_agree()


def test_while_the_lease_runs_a_look_that_finds_nothing_leaves_the_worker_alone(caught) -> None:
    world, attempt_id, go_on = caught
    world.clock.advance(seconds=0.5)
    assert world.reconcile() == 1
    assert status_of(world, attempt_id) == "in_flight"
    go_on()
    assert status_of(world, attempt_id) == "approved"
    world.assert_books_agree()


def test_while_the_lease_runs_a_look_may_settle_it_and_the_answer_then_changes_nothing(known: World) -> None:
    looked: list[int] = []

    def is_slow_to_answer(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        known.clock.advance(seconds=0.5)
        looked.append(known.reconcile())
        return outcome

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, is_slow_to_answer)).settle()
    assert looked == [1]
    assert known.attempt(known.invoice(subscription)).status == "approved"
    assert known.events().count("invoice.paid") == 2  # the control payment's, and one for this
    known.assert_books_agree()


@pytest.mark.fm("C2")
def test_a_worker_that_died_before_its_call_is_replaced_after_the_lease_and_the_proof(caught) -> None:
    world, attempt_id, _ = caught
    world.resolve()
    assert status_of(world, attempt_id) == "failed"
    assert {row["status"] for row in world.rows("SELECT status FROM invoices")} == {"paid"}
    assert len(world.money()) == 2
    world.assert_books_agree()


@pytest.mark.fm("D2")
@pytest.mark.fm("D8")
def test_recording_the_same_answer_twice_changes_nothing(known: World) -> None:
    outcomes: list[Outcome] = []

    def remembers(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcomes.append(gateway.charge(request))
        return outcomes[-1]

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, remembers)).settle()
    attempt = known.attempt(known.invoice(subscription))
    before, events = known.invoice(subscription), known.events()
    record_answers(known.ports, [Answered(attempt.id, attempt.fence, outcomes[0])])
    assert known.attempt(known.invoice(subscription)) == attempt
    assert known.invoice(subscription) == before
    assert known.events() == events
