"""Webhooks: whatever they say, in whatever order and number, the gateway's books decide."""

import itertools
from datetime import timedelta

import pytest

from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.incoming import apply, receive
from tests.support.gateways import Around, loses_the_reply
from tests.support.sandbox import Row
from tests.support.world import World


def note_of(world: World) -> tuple[str, str]:
    (row,) = world.rows("SELECT status, note FROM inbox ORDER BY id DESC LIMIT 1")
    return row["status"], row["note"]


def lost(world: World, behaviour: str = "ok") -> tuple[Subscription, Row]:
    """A subscription whose first charge was placed without an answer, and its row in the ledger."""
    subscription = world.subscribe(behaviour)
    world.with_ports(gateway=Around(world.ports.gateway, loses_the_reply)).settle()
    (row,) = world.ledger(world.invoice(subscription))
    return subscription, row


@pytest.mark.fm("E1")
def test_a_webhook_that_comes_shortly_before_our_answer_lets_it_come_first(world: World) -> None:
    def webhook_first(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        (row,) = world.ledger()
        world.webhook(row["imp_uid"], row["merchant_uid"])
        assert world.apply() == 0
        return outcome

    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, webhook_first)).settle()
    assert world.attempt(world.invoice(subscription)).status == "approved"
    world.clock.advance(seconds=10)
    world.settle()
    assert world.rows("SELECT status FROM inbox") == [{"status": "applied"}]
    assert world.events().count("invoice.paid") == 1
    world.assert_books_agree()


@pytest.mark.fm("E1")
def test_a_webhook_that_comes_long_before_our_answer_settles_and_the_answer_is_no_news(world: World) -> None:
    def webhook_first(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        (row,) = world.ledger()
        world.webhook(row["imp_uid"], row["merchant_uid"])
        world.clock.advance(seconds=5)
        assert world.apply() == 1
        assert world.invoice(subscription).status == "paid"
        return outcome

    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, webhook_first)).settle()
    assert world.attempt(world.invoice(subscription)).status == "approved"
    assert world.events().count("invoice.paid") == 1
    world.assert_books_agree()


@pytest.mark.fm("E2")
@pytest.mark.fm("E22")
def test_a_webhook_that_comes_after_our_answer_changes_nothing(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    before, events = world.invoice(subscription), world.events()
    (row,) = world.ledger()
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.settle()
    assert world.invoice(subscription) == before
    assert world.events() == events
    assert note_of(world)[0] == "applied"


def test_a_webhook_finds_the_payment_whose_answer_was_lost(world: World) -> None:
    subscription, row = lost(world)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.settle()
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


@pytest.mark.fm("E3")
def test_without_any_webhook_everything_ends_the_same(world: World) -> None:
    subscription = world.subscribe("webhook-never")
    other, _ = lost(world)
    world.resolve()
    assert {world.invoice(one).status for one in (subscription, other)} == {"paid"}


@pytest.mark.fm("E4")
def test_a_webhook_a_hundred_times_over_is_one_row_and_one_read(world: World) -> None:
    subscription, row = lost(world)
    ids = {world.webhook(row["imp_uid"], row["merchant_uid"]) for _ in range(100)}
    assert len(ids) == 1
    seen = world.sandbox.requests(f"/payments/{row['imp_uid']}")
    world.settle()
    assert len(world.sandbox.requests(f"/payments/{row['imp_uid']}")) == len(seen) + 1
    (stored,) = world.rows("SELECT deliveries, status FROM inbox")
    assert stored == {"deliveries": 100, "status": "applied"}
    assert world.invoice(subscription).status == "paid"


def test_a_webhook_that_was_applied_is_not_applied_again(world: World) -> None:
    _, row = lost(world)
    message = world.webhook(row["imp_uid"], row["merchant_uid"])
    apply.apply(world.ports, message)
    events = world.events()
    assert apply.apply(world.ports, message).note == "applied before"
    assert world.events() == events


@pytest.mark.fm("E5")
@pytest.mark.parametrize("order", list(itertools.permutations(["failed", "paid", "cancelled"])))
def test_in_any_order_notifications_lead_to_the_truth_of_the_gateway(world: World, order: tuple[str, ...]) -> None:
    subscription, row = lost(world)
    for status in order:
        world.webhook(row["imp_uid"], row["merchant_uid"], status)
        world.settle()
    assert world.invoice(subscription).status == "paid"
    assert len(world.attempts(world.invoice(subscription))) == 1
    world.assert_books_agree()


@pytest.mark.fm("E7")
def test_a_forged_paid_webhook_for_a_failed_payment_changes_nothing(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    (row,) = world.ledger()
    before = world.invoice(subscription)
    world.webhook(row["imp_uid"], row["merchant_uid"], "paid")
    world.settle()
    assert world.invoice(subscription) == before


@pytest.mark.fm("E7")
@pytest.mark.fm("E18")
def test_a_forged_webhook_cannot_silence_the_genuine_one_that_comes_later(world: World) -> None:
    """The same words, first as a lie and then as the truth: stored once, they must be read once more."""
    subscription = world.subscribe("decline-system")
    world.settle()
    (row,) = world.ledger()
    world.webhook(row["imp_uid"], row["merchant_uid"], "paid")
    world.settle()
    assert world.invoice(subscription).status == "open"
    world.sandbox.control("/operator/pay", imp_uid=row["imp_uid"])
    world.webhook(row["imp_uid"], row["merchant_uid"], "paid")
    world.clock.advance(seconds=5)
    world.settle()
    assert world.invoice(subscription).status == "paid"


@pytest.mark.fm("E5")
@pytest.mark.fm("E18")
@pytest.mark.parametrize(("told", "then"), [("paid", "/operator/pay"), ("cancelled", "/operator/cancel")])
def test_a_webhook_that_is_ahead_of_the_books_is_read_again_until_they_have_caught_up(
    world: World, told: str, then: str
) -> None:
    subscription = world.subscribe("decline-system" if told == "paid" else "ok")
    world.settle()
    (row,) = world.ledger()
    world.webhook(row["imp_uid"], row["merchant_uid"], told)
    world.settle()
    assert note_of(world)[0] == "received"
    world.sandbox.control(then, imp_uid=row["imp_uid"])
    world.clock.advance(seconds=5)
    world.apply()
    assert note_of(world)[0] == "applied"
    assert world.invoice(subscription).status == "paid"
    assert [alert.kind for alert in world.alerts()] == ([] if told == "paid" else ["cancelled_elsewhere"])


def without_a_status(world: World, row: Row) -> None:
    payload = {"imp_uid": row["imp_uid"], "merchant_uid": row["merchant_uid"]}
    receive.receive(world.ports, receive.PORTONE, f"{row['imp_uid']}|||{row['merchant_uid']}", payload)


@pytest.mark.parametrize("behaviour", ["ok", "decline-limit"])
def test_a_webhook_without_a_status_finds_the_payment_whose_answer_was_lost(world: World, behaviour: str) -> None:
    subscription, row = lost(world, behaviour)
    without_a_status(world, row)
    world.apply()
    assert note_of(world)[0] == "applied"
    assert world.attempt(world.invoice(subscription)).status == ("approved" if behaviour == "ok" else "declined")
    without_a_status(world, row)
    assert world.rows("SELECT deliveries FROM inbox") == [{"deliveries": 2}]
    world.settle()
    world.assert_books_agree()


@pytest.mark.fm("E7")
@pytest.mark.parametrize(("behaviour", "told"), [("decline-limit", "paid"), ("ok", "cancelled")])
def test_a_forged_webhook_of_our_own_payment_is_read_a_few_times_and_let_go(
    world: World, behaviour: str, told: str
) -> None:
    subscription = world.subscribe(behaviour)
    world.settle()
    (row,) = world.ledger()
    before, events = world.invoice(subscription), world.events()
    world.webhook(row["imp_uid"], row["merchant_uid"], told)
    seen = len(world.sandbox.requests(f"/payments/{row['imp_uid']}"))
    for _ in range(10):
        world.apply()
        world.clock.advance(minutes=10)
    assert len(world.sandbox.requests(f"/payments/{row['imp_uid']}")) == seen + 6
    status, note = note_of(world)
    assert status == "ignored"
    assert f"says {told}" in note
    assert (world.invoice(subscription), world.events()) == (before, events)
    assert world.alerts() == []


@pytest.mark.parametrize("word", ["a_new_word", "refunded", "ready", "x"])
def test_an_unknown_status_word_is_read_like_any_other(world: World, word: str) -> None:
    subscription, row = lost(world)
    world.webhook(row["imp_uid"], row["merchant_uid"], word)
    world.apply()
    assert note_of(world)[0] == "applied"
    assert world.invoice(subscription).status == "paid"
    (entry,) = world.rows("SELECT subject_id, answer FROM inbox")
    assert entry["subject_id"] == world.invoice(subscription).id
    assert '"paid"' in entry["answer"]["body"]


@pytest.mark.fm("E8")
def test_a_forged_webhook_that_names_a_real_payment_of_another_order_is_ignored_with_an_alert(world: World) -> None:
    rich = world.subscribe("decline-limit", plan=world.plan(990_000))
    poor = world.subscribe(plan=world.plan(100))
    world.settle()
    (small,) = world.money()
    world.webhook(small["imp_uid"], world.invoice(rich).merchant_uid)
    world.settle()
    assert (world.invoice(rich).status, world.invoice(poor).status) == ("open", "paid")
    assert note_of(world)[0] == "ignored"
    for number in range(3):
        world.webhook(small["imp_uid"], f"made-up-{number}")
    world.settle()
    # One alert, for any number of orders that a forger invents for one payment.
    assert [alert.kind for alert in world.alerts()] == ["webhook_mismatch"]


@pytest.mark.fm("E6")
def test_a_webhook_about_an_unknown_payment_is_asked_about_for_a_while_and_then_let_go(world: World) -> None:
    world.webhook("imp_000000000000", "nobodysorder")
    tries = []
    for _ in range(30):
        world.settle()
        (row,) = world.rows("SELECT tries, status, next_try_at FROM inbox")
        if row["status"] == "ignored":
            break
        tries.append((row["next_try_at"] - world.clock.now()).total_seconds())
        world.clock.advance_to(row["next_try_at"])
    assert tries == [5, 10, 20], "made up: let go after a few tries"
    assert note_of(world) == ("ignored", "the gateway knows no such payment")
    assert world.rows("SELECT * FROM invoices") == []


@pytest.mark.fm("E6")
def test_a_payment_that_this_worker_did_not_make_is_ignored(world: World) -> None:
    key = world.key()
    paid = world.sandbox.control(
        "/operator/pay", merchant_uid=f"{world.environment}shop1", customer_uid=key.customer_uid, amount=500
    )
    world.webhook(paid["imp_uid"], paid["merchant_uid"])
    world.settle()
    assert note_of(world) == ("ignored", "a payment that this worker did not make")


def test_while_the_gateway_cannot_be_read_a_webhook_waits(world: World) -> None:
    subscription, row = lost(world)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    with world.sandbox.outage("error503", "read"):
        world.apply()
        assert note_of(world)[0] == "received"
        assert world.invoice(subscription).status == "open"
    world.clock.advance(seconds=5)
    world.apply()
    assert note_of(world)[0] == "applied"
    assert world.invoice(subscription).status == "paid"


@pytest.mark.fm("E18")
@pytest.mark.fm("L11")
@pytest.mark.parametrize("days", [0, 3, 20])
def test_a_decline_that_turns_into_a_payment_days_later_settles_and_reactivates(world: World, days: int) -> None:
    subscription = world.subscribe("decline-system")
    world.run_until(world.clock.now() + timedelta(days=days))
    row = world.ledger()[-1]
    world.sandbox.control("/operator/pay", imp_uid=row["imp_uid"])
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.settle()
    assert world.invoices(subscription)[0].status == "paid"
    assert world.subscription(subscription).status == "active"
    assert world.alerts() == []
    world.run_until(world.clock.now() + timedelta(days=8))
    assert len(world.money(world.invoices(subscription)[0])) == 1


@pytest.mark.fm("E18")
def test_a_late_approval_after_a_retry_was_paid_is_surplus_and_is_given_back(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.run_until(world.clock.now() + timedelta(days=1))
    invoice = world.invoice(subscription)
    assert invoice.status == "paid"
    first = world.ledger(invoice)[0]
    world.sandbox.control("/operator/pay", imp_uid=first["imp_uid"])
    world.webhook(first["imp_uid"], first["merchant_uid"])
    world.apply()
    assert len(world.money(invoice)) == 2
    assert [attempt.surplus for attempt in world.attempts(invoice)] == [True, False]
    assert [(alert.kind, alert.subject_id) for alert in world.alerts()] == [("surplus_payment", invoice.id)]
    world.assert_books_agree()
    world.settle()
    assert [row["imp_uid"] for row in world.money(invoice)] == [world.attempts(invoice)[1].imp_uid]
    assert world.alerts() == []
    assert world.events().count("invoice.paid") == 1
    assert [event for event in world.events() if event.startswith("payment.")] == [
        "payment.surplus",
        "payment.refunded",
    ]
    world.assert_books_agree()


@pytest.mark.fm("C28")
def test_two_payments_under_one_order_id_are_one_settlement_and_one_surplus(world: World) -> None:
    """A gateway that lets two equal charges race: both took money."""

    def doubles(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        (row,) = world.ledger()
        fields = {"merchant_uid": row["merchant_uid"], "customer_uid": row["customer_uid"], "amount": row["amount"]}
        world.sandbox.control("/operator/pay", **fields)
        return outcome

    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, doubles)).settle()
    second = world.ledger()[-1]
    world.webhook(second["imp_uid"], second["merchant_uid"])
    world.settle()
    invoice = world.invoice(subscription)
    assert [(a.status, a.surplus) for a in world.attempts(invoice)] == [("approved", False), ("approved", True)]
    assert [row["imp_uid"] for row in world.money(invoice)] == [world.attempts(invoice)[0].imp_uid]
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("C35")
def test_a_payment_that_an_operator_made_in_the_console_is_adopted_and_dunning_stops(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    invoice = world.invoice(subscription)
    paid = world.sandbox.control("/operator/pay", merchant_uid=invoice.merchant_uid)
    world.webhook(paid["imp_uid"], paid["merchant_uid"])
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, world.subscription(subscription).status) == ("paid", "active")
    assert [attempt.status for attempt in world.attempts(invoice)] == ["declined", "approved"]
    world.run_until(world.clock.now() + timedelta(days=10))
    assert len(world.ledger(invoice)) == 2
    world.assert_books_agree()


@pytest.mark.fm("C35")
def test_a_console_payment_over_another_amount_is_not_adopted_and_stops_charging(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    invoice = world.invoice(subscription)
    paid = world.sandbox.control("/operator/pay", merchant_uid=invoice.merchant_uid, amount=5)
    for _ in range(2):
        world.webhook(paid["imp_uid"], paid["merchant_uid"], f"paid{_}")
        world.settle()
    assert world.invoice(subscription).status == "open"
    assert "mismatch" in [alert.kind for alert in world.alerts()]
    world.run_until(world.clock.now() + timedelta(days=3))
    assert len(world.ledger(invoice)) == 2
    assert len(world.attempts(invoice)) == 2


@pytest.mark.fm("E27")
def test_a_payment_that_was_cancelled_in_the_console_is_shown_to_an_operator(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    (row,) = world.ledger()
    world.sandbox.control("/operator/cancel", imp_uid=row["imp_uid"])
    world.webhook(row["imp_uid"], row["merchant_uid"], "cancelled")
    world.settle()
    assert [alert.kind for alert in world.alerts()] == ["cancelled_elsewhere"]
    assert world.invoice(subscription).status == "paid"
    world.run_until(world.clock.now() + timedelta(days=3))
    assert len(world.ledger()) == 1


@pytest.mark.fm("L11")
def test_a_payment_for_a_canceled_subscription_is_surplus_and_is_given_back(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    world.cancel(subscription)
    invoice = world.invoice(subscription)
    assert invoice.status == "void"
    paid = world.sandbox.control("/operator/pay", merchant_uid=invoice.merchant_uid)
    world.webhook(paid["imp_uid"], paid["merchant_uid"])
    world.settle()
    assert world.invoice(subscription).status == "void"
    assert world.subscription(subscription).status == "canceled"
    assert world.money(invoice) == []
    assert world.alerts() == []


@pytest.mark.fm("E15")
@pytest.mark.fm("E16")
@pytest.mark.fm("E17")
def test_a_notification_that_was_stored_and_never_rung_for_is_found_by_the_scan(world: World) -> None:
    subscription, row = lost(world)
    receive.receive(
        world.ports,
        receive.PORTONE,
        "k",
        {"imp_uid": row["imp_uid"], "merchant_uid": row["merchant_uid"], "status": "x"},
    )
    assert world.apply() == 1
    assert world.invoice(subscription).status == "paid"
