"""Chunks: what is begun and recorded together is decided one by one, and one bad row holds up no other."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from billing_worker.domain.budget import Budgets
from billing_worker.domain.payment import Approved, ChargeRequest, Outcome
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.jobs import BY_NAME, CHUNK, JobName, Ring, chunks
from billing_worker.usecases.subscription import renew
from tests.support.gateways import Around
from tests.support.world import InTurn, World

MANY = 7
MOST_STATEMENTS = 16
"""Of a chunk of any size, approvals and first periods, both transactions together."""


def subscribed(world: World, *behaviours: str) -> list[Subscription]:
    plan = world.plan()
    return [world.subscribe(behaviour, plan=plan) for behaviour in behaviours]


def charged(world: World, subscriptions: Sequence[Subscription], gateway: Gateway | None = None) -> int:
    """One chunk with all of them, its answers recorded together; returns the number of calls."""
    together = replace(world.ports, calls=InTurn(gateway or world.ports.gateway, together=True))
    return collect.renew(together, [each.id for each in subscriptions])


def statuses(world: World, subscriptions: Sequence[Subscription]) -> list[str]:
    return [str(world.invoice(each).status) for each in subscriptions]


def test_a_chunk_is_two_commits_and_a_few_statements_however_many_it_holds(world: World) -> None:
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    taken = {}
    for size in (2, MANY):
        subscriptions = subscribed(world, *["ok"] * size)
        event.listen(world.engine, "before_cursor_execute", count)
        assert charged(world, subscriptions) == size
        event.remove(world.engine, "before_cursor_execute", count)
        taken[size] = len(statements)
        assert len(statements) < MOST_STATEMENTS
        statements.clear()
        assert statuses(world, subscriptions) == ["paid"] * size
    assert taken[2] == taken[MANY]
    world.assert_books_agree()


def test_each_of_a_chunk_has_its_own_outcome(world: World) -> None:
    behaviours = ["ok", "decline-limit", "decline-stolen", "drop-after-charge", "error502-html", "ok"]
    subscriptions = subscribed(world, *behaviours)
    charged(world, subscriptions)
    assert statuses(world, subscriptions) == ["paid", "open", "open", "open", "open", "paid"]
    found = [world.attempt(world.invoice(each)).status for each in subscriptions]
    assert found == ["approved", "declined", "declined", "unknown", "unknown", "approved"]
    world.resolve(hours=1)
    assert world.invoice(subscriptions[3]).status == "paid"
    assert len(world.ledger(world.invoice(subscriptions[3]))) == 1
    world.assert_books_agree(at_rest=False)


@pytest.mark.fm("B3")
def test_two_workers_with_overlapping_chunks_charge_each_once(world: World, another_process) -> None:
    other = another_process()
    subscriptions = subscribed(world, *["ok"] * MANY, *["decline-stolen"] * 2)
    ids = list(renew.due(world.ports, 100))
    assert set(ids) == {each.id for each in subscriptions}
    chunks = [(world, ids[:6]), (other, list(reversed(ids[3:]))), (world, ids[::2]), (other, ids)]
    with ThreadPoolExecutor(len(chunks)) as pool:
        calls = [
            pool.submit(collect.renew, replace(one.ports, calls=InTurn(one.ports.gateway, together=True)), part)
            for one, part in chunks
        ]
        assert sum(each.result(60) for each in calls) == len(ids)
    assert [len(world.ledger(world.invoice(each))) for each in subscriptions] == [1] * len(ids)
    world.assert_books_agree(at_rest=False)


@pytest.mark.fm("L1")
def test_a_row_that_another_transaction_holds_is_served_after_the_others(world: World) -> None:
    subscriptions = subscribed(world, *["ok"] * 3)
    held, seen = subscriptions[1], []

    def notes(gateway: Gateway, request: ChargeRequest) -> Outcome:
        seen.append(request.merchant_uid)
        if len(seen) == 2:
            holder.rollback()
        return gateway.charge(request)

    with world.ports.database.transaction() as uow:
        uow.subscriptions.lock(held.id)
        holder: Any = uow._connection  # type: ignore[attr-defined] # a database of PostgreSQL's
        assert charged(world, subscriptions, Around(world.ports.gateway, notes)) == 3
    assert [held.id.removeprefix("sub_") in order for order in seen] == [False, False, True]
    assert statuses(world, subscriptions) == ["paid"] * 3


def test_a_row_that_cannot_be_begun_holds_up_no_other_and_is_told(world: World) -> None:
    good, bad, last = subscribed(world, "ok", "ok", "ok")
    taken = f"{world.environment}{bad.id.removeprefix('sub_')}p00000g01"
    poison = f"ALTER TABLE payment_attempts ADD CONSTRAINT poisoned CHECK (merchant_uid <> '{taken}')"
    with world.engine.begin() as connection:
        connection.exec_driver_sql(poison)
    try:
        assert charged(world, [good, bad, last]) == 2
    finally:
        with world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE payment_attempts DROP CONSTRAINT poisoned")
    assert statuses(world, [good, last]) == ["paid", "paid"]
    assert world.invoices(bad) == []
    (alert,) = world.alerts()
    assert (alert.kind, alert.subject_id, (alert.facts or {})["job"]) == ("not_served", bad.id, "renew")


def test_an_answer_that_cannot_be_recorded_holds_up_no_other(world: World) -> None:
    subscriptions = subscribed(world, "ok", "ok", "ok")
    first: list[Approved] = []

    def same_payment_twice(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        assert isinstance(outcome, Approved)
        first.append(outcome)
        if len(first) == 2:
            return replace(outcome, payment=replace(outcome.payment, imp_uid=first[0].payment.imp_uid))
        return outcome

    with pytest.raises(Exception, match="imp_uid"):
        charged(world, subscriptions, Around(world.ports.gateway, same_payment_twice))
    assert sorted(statuses(world, subscriptions)) == ["open", "paid", "paid"]
    world.resolve(hours=1)
    assert statuses(world, subscriptions) == ["paid"] * 3
    world.assert_books_agree()


def test_a_budget_is_counted_along_a_chunk(world: World) -> None:
    subscriptions = subscribed(world, *["ok"] * MANY)
    guarded = world.with_ports(budgets=Budgets(count=3))
    assert charged(guarded, subscriptions) == 3
    (stopped,) = stops(world.ports, 10)
    assert (stopped.stop.scope, stopped.stop.cause) == ("all", "budget")
    assert "3 charges" in stopped.stop.reason
    assert sorted(statuses(world, subscriptions)) == ["open"] * (MANY - 3) + ["paid"] * 3


def test_a_customers_budget_is_counted_along_a_chunk(world: World) -> None:
    plan = world.plan(9900)
    subscriptions = [world.subscribe(plan=plan, customer="kim", allow_duplicate=True) for _ in range(4)]
    guarded = world.with_ports(budgets=Budgets(customer_day={"KRW": 20_000}))
    assert charged(guarded, subscriptions) == 2
    assert {stop.stop.scope.partition(":")[0] for stop in stops(world.ports, 10)} == {"subscription"}


def test_a_card_that_dies_in_a_chunk_dies_once(world: World) -> None:
    plan, key = world.plan(), world.key("decline-stolen")
    subscriptions = [world.subscribe(plan=plan, key=key, allow_duplicate=True) for _ in range(4)]
    charged(world, subscriptions)
    assert world.key_now(key).status == "invalid"
    assert world.events().count("billing_key.invalid") == 1
    assert {world.invoice(each).declines for each in subscriptions} == {1}


def test_two_invoices_of_one_subscription_go_in_one_chunk(world: World) -> None:
    subscription = world.subscribe("ok", plan=world.plan(interval="day"))
    world.renew()
    world.clock.advance(days=1)
    world.renew()
    first, second = world.invoices(subscription)
    together = replace(world.ports, calls=InTurn(world.ports.gateway, together=True))
    assert collect.collect(together, [second.id, first.id]) == 2
    assert [each.status for each in world.invoices(subscription)] == ["paid", "paid"]
    paid = [row["merchant_uid"] for row in world.money()]
    assert paid == [first.merchant_uid, second.merchant_uid]
    assert world.events().count("subscription.activated") == 1
    world.assert_books_agree()


def test_ids_that_are_gone_and_ids_twice_change_nothing_for_the_others(world: World) -> None:
    (subscription,) = subscribed(world, "ok")
    ids = [subscription.id, "sub_0000000000000000", subscription.id]
    together = replace(world.ports, calls=InTurn(world.ports.gateway, together=True))
    assert collect.renew(together, ids) == 1
    assert len(world.ledger(world.invoice(subscription))) == 1
    assert [alert.kind for alert in world.alerts()] == ["not_served"]


def test_a_period_that_has_its_invoice_is_not_charged_by_a_chunk_that_opens_it_again(world: World) -> None:
    first, second = subscribed(world, "ok", "ok")
    charged(world, [first])
    with world.engine.begin() as connection:
        back = "UPDATE subscriptions SET next_period_index = 0, next_period_start = anchor WHERE id = %s"
        connection.exec_driver_sql(back, (first.id,))
    assert charged(world, [first, second]) == 1
    assert world.alerts() == []
    assert len(world.ledger(world.invoice(first))) == 1
    assert len(world.attempts(world.invoice(first))) == 1
    assert statuses(world, [first, second]) == ["paid", "paid"]


def test_a_full_chunk_rings_its_scan_and_a_part_of_one_does_not(world: World) -> None:
    job = BY_NAME["renew"]
    full = ["sub_0000000000000000"] * CHUNK
    assert job.work(world.ports, full) == [Ring(JobName.RENEW)]
    assert list(job.work(world.ports, full[1:])) == []
    assert [list(part) for part in chunks(range(2 * CHUNK + 1), CHUNK)] == [
        [str(n) for n in range(CHUNK)],
        [str(n) for n in range(CHUNK, 2 * CHUNK)],
        [str(2 * CHUNK)],
    ]


def test_a_stop_that_a_chunk_calls_for_holds_the_rest_of_it(world: World) -> None:
    subscriptions = subscribed(world, "ok", "ok", "ok")
    world.renew()
    ids = sorted(world.invoice(each).id for each in subscriptions)
    with world.engine.begin() as connection:
        for ident, amount in zip(ids, (9900, 9900, 100), strict=True):
            connection.exec_driver_sql("UPDATE invoices SET amount = %s WHERE id = %s", (amount, ident))
    guarded = world.with_ports(budgets=Budgets(run={"KRW": 10_500}))
    assert collect.collect(guarded.ports, ids) == 1
    (stopped,) = stops(world.ports, 10)
    assert stopped.stop.scope == "all"
    assert ids[1] in stopped.stop.reason
    assert [row["amount"] for row in world.money()] == [9900]


def test_two_answers_that_move_one_subscription_are_two_steps(world: World) -> None:
    """Paid, it is active again; declined, it is past due. As one step, unpaid to past due, the tables refuse it."""
    subscription = world.subscribe("ok", plan=world.plan(interval="day"))
    world.renew()
    world.clock.advance(days=1)
    world.renew()
    first, second = world.invoices(subscription)
    world.sandbox.rule("decline-limit", endpoint="again", merchant_uid=second.merchant_uid)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE subscriptions SET status = 'unpaid'")
    commits: list[str] = []
    refused: list[object] = []
    event.listen(world.engine, "commit", lambda _connection: commits.append("commit"))
    event.listen(world.engine, "handle_error", lambda context: refused.append(context.original_exception))
    together = replace(world.ports, calls=InTurn(world.ports.gateway, together=True))
    collect.collect(together, [first.id, second.id])
    assert {each.status for each in world.invoices(subscription)} == {"paid", "open"}
    assert world.subscription(subscription).status in ("past_due", "active")
    assert (len(commits), refused) == (3, []), "one for both attempts, and one for each answer"
    assert world.alerts() == []
