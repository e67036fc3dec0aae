"""Why and report: the books in plain words."""

from datetime import timedelta

import pytest

from billing_worker.domain.errors import InvalidInput, NotFound
from billing_worker.domain.payment import Failed
from billing_worker.ports.lists import Kind
from billing_worker.usecases.control.stop_charging import stop_on_word
from billing_worker.usecases.reading.lists import listed
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.views.insight import Explanation
from billing_worker.usecases.reading.why import why
from tests.support.alerts import offered
from tests.support.gateways import Around, answers, never_arrives
from tests.support.receivers import Merchant
from tests.support.world import World

ZONE = "Asia/Seoul"


def told(world: World, subscription) -> Explanation:
    return why(world.ports, world.invoices(subscription)[0].id)


def test_a_paid_invoice_names_the_payment_and_that_it_is_final(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    found = told(world, subscription)
    assert world.money()[0]["imp_uid"] in found.answer
    assert found.answer.startswith("Paid on 2026-01-31 00:00 UTC")
    assert "not be charged again" in found.next
    assert len(found.history) == 1


def test_an_invoice_that_is_due_and_one_that_is_not(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    assert told(world, subscription).answer == "Due now, and not started yet."


def test_an_invoice_in_dunning_names_the_decline_and_the_next_date(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    found = told(world, subscription)
    assert world.ledger()[0]["fail_reason"] in found.answer
    assert "2026-02-01" in found.next
    assert "may work later" in found.history[0]


def test_an_invoice_on_a_dead_key_names_the_command_that_saves_it(world: World) -> None:
    subscription = world.subscribe("decline-stolen")
    world.settle()
    found = told(world, subscription)
    assert "invalid" in found.answer
    assert f"set-key {subscription.id}" in offered(found)
    assert "2026-02-16" in found.next
    assert "final on this key" in found.history[0]


def test_an_invoice_that_was_given_up_names_the_command_that_tries_again(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=()))
    world.settle()
    found = told(world, subscription)
    assert "gave up after 1 declines" in found.answer
    assert f"invoice retry {world.invoice(subscription).id}" in offered(found)
    assert "No further period is opened" in why(world.ports, subscription.id).next


def test_a_subscription_names_the_next_step_and_the_way_out_of_its_unpaid_invoice(world: World) -> None:
    limited, stolen = world.subscribe("decline-limit"), world.subscribe("decline-stolen")
    world.settle()
    assert "The next try is on 2026-02-01" in why(world.ports, limited.id).next
    found = why(world.ports, stolen.id)
    assert "Given up on 2026-02-16" in found.next
    assert f"set-key {stolen.id}" in offered(found)


def test_a_subscription_that_owes_nothing_names_the_stop_that_holds_it(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    stopped = stop_on_word(world.ports, "all", "amounts look wrong")
    found = why(world.ports, subscription.id)
    assert "amounts look wrong" in found.answer
    assert "charged when it is due once an operator clears the stop" in found.next
    assert f"breaker clear {stopped.stop.id}" in offered(found)


def test_an_unknown_outcome_says_that_nothing_is_charged_meanwhile(world: World) -> None:
    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, never_arrives)).settle()
    found = told(world, subscription)
    assert found.answer.startswith("Not known: attempt 1 was sent")
    assert "charged again" in found.next


def test_a_charge_that_could_not_be_placed_says_so(world: World) -> None:
    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, answers(Failed("connection refused")))).settle()
    found = told(world, subscription)
    assert "could not be placed (connection refused)" in found.answer
    assert "2026-01-31 00:01" in found.next


def test_a_void_invoice_names_the_cancellation(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    world.cancel(subscription)
    assert "canceled before it was paid" in told(world, subscription).answer
    assert "no further period" in why(world.ports, subscription.id).next


def test_a_subscription_tells_its_periods_and_the_next_charge(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="week"))
    world.run_until(world.clock.now() + timedelta(days=7))
    found = why(world.ports, subscription.id)
    assert found.answer == "It is active; 2 periods so far, 0 not paid."
    assert len(found.history) == 2
    assert "2026-02-14" in found.next
    world.cancel(subscription, at_period_end=True)
    assert "ends on 2026-02-14" in why(world.ports, subscription.id).next


def test_an_attempt_a_merchant_uid_and_a_key_lead_to_the_same_story(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    invoice = world.invoice(subscription)
    expected = why(world.ports, invoice.id)
    assert why(world.ports, world.attempt(invoice).id) == expected
    assert why(world.ports, invoice.merchant_uid) == expected
    assert "may be charged since" in why(world.ports, invoice.billing_key_id).answer


def test_alerts_are_told_with_what_they_are_about(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.run_until(world.clock.now() + timedelta(days=1))
    first = world.ledger()[0]
    world.sandbox.control("/operator/pay", imp_uid=first["imp_uid"])
    world.webhook(first["imp_uid"], first["merchant_uid"])
    world.apply()
    (alert,) = told(world, subscription).alerts
    assert alert.startswith("surplus_payment: ")


@pytest.mark.parametrize("ident", ["inv_x", "sub_x", "att_x", "key_x"])
def test_an_id_that_does_not_exist_is_not_found(world: World, ident: str) -> None:
    with pytest.raises(NotFound):
        why(world.ports, ident)


@pytest.mark.parametrize("ident", ["", "x", "hello_world", "주문"])
def test_an_id_of_no_known_kind_is_refused(world: World, ident: str) -> None:
    with pytest.raises(InvalidInput, match="id"):
        why(world.ports, ident)


def test_the_report_adds_up_by_month_of_the_zone_and_by_currency(world: World) -> None:
    world.subscribe(plan=world.plan(1000, interval="week"))
    world.subscribe("decline-limit-1x", plan=world.plan(500))
    world.subscribe(plan=world.plan(250, currency="USD"))
    world.run_until(world.clock.now() + timedelta(days=10))
    found = report(world.ports, ZONE)
    tallies = {(tally.month, tally.currency): tally for tally in found.months}
    january = tallies["2026-01", "KRW"]
    assert (january.invoices, january.paid, january.paid_amount, january.recovered) == (2, 2, 1500, 1)
    assert tallies["2026-01", "USD"].paid_amount == 250
    assert tallies["2026-02", "KRW"].paid_amount == 1000
    assert found.standing.due == found.standing.unknown == 0
    assert sum(row["amount"] for row in world.money() if row["currency"] == "KRW") == 2500


def test_the_month_of_a_report_is_the_month_in_its_zone(world: World) -> None:
    world.subscribe(start=world.clock.now() + timedelta(hours=16))
    world.run_until(world.clock.now() + timedelta(hours=16))
    assert [tally.month for tally in report(world.ports, ZONE).months] == ["2026-02"]
    assert [tally.month for tally in report(world.ports, "UTC").months] == ["2026-01"]


def test_the_standing_counts_what_is_due_in_flight_unknown_waiting_and_in_dunning(world: World) -> None:
    world.subscribe("decline-limit")
    _, key, _ = world.paymentwall_key()
    world.subscribe(key=key)
    world.settle()
    world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, never_arrives)).settle()
    world.subscribe(start=world.clock.now() - timedelta(hours=20))
    world.renew()
    standing = report(world.ports, ZONE).standing
    counts = (standing.due, standing.in_flight, standing.unknown, standing.waiting_for_key, standing.in_dunning)
    assert counts == (1, 0, 1, 1, 1)
    assert standing.oldest_due == world.clock.now() - timedelta(hours=20)


def test_nothing_due_is_invisible(world: World) -> None:
    """A period not opened, an invoice not started, one that cannot be placed, and an unclear one, each with its age."""
    began, gateway = world.clock.now(), world.ports.gateway
    world.subscribe(customer="unclear")
    world.with_ports(gateway=Around(gateway, never_arrives)).settle()
    world.clock.advance(hours=1)
    world.subscribe(customer="unplaced")
    world.with_ports(gateway=Around(gateway, answers(Failed("no token")))).renew_and_charge()
    world.clock.advance(hours=1)
    world.subscribe(customer="started", start=world.clock.now() - timedelta(minutes=30))
    world.renew()
    unopened = world.subscribe(customer="unopened", start=world.clock.now() - timedelta(minutes=20))
    standing = report(world.ports, ZONE).standing
    assert (standing.periods_due, standing.due, standing.unplaced, standing.unknown) == (1, 2, 1, 1)
    assert standing.oldest_unknown == standing.oldest == began
    assert standing.oldest_unplaced == began + timedelta(hours=1)
    assert standing.oldest_period_due == unopened.next_period_start
    assert _customers(world, Kind.SUBSCRIPTIONS, "due") == ["unopened"]
    assert _customers(world, Kind.INVOICES, "due") == ["started", "unplaced"]
    assert _customers(world, Kind.INVOICES, "unplaced") == ["unplaced"]
    assert _customers(world, Kind.INVOICES, "unknown") == ["unclear"]


def _customers(world: World, kind: Kind, wanted: str) -> list[str]:
    """The customers of what a list shows."""
    found = listed(world.ports, kind, {wanted: True}, limit=50).items
    ids = [view.id if kind is Kind.SUBSCRIPTIONS else view.subscription_id for view in found]
    rows = world.rows("SELECT customer FROM subscriptions WHERE id = ANY(:ids)", ids=ids)
    return sorted(row["customer"] for row in rows)


def test_events_are_undelivered_where_a_receiver_waits_for_them(world: World) -> None:
    world.subscribe()
    world.settle()
    assert report(world.ports, ZONE).standing.undelivered_events == 0
    named = world.with_ports(notifier=Merchant(trouble="HTTP 503"))
    assert report(named.ports, ZONE).standing.undelivered_events == len(world.events()) > 0
