"""Further cards with a recorded consent: in order, each once, never two at a time, only where the main one fails."""

from datetime import datetime, timedelta

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.card import CardFacts
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.fallback import FallbackKey
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect, retry
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.key import expiry, reactivate
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription import replace_key
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback
from tests.faults.test_two_workers_race import at_once
from tests.support.gateways import Around, loses_the_reply
from tests.support.world import World

DAY = timedelta(days=1)
CLAUSE = "terms 2026-03, clause 4"


def back(world: World, subscription: Subscription, key: BillingKey, **more: object) -> FallbackKey:
    """Add a fallback key with a consent of an hour ago."""
    said = {"consented_at": world.clock.now() - timedelta(hours=1), "consent": CLAUSE, "allow_same_card": True} | more
    return add_fallback(world.ports, NewFallback(subscription.id, key.id, **said))  # type: ignore[arg-type] # as given


def backed(world: World, *behaviours: str, days: tuple[int, ...] = (1, 3)) -> tuple[Subscription, list[BillingKey]]:
    """A subscription whose cards behave like this, the main one first."""
    main, *others = [world.key(behaviour) for behaviour in behaviours]
    subscription = world.subscribe(key=main, plan=world.plan(dunning_days=days))
    for key in others:
        back(world, subscription, key)
    return subscription, [main, *others]


def lose(world: World, key: BillingKey) -> None:
    """The key dies, as by the decline of another charge."""
    with world.ports.database.transaction() as uow:
        dying = uow.keys.lock(key.id)
        dying.invalidate("reported lost")
        uow.keys.save(dying)
        uow.announce([of_key(EventType.BILLING_KEY_INVALID, dying, reason="reported lost")], world.ports.clock.moment())
        uow.commit()


def charged_on(world: World, subscription: Subscription) -> list[str]:
    """The keys of its attempts, the oldest first."""
    return [attempt.billing_key_id for each in world.invoices(subscription) for attempt in world.attempts(each)]


def told(world: World, kind: str) -> list[dict]:
    return [
        row["data"] for row in world.rows("SELECT data FROM outbox WHERE type = :kind ORDER BY sequence", kind=kind)
    ]


def test_a_hard_decline_is_followed_by_the_next_key_at_once_which_becomes_the_main_one(world: World) -> None:
    subscription, (main, other) = backed(world, "decline-stolen", "ok")
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, charged_on(world, subscription)) == ("paid", [main.id, other.id])
    assert len(world.money(invoice)) == 1
    assert world.subscription(subscription).billing_key_id == other.id
    failed, paid = told(world, "invoice.payment_failed"), told(world, "invoice.paid")
    assert (failed[0]["billing_key_id"], failed[0]["next_billing_key_id"]) == (main.id, other.id)
    assert failed[0]["next_attempt_at"] == world.clock.now().isoformat()
    assert paid[0]["billing_key_id"] == other.id
    (changed,) = told(world, "subscription.key_changed")
    assert (changed["billing_key_id"], changed["previous_billing_key_id"]) == (other.id, main.id)
    assert world.rows("SELECT actor FROM actions WHERE verb = 'subscription.key_replaced'") == [{"actor": "dunning"}]
    assert world.rows("SELECT ended_because FROM fallback_keys") == [{"ended_because": "main"}]
    world.assert_books_agree()


def test_why_tells_of_the_card_that_is_charged_next(world: World) -> None:
    subscription, (main, other) = backed(world, "decline-stolen", "decline-limit")
    world.settle()
    assert (world.key_now(main).status, world.invoice(subscription).billing_key_id) == ("invalid", other.id)
    told = why(world.ports, subscription.id)
    assert "Not paid yet: it declined" in told.answer
    assert told.next.startswith("The next try is on")
    assert told.ways_out == []


def test_a_retry_after_dunning_that_goes_on_to_another_card_has_no_second_final_action(world: World) -> None:
    main, other = world.key("decline-limit"), world.key("decline-limit")
    plan = world.plan(interval="day", dunning_policy=world.policy("1d"))
    subscription = world.subscribe(key=main, plan=plan)
    world.run_until(world.clock.now() + 2 * DAY)
    first, second = world.invoices(subscription)
    assert (first.status, second.status) == ("uncollectible", "uncollectible")
    world.sandbox.rule("ok", customer_uid=main.customer_uid, times=1)
    retry.retry_now(world.ports, second.id)
    world.settle()
    assert world.subscription(subscription).status == "active"
    back(world, subscription, other)
    retry.retry_now(world.ports, first.id)
    world.settle()
    tried = world.attempts(first)[first.attempts :]
    assert [attempt.billing_key_id for attempt in tried] == [main.id, other.id]
    first = world.now_of(first)
    assert (first.status, first.declines, first.billing_key_id) == ("uncollectible", 2, main.id)
    assert world.subscription(subscription).status == "active"
    assert world.events().count("subscription.unpaid") == 1


def test_a_soft_decline_waits_for_the_policy_on_the_same_card(world: World) -> None:
    subscription, (main, other) = backed(world, "decline-limit-1x", "ok")
    world.settle()
    assert charged_on(world, subscription) == [main.id]
    world.run_until(world.clock.now() + DAY)
    assert charged_on(world, subscription) == [main.id, main.id]
    assert world.subscription(subscription).billing_key_id == main.id
    assert not world.money(other)


def test_after_the_last_step_the_fallbacks_follow_in_order_and_the_main_card_stays(world: World) -> None:
    subscription, (main, first, second) = backed(world, "decline-limit-3x", "decline-balance", "ok")
    world.run_until(world.clock.now() + 5 * DAY)
    assert charged_on(world, subscription) == [main.id] * 3 + [first.id, second.id]
    assert world.subscription(subscription).status == "active"
    assert world.subscription(subscription).billing_key_id == main.id
    assert told(world, "invoice.paid")[0]["billing_key_id"] == second.id
    assert not told(world, "subscription.key_changed")
    world.run_until(world.clock.now() + 31 * DAY, 31 * DAY)
    assert charged_on(world, subscription)[-1] == main.id  # the next period begins with the main card again
    world.assert_books_agree()


def test_all_keys_that_are_declined_end_dunning_as_without_any(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-limit", "decline-limit", days=(1,))
    world.run_until(world.clock.now() + 3 * DAY)
    assert charged_on(world, subscription) == [main.id, main.id, first.id]
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.billing_key_id) == ("uncollectible", main.id)
    assert world.subscription(subscription).status == "unpaid"
    retry.retry_now(world.ports, invoice.id)
    world.settle()
    assert charged_on(world, subscription)[3:] == [main.id]  # and not once more on the other
    world.assert_books_agree()


def test_when_all_keys_are_dead_it_waits_for_a_card_as_long_as_dunning_would_last(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-stolen", "decline-expired")
    world.settle()
    invoice = world.invoice(subscription)
    assert charged_on(world, subscription) == [main.id, first.id]
    assert (invoice.status, invoice.awaits_key, invoice.billing_key_id) == ("open", True, main.id)
    told_next = [each["next_billing_key_id"] for each in told(world, "invoice.payment_failed")]
    assert told_next == [first.id, None]
    assert invoice.next_attempt_at == world.clock.now() + 3 * DAY
    new = world.key("ok")
    replace_key.replace_key(world.ports, subscription.id, new.id)
    world.settle()
    assert (world.invoice(subscription).status, len(world.money(invoice))) == ("paid", 1)
    world.assert_books_agree()


def test_another_card_of_the_customer_is_tried_at_once_on_all_that_is_owed_also_with_fallbacks(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-limit", "decline-stolen", days=())
    world.settle()
    assert world.invoice(subscription).status == "uncollectible"
    new = world.key("ok")
    replace_key.replace_key(world.ports, subscription.id, new.id)
    world.settle()
    assert charged_on(world, subscription) == [main.id, first.id, new.id]
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


def test_a_key_that_portone_no_longer_knows_hands_over_and_asks_for_a_card_when_none_is_left(world: World) -> None:
    subscription, (main, first) = backed(world, "ok", "ok")
    world.ports.gateway.delete_key(main.customer_uid, "by a clerk")
    world.settle()
    assert charged_on(world, subscription) == [main.id, first.id]
    assert told(world, "billing_key.invalid")[0]["billing_key_id"] == main.id
    assert told(world, "invoice.payment_failed")[0]["decline_category"] == "key_gone"
    assert world.subscription(subscription).billing_key_id == first.id
    world.ports.gateway.delete_key(first.customer_uid, "by a clerk")
    world.run_until(world.clock.now() + 31 * DAY, 31 * DAY)
    failed = told(world, "invoice.payment_failed")[-1]
    assert (failed["decline_category"], failed["decline_advice"]) == ("key_gone", "another_card")
    assert world.invoices(subscription)[-1].awaits_key
    assert "another" in why(world.ports, subscription.id).next
    world.assert_books_agree()


def test_while_the_outcome_on_a_fallback_is_unknown_no_other_key_is_charged(world: World) -> None:
    subscription, (main, first, second) = backed(world, "decline-stolen", "drop-after-charge", "ok")
    world.collect()
    world.renew_and_charge()
    world.collect()
    invoice = world.invoice(subscription)
    assert [each.status for each in world.attempts(invoice)] == ["declined", "unknown"]
    lose(world, first)
    world.settle()
    assert charged_on(world, subscription) == [main.id, first.id]
    world.resolve()
    assert world.invoice(subscription).status == "paid"
    assert charged_on(world, subscription) == [main.id, first.id]
    assert len(world.money(invoice)) == 1
    assert not world.ledger(second)
    world.assert_books_agree()


def test_a_key_that_died_before_its_turn_is_left_out(world: World) -> None:
    subscription, (main, first, second) = backed(world, "decline-stolen", "ok", "ok")
    world.renew_and_charge()
    lose(world, first)
    world.settle()
    assert charged_on(world, subscription) == [main.id, second.id]
    assert "invoice.paid" in world.events()


def test_the_last_fallback_that_died_before_its_turn_leaves_the_invoice_to_the_main_card(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-limit", "ok", days=())
    world.renew_and_charge()
    assert world.invoice(subscription).billing_key_id == first.id
    lose(world, first)
    world.settle()
    invoice = world.invoice(subscription)
    assert (charged_on(world, subscription), invoice.status) == ([main.id], "uncollectible")
    assert invoice.billing_key_id == main.id


def test_a_main_card_that_died_elsewhere_is_passed_over(world: World) -> None:
    subscription, (main, first) = backed(world, "ok", "ok")
    world.subscribe(key=main, customer=subscription.customer, plan=world.plan(), start=world.clock.now() + DAY)
    lose(world, main)
    world.settle()
    assert charged_on(world, subscription) == [first.id]
    assert "invoice.payment_failed" not in world.events()
    assert world.subscription(subscription).billing_key_id == first.id
    world.assert_books_agree()


def test_two_workers_with_one_invoice_charge_one_key(world: World, another_process) -> None:
    other = another_process()
    for _ in range(4):
        subscription, _keys = backed(world, "decline-stolen", "ok")
        world.renew_and_charge()
        (ident,) = collect.due(world.ports, 10)
        calls = at_once(
            lambda ident=ident: collect.collect(world.ports, [ident]),
            lambda ident=ident: collect.collect(other.ports, [ident]),
        )
        assert sorted(calls) == [0, 1]
        assert len(world.money(world.invoice(subscription))) == 1
    world.assert_books_agree()


def test_a_customer_who_gives_another_card_while_a_fallback_is_charged_is_charged_once(world: World) -> None:
    new = world.key("ok")
    subscription, (main, first) = backed(world, "decline-stolen", "decline-limit")

    def meanwhile(gateway: Gateway, request: ChargeRequest) -> Outcome:
        outcome = gateway.charge(request)
        if request.customer_uid == first.customer_uid:
            replace_key.replace_key(world.ports, subscription.id, new.id)
        return outcome

    world.with_ports(gateway=Around(world.ports.gateway, on_charge=meanwhile)).settle()
    assert charged_on(world, subscription) == [main.id, first.id, new.id]
    assert world.subscription(subscription).billing_key_id == new.id
    assert len(world.money(world.invoice(subscription))) == 1
    world.assert_books_agree()


def test_a_lost_answer_on_a_fallback_promotes_it_when_it_is_found_paid(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-stolen", "ok")

    def loses(gateway: Gateway, request: ChargeRequest) -> Outcome:
        return (
            loses_the_reply(gateway, request) if request.customer_uid == first.customer_uid else gateway.charge(request)
        )

    world.with_ports(gateway=Around(world.ports.gateway, on_charge=loses)).settle()
    world.resolve()
    assert world.subscription(subscription).billing_key_id == first.id
    assert charged_on(world, subscription) == [main.id, first.id]
    assert len(world.money(world.invoice(subscription))) == 1


# -- the consent and the order


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"consent": None}, "consent"),
        ({"consent": "  "}, "consent"),
        ({"consent": "x" * 501}, "consent"),
        ({"consent": "card 4242-4242-4242-4242"}, "consent"),
        ({"consented_at": None}, "consented_at"),
        ({"consented_at": datetime(2026, 1, 1)}, "consented_at"),  # noqa: DTZ001 - what the test is about
        ({"consented_at": datetime.fromisoformat("2199-01-01T00:00:00+09:00")}, "consented_at"),
    ],
)
def test_without_a_consent_no_key_is_added(world: World, wrong: dict, field: str) -> None:
    subscription, _ = backed(world, "ok")
    with pytest.raises(InvalidInput) as refused:
        back(world, subscription, world.key(), **wrong)
    assert refused.value.field == field
    assert world.rows("SELECT * FROM fallback_keys") == []


def test_a_repeat_adds_nothing_and_another_consent_is_a_conflict(world: World) -> None:
    subscription, (_, first) = backed(world, "ok", "ok")
    assert back(world, subscription, first).id == back(world, subscription, first).id
    with pytest.raises(Conflict, match="with another consent"):
        back(world, subscription, first, consent="clause 5")
    assert world.rows("SELECT count(*) AS n FROM fallback_keys") == [{"n": 1}]
    assert world.rows("SELECT count(*) AS n FROM actions WHERE verb = 'subscription.fallback_added'") == [{"n": 1}]


def test_what_cannot_be_charged_for_it_is_no_fallback(world: World) -> None:
    subscription, (main, *_) = backed(world, "ok", "ok", "ok", "ok", "ok")
    with pytest.raises(Conflict, match="4 fallback keys already"):
        back(world, subscription, world.key())
    other = world.subscribe()
    with pytest.raises(Conflict, match="main card"):
        back(world, subscription, main)
    theirs = world.subscribe()
    with world.ports.database.transaction() as uow:
        stranger = uow.keys.get(theirs.billing_key_id)
    with pytest.raises(Conflict, match="card of another customer"):
        back(world, other, stranger)
    with pytest.raises(Conflict, match="is pending"):
        back(world, other, world.known_key(world.uid("unknown-to-portone")))
    with pytest.raises(InvalidInput, match="no such billing key"):
        add_fallback(world.ports, NewFallback(other.id, "key_x", consented_at=world.clock.now(), consent="c"))
    with pytest.raises(NotFound):
        add_fallback(world.ports, NewFallback("sub_x", main.id, consented_at=world.clock.now(), consent="c"))
    world.cancel(other)
    with pytest.raises(Conflict, match="is canceled"):
        back(world, other, world.key())


def test_a_key_of_one_customer_is_no_other_customer_s_card(world: World) -> None:
    subscription, (main, first) = backed(world, "ok", "ok")
    for key in (main, first):
        with pytest.raises(Conflict, match="the card of another customer"):
            world.subscribe(key=key, customer="kim")
    with pytest.raises(Conflict, match="the card of another customer"):
        replace_key.replace_key(world.ports, world.subscribe().id, first.id)
    assert world.subscribe(key=main, customer=subscription.customer).billing_key_id == main.id


def test_two_keys_that_show_one_card_are_refused_unless_they_are_two(world: World) -> None:
    subscription, (main,) = backed(world, "ok")
    other = world.key()
    with world.ports.database.transaction() as uow:
        for key_id in (main.id, other.id):
            key = uow.keys.lock(key_id)
            key.card = CardFacts("신한카드", "366", "9512")
            uow.keys.save(key)
        uow.commit()
    with pytest.raises(Conflict, match="show one card"):
        back(world, subscription, other, allow_same_card=False)
    assert back(world, subscription, other).position == 1


def test_a_removed_key_is_not_charged_and_its_consent_stays(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-stolen", "ok")
    world.renew_and_charge()
    remove_fallback(world.ports, subscription.id, first.id)
    remove_fallback(world.ports, subscription.id, first.id)
    world.settle()
    assert charged_on(world, subscription) == [main.id]
    assert world.rows("SELECT consent, ended_because FROM fallback_keys") == [
        {"consent": CLAUSE, "ended_because": "removed"}
    ]
    with pytest.raises(NotFound):
        remove_fallback(world.ports, subscription.id, main.id)
    assert back(world, subscription, first).position == 2


def test_a_key_that_is_added_while_a_card_is_awaited_is_charged_at_once(world: World) -> None:
    subscription, (main,) = backed(world, "decline-stolen")
    world.settle()
    assert world.invoice(subscription).awaits_key
    first = world.key("ok")
    back(world, subscription, first)
    world.settle()
    assert charged_on(world, subscription) == [main.id, first.id]
    assert world.invoice(subscription).status == "paid"


def test_a_fallback_that_is_reactivated_is_charged_for_what_waits(world: World) -> None:
    subscription, (main, first) = backed(world, "decline-stolen", "decline-stolen-1x")
    world.settle()
    assert world.invoice(subscription).awaits_key
    reactivate.reactivate(world.ports, first.id)
    world.settle()
    assert charged_on(world, subscription) == [main.id, first.id, first.id]
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


def test_a_fallback_that_becomes_the_main_card_by_hand_is_none_any_more(world: World) -> None:
    subscription, (_, first) = backed(world, "ok", "ok")
    replace_key.replace_key(world.ports, subscription.id, first.id)
    assert world.rows("SELECT ended_because FROM fallback_keys") == [{"ended_because": "main"}]


def test_a_key_that_backs_a_subscription_is_not_deleted(world: World) -> None:
    subscription, (_, first) = backed(world, "ok", "ok")
    with pytest.raises(Conflict, match="remove-fallback"):
        request_delete(world.ports, first.id, "asked for")
    remove_fallback(world.ports, subscription.id, first.id)
    assert request_delete(world.ports, first.id, "asked for") is not None


def test_why_names_the_order_and_the_consent(world: World) -> None:
    subscription, (_, first) = backed(world, "ok", "ok")
    expiry.set_expiry(world.ports, first.id, f"{world.clock.now():%Y-%m}")
    told_by = why(world.ports, subscription.id)
    assert f"Its fallback 1 is {first.id}, which is active: the customer agreed on" in told_by.answer
    assert CLAUSE in told_by.answer
