"""What the reading of a decline does: waits of its own, a step of dunning, a dead key, or an alert for the merchant."""

from datetime import timedelta

import pytest

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.reasons import Advice, Category
from billing_worker.domain.dunning.policy import FAILURE_WAITS
from billing_worker.domain.payment import Declined, Evidence
from billing_worker.domain.settlement import settle
from billing_worker.domain.spared import MERCHANT_TRIES
from billing_worker.usecases.reading.why import why
from tests.builders import NOW, a_key, a_settlement, declined
from tests.support.gateways import Around, answers
from tests.support.world import World

EVIDENCE = Evidence("test", "again", 200, "")
DAY = timedelta(days=1)
CONTRACT = "[8901]미등록PG업체/거래정지업체"
MINIMUM = "[3041]결제 금액이 최소 금액보다 적습니다"


def refusing(world: World, text: str, pg: str = "nice_v2") -> World:
    """A world whose gateway answers each charge with this decline."""
    outcome = Declined(normalise(pg, text), text, EVIDENCE)
    return world.with_ports(gateway=Around(world.ports.gateway, answers(outcome)))


@pytest.mark.fm("C32")
def test_a_failure_of_the_card_company_is_tried_again_within_minutes_and_spends_no_step(world: World) -> None:
    key = world.key()
    world.sandbox.rule("decline-system", customer_uid=key.customer_uid, times=2)
    subscription = world.subscribe(key=key)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.declines, invoice.spared) == ("open", 0, 1)
    assert invoice.next_attempt_at == world.clock.now() + timedelta(minutes=10)
    attempt = world.attempt(invoice)
    assert (attempt.decline_category, attempt.decline_advice) == (Category.COMMUNICATION, Advice.RETRY_SOON)
    assert world.subscription(subscription).status == "pending"
    assert "invoice.payment_failed" not in world.events()
    world.run_until(world.clock.now() + timedelta(hours=1), timedelta(minutes=10))
    invoice = world.invoices(subscription)[0]
    assert (invoice.status, invoice.declines, invoice.attempts) == ("paid", 0, 3)
    assert len(world.money(invoice)) == 1
    world.assert_books_agree()


@pytest.mark.fm("C32")
def test_a_failure_that_lasts_longer_than_its_budget_counts_as_a_decline(world: World) -> None:
    key = world.key("decline-system")
    subscription = world.subscribe(key=key)
    waits = []
    for _ in FAILURE_WAITS:
        world.settle()
        due = world.invoice(subscription).next_attempt_at
        waits.append(due - world.clock.now())
        world.clock.advance_to(due)
    assert tuple(waits) == FAILURE_WAITS
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.declines, invoice.spared) == (1, len(FAILURE_WAITS))
    assert invoice.next_attempt_at == world.clock.now() + DAY
    assert world.events().count("invoice.payment_failed") == 1
    world.run_until(world.clock.now() + 40 * DAY)
    assert world.invoices(subscription)[0].status == "uncollectible"
    assert len(world.ledger(invoice)) == len(FAILURE_WAITS) + 5
    assert world.key_now(key).status == "active"


@pytest.mark.parametrize(("pg", "soon"), [("nice_v2", True), ("paymentwall", False), ("naverpay", False)])
def test_where_a_failure_may_become_a_second_payment_it_waits_for_the_dunning_day(pg: str, *, soon: bool) -> None:
    settlement = a_settlement(key=a_key(pg_provider=pg))
    settle(settlement, declined("[1000]Internal Error.", pg=pg), NOW)
    invoice = settlement.invoice
    assert (invoice.spared, invoice.declines) == (int(soon), int(not soon))
    assert invoice.next_attempt_at == NOW + (FAILURE_WAITS[0] if soon else DAY)


def test_a_policy_without_retries_is_kept(world: World) -> None:
    subscription = world.subscribe("decline-system", plan=world.plan(dunning_days=()))
    world.settle()
    assert world.invoices(subscription)[0].status == "uncollectible"
    assert len(world.ledger()) == 1


@pytest.mark.parametrize("text", [CONTRACT, MINIMUM])
def test_a_refusal_because_of_the_merchant_never_costs_the_key_and_opens_one_alert(world: World, text: str) -> None:
    keys = [world.key(), world.key()]
    subscriptions = [world.subscribe(key=key) for key in keys]
    refusing(world, text).settle()
    for key, subscription in zip(keys, subscriptions, strict=True):
        invoice = world.invoice(subscription)
        assert (invoice.status, invoice.declines, invoice.spared) == ("open", 0, 1)
        assert invoice.next_attempt_at == world.clock.now() + DAY
        assert world.key_now(key).status == "active"
    (alert,) = world.alerts()
    assert (alert.kind, alert.subject_id) == ("merchant_refused", "nice_v2")
    assert alert.facts is not None
    assert alert.facts["reason"] == text
    assert "billing_key.invalid" not in world.events()
    told = why(world.ports, world.invoice(subscriptions[0]).id)
    assert "The merchant must change something first" in told.answer
    world.clock.advance(days=1)
    world.settle()
    assert {world.invoices(each)[0].status for each in subscriptions} == {"paid"}
    assert world.alerts() == []
    world.assert_books_agree()


def test_an_outage_and_a_mistake_of_the_merchant_use_up_nothing_of_each_other(world: World) -> None:
    key = world.key()
    policy = world.policy("1d", "1d", failures=["10m", "30m"])
    subscription = world.subscribe(key=key, plan=world.plan(dunning_policy=policy))
    broken = refusing(world, CONTRACT)
    for _ in range(4):
        broken.settle()
        world.clock.advance(days=1)
    world.sandbox.rule("decline-system", customer_uid=key.customer_uid, times=1)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.spared, invoice.declines) == (5, 0)
    assert invoice.next_attempt_at == world.clock.now() + timedelta(minutes=10)


def test_a_payment_after_an_outage_does_not_say_that_the_merchant_has_changed_anything(world: World) -> None:
    key = world.key()
    world.sandbox.rule("decline-system", customer_uid=key.customer_uid, times=1)
    world.subscribe(key=key)
    world.settle()
    refused = world.subscribe()
    refusing(world, CONTRACT).settle()
    world.clock.advance(minutes=10)
    world.settle()
    assert [alert.kind for alert in world.alerts()] == ["merchant_refused"]
    world.clock.advance(days=1)
    world.settle()
    assert (world.invoice(refused).status, world.alerts()) == ("paid", [])


def test_a_merchant_who_changes_nothing_is_tried_for_a_month_and_then_by_the_policy(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="year"))
    broken = refusing(world, CONTRACT)
    broken.run_until(world.clock.now() + MERCHANT_TRIES * DAY)
    invoice = world.invoice(subscription)
    assert (invoice.spared, invoice.declines) == (MERCHANT_TRIES, 1)
    broken.run_until(world.clock.now() + 20 * DAY)
    assert world.invoices(subscription)[0].status == "uncollectible"
    assert [alert.kind for alert in world.alerts()] == ["merchant_refused"]
    assert "invoice.uncollectible" in world.events()


@pytest.mark.parametrize(("behaviour", "category"), [("decline-stolen", "lost_or_stolen"), ("decline-limit", "limit")])
def test_the_event_and_why_say_what_the_decline_is_about(world: World, behaviour: str, category: str) -> None:
    subscription = world.subscribe(behaviour)
    world.settle()
    invoice = world.invoice(subscription)
    (failed,) = [row for row in world.rows("SELECT * FROM outbox") if row["type"] == "invoice.payment_failed"]
    assert failed["data"]["decline_category"] == category
    assert failed["data"]["decline_advice"] == world.attempt(invoice).decline_advice
    assert any(category in line for line in why(world.ports, invoice.id).history)
