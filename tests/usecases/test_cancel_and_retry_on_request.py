"""Cancel and retry now: a request has one effect, or is refused with the reason."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from billing_worker.domain.errors import Conflict, NotFound
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.subscription import cancel
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.gateways import Around, never_arrives
from tests.support.world import World

# -- cancel


@pytest.mark.fm("L1")
def test_a_cancellation_closes_what_is_owed_and_nothing_is_charged_any_more(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.settle()
    world.cancel(subscription)
    assert world.subscription(subscription).canceled_at == world.clock.now()
    assert world.invoice(subscription).status == "void"
    world.run_until(world.clock.now() + timedelta(days=40))
    assert len(world.ledger()) == 1
    assert len(world.invoices(subscription)) == 1
    assert world.events()[-2:] == ["invoice.voided", "subscription.canceled"]


def test_a_second_cancellation_is_refused_and_changes_nothing(world: World) -> None:
    subscription = world.subscribe()
    world.cancel(subscription)
    before, events = world.subscription(subscription), world.events()
    for at_period_end in (False, True):
        with pytest.raises(Conflict, match="canceled already"):
            world.cancel(subscription, at_period_end=at_period_end)
    assert world.subscription(subscription) == before
    assert world.events() == events


def test_a_cancellation_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(NotFound):
        cancel.cancel(world.ports, "sub_0000000000000000")


def test_a_cancellation_at_period_end_can_become_an_immediate_one(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    world.cancel(subscription, at_period_end=True)
    assert world.subscription(subscription).status == "active"
    world.cancel(subscription)
    assert world.subscription(subscription).status == "canceled"


@pytest.mark.fm("L2")
def test_a_charge_that_is_on_its_way_at_the_cancellation_settles_as_it_turns_out(world: World) -> None:
    def cancels_meanwhile(gateway: Gateway, request: ChargeRequest) -> Outcome:
        world.cancel(subscription)
        return gateway.charge(request)

    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, cancels_meanwhile)).settle()
    assert world.invoice(subscription).status == "paid"
    assert world.subscription(subscription).status == "canceled"
    world.assert_books_agree()


@pytest.mark.fm("L2")
def test_a_charge_that_is_declined_after_the_cancellation_is_not_tried_again(world: World) -> None:
    def cancels_meanwhile(gateway: Gateway, request: ChargeRequest) -> Outcome:
        world.cancel(subscription)
        return gateway.charge(request)

    subscription = world.subscribe("decline-limit")
    world.with_ports(gateway=Around(world.ports.gateway, cancels_meanwhile)).settle()
    assert world.invoice(subscription).status == "void"
    world.run_until(world.clock.now() + timedelta(days=20))
    assert len(world.ledger()) == 1


@pytest.mark.fm("L3")
@pytest.mark.parametrize(("behaviour", "ends"), [("drop-after-charge", "paid"), ("drop-before-charge", "void")])
def test_a_cancellation_while_the_outcome_is_unknown_waits_for_it(world: World, behaviour: str, ends: str) -> None:
    world.subscribe()
    subscription = world.subscribe(behaviour)
    world.settle()
    world.cancel(subscription)
    assert world.invoice(subscription).status == "open"
    world.resolve()
    assert world.invoice(subscription).status == ends
    assert world.subscription(subscription).status == "canceled"
    world.assert_books_agree()


@pytest.mark.fm("G7")
def test_of_a_cancellation_and_a_charge_at_the_same_moment_one_is_first_and_both_are_right(
    world: World, another_process
) -> None:
    other = another_process()
    for _ in range(10):
        subscription = world.subscribe()
        world.renew()
        (ident,) = collect.due(world.ports, 10)
        start = threading.Barrier(2)

        def charge(ident: str = ident, start: threading.Barrier = start) -> None:
            start.wait(10)
            collect.collect(world.ports, [ident])

        def leave(subscription=subscription, start: threading.Barrier = start) -> None:
            start.wait(10)
            other.cancel(subscription)

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(charge), pool.submit(leave)]:
                future.result(30)
        invoice = world.invoice(subscription)
        assert (invoice.status, len(world.money(invoice))) in [("paid", 1), ("void", 0)]
    world.assert_books_agree()


# -- retry now


def test_an_invoice_in_dunning_is_charged_at_once_on_an_operators_word(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.settle()
    retry_now(world.ports, world.invoice(subscription).id)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts) == ("paid", 2)


def test_an_invoice_that_dunning_gave_up_gets_one_more_try(world: World) -> None:
    subscription = world.subscribe("decline-limit-2x", plan=world.plan(dunning_days=(1,)))
    world.run_until(world.clock.now() + timedelta(days=2))
    assert world.invoice(subscription).status == "uncollectible"
    retry_now(world.ports, world.invoice(subscription).id)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert world.subscription(subscription).status == "active"
    world.assert_books_agree()


def test_a_further_try_that_is_declined_gives_up_again(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=()))
    world.settle()
    retry_now(world.ports, world.invoice(subscription).id)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.declines, invoice.attempts) == ("uncollectible", 1, 2)
    assert world.subscription(subscription).status == "unpaid"


def test_retries_by_hand_spend_nothing_of_the_policy(world: World) -> None:
    subscription = world.subscribe("decline-limit-4x", plan=world.plan(dunning_days=(5, 5)))
    world.settle()
    began, dates = world.clock.now(), []
    for _ in range(2):
        world.clock.advance(hours=3)
        retry_now(world.ports, world.invoice(subscription).id)
        world.settle()
        invoice = world.invoice(subscription)
        dates.append(invoice.next_attempt_at)
        assert (invoice.status, invoice.declines, invoice.by_hand) == ("open", 1, False)
    assert dates == [began + timedelta(days=5)] * 2
    assert world.subscription(subscription).status == "past_due"
    world.run_until(began + timedelta(days=6))
    assert (world.invoice(subscription).declines, world.invoice(subscription).status) == (2, "open")
    world.run_until(began + timedelta(days=11))
    assert world.invoice(subscription).status == "paid"
    assert [row["status"] for row in world.ledger()] == ["failed"] * 4 + ["paid"]


def test_a_retry_by_hand_that_is_declined_when_the_policys_date_has_passed_is_the_policys(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(5, 5)))
    world.settle()
    retry_now(world.ports, world.invoice(subscription).id)
    invoice = world.invoice(subscription)
    assert (invoice.by_hand, invoice.resumes_at) == (True, world.clock.now() + timedelta(days=5))
    world.clock.advance(days=5)
    world.settle()
    after = world.invoice(subscription)
    assert (after.declines, after.by_hand, after.resumes_at) == (2, False, None)
    assert after.next_attempt_at == world.clock.now() + timedelta(days=5)


def test_before_the_first_decline_a_retry_by_hand_is_the_first_charge(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(5,)))
    world.renew()
    retry_now(world.ports, world.invoice(subscription).id)
    world.settle()
    assert world.invoice(subscription).declines == 1


@pytest.mark.fm("L10")
def test_a_double_click_is_one_attempt(world: World, another_process) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    invoice = world.invoice(subscription)
    both, start = [world, another_process()], threading.Barrier(2)

    def click(one: World) -> None:
        start.wait(10)
        retry_now(one.ports, invoice.id)
        start.wait(10)
        one.collect()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(click, one) for one in both]:
            future.result(30)
    assert len(world.attempts(invoice)) == len(world.ledger(invoice)) == 2


@pytest.mark.fm("L10")
def test_a_second_click_while_the_first_is_on_its_way_is_refused(world: World) -> None:
    def clicks_again(gateway: Gateway, request: ChargeRequest) -> Outcome:
        with pytest.raises(Conflict, match="not known yet"):
            retry_now(world.ports, world.invoice(subscription).id)
        return gateway.charge(request)

    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, clicks_again)).settle()
    assert len(world.ledger()) == 1


def test_while_an_outcome_is_unknown_a_retry_is_refused(world: World) -> None:
    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, never_arrives)).settle()
    before = world.invoice(subscription)
    with pytest.raises(Conflict, match=r"never by charging again \(see: why inv_"):
        retry_now(world.ports, before.id)
    assert world.invoice(subscription) == before


@pytest.mark.parametrize("status", ["paid", "void"])
def test_what_is_closed_for_good_cannot_be_retried(world: World, status: str) -> None:
    subscription = world.subscribe("ok" if status == "paid" else "decline-limit")
    world.settle()
    if status == "void":
        world.cancel(subscription)
    with pytest.raises(Conflict, match=f"is {status}"):
        retry_now(world.ports, world.invoice(subscription).id)


def test_on_a_dead_key_a_retry_is_refused_with_the_way_out(world: World) -> None:
    subscription = world.subscribe("decline-stolen")
    world.settle()
    with pytest.raises(Conflict, match="set another key"):
        retry_now(world.ports, world.invoice(subscription).id)


def test_on_a_key_that_waits_for_its_confirmation_a_retry_is_refused_with_the_reason(world: World) -> None:
    _, key, _ = world.paymentwall_key()
    subscription = world.subscribe(key=key)
    world.settle()
    with pytest.raises(Conflict, match="as soon as the key is confirmed"):
        retry_now(world.ports, world.invoice(subscription).id)


def test_a_retry_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(NotFound):
        retry_now(world.ports, "inv_0000000000000000")


@pytest.mark.parametrize("given", ["meanwhile", "afterwards"])
def test_another_card_spends_no_step_whenever_it_is_given(world: World, given: str) -> None:
    other = world.key("decline-limit")

    def gives_another_card(gateway: Gateway, request: ChargeRequest) -> Outcome:
        if given == "meanwhile" and not world.ledger():
            replace_key(world.ports, subscription.id, other.id)
        return gateway.charge(request)

    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(3,)))
    started = world.clock.now()
    world.with_ports(gateway=Around(world.ports.gateway, gives_another_card)).settle()
    if given == "afterwards":
        replace_key(world.ports, subscription.id, other.id)
        world.settle()
    invoice = world.invoice(subscription)
    assert len(world.ledger(other)) == 1
    assert (invoice.status, invoice.declines, invoice.by_hand) == ("open", 1, False)
    assert invoice.next_attempt_at == started + timedelta(days=3)
    world.run_until(started + timedelta(days=4))
    assert world.invoice(subscription).status == "uncollectible"
    assert len(world.ledger(invoice)) == 3
    world.assert_books_agree()
