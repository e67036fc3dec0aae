"""Text that an older release stored in another form: it is read, and nothing is done twice because of its form."""

import unicodedata

import pytest
from sqlalchemy import text

from billing_worker.domain.budget import Budgets
from billing_worker.domain.errors import Conflict
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.refund import refund
from billing_worker.usecases.subscription import subscribe
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support.world import World

NAME = "홍길동"
OLDER = unicodedata.normalize("NFD", NAME)


def rewritten(world: World, statement: str, **values: str) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize("stored", [OLDER, "김\u3164", "a\u2800b"])
def test_a_customer_of_an_older_release_is_charged_and_stays_as_it_was_stored(world: World, stored: str) -> None:
    subscription = world.subscribe()
    rewritten(world, "UPDATE subscriptions SET customer = :stored", stored=stored)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert world.rows("SELECT customer FROM subscriptions") == [{"customer": stored}]


def test_the_budget_of_a_customer_counts_both_forms_together(world: World) -> None:
    guarded, plan = world.with_ports(budgets=Budgets(customer_day={"KRW": 15_000})), world.plan(9900)
    first = subscribe.subscribe(world.ports, NewSubscription(plan.id, world.key().id, NAME))
    rewritten(world, "UPDATE subscriptions SET customer = :older", older=OLDER)
    guarded.settle()
    assert world.invoice(first).status == "paid"
    second = subscribe.subscribe(world.ports, NewSubscription(plan.id, world.key().id, OLDER, allow_duplicate=True))
    assert second.customer == NAME
    guarded.settle()
    assert world.invoice(second).status == "open"
    assert [found.stop.cause for found in stops(world.ports, 10)] == ["budget"]


def test_the_key_of_a_refund_in_another_form_gives_nothing_back_twice(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    invoice = world.invoice(subscription)
    first = refund.request_refund(world.ports, invoice.id, 100, reason="r", idempotency_key=f"click {NAME}")
    rewritten(world, "UPDATE refunds SET idempotency_key = :older", older=f" click {OLDER}")
    for key in (f"click {NAME}", f"click {OLDER}", f"click\u00a0{NAME} "):
        assert refund.request_refund(world.ports, invoice.id, 100, reason="r", idempotency_key=key).id == first.id
    with pytest.raises(Conflict, match="stands for refund"):
        refund.request_refund(world.ports, invoice.id, 200, reason="r", idempotency_key=f"click {OLDER}")
    world.settle()
    assert world.rows("SELECT amount FROM refunds") == [{"amount": 100}]
