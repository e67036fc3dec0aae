"""`billing-worker event …`."""

from datetime import UTC, datetime

import pytest
from cli_helpers import Command

from billing_worker.cli import event
from billing_worker.ports.outgoing import Refusal
from billing_worker.usecases.outgoing import replay
from tests.support.receivers import Merchant
from tests.support.world import World

LATER = datetime(2190, 1, 1, tzinfo=UTC)
"""The commands follow the server's clock, the world its own: what a command makes due is due by then."""

SECRET = "whsec_" + "bmV3IHNlY3JldCBvZiBhdCBsZWFzdCAyNCBieXRlcw=="


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, world: World) -> tuple[Merchant, World]:
    """The commands and this merchant know one address."""
    from billing_worker.adapters.notifier import WebhookNotifier  # noqa: PLC0415 - used here alone

    url = "https://shop.example/events?key=hidden"
    monkeypatch.setenv("BILLING_EVENTS_URL", url)
    monkeypatch.setenv("BILLING_EVENTS_SECRET", SECRET)
    merchant = Merchant(address=WebhookNotifier(url, SECRET).address)
    return merchant, world.with_ports(notifier=merchant)


def test_a_receiver_that_is_gone_is_shown_and_enabled(billing: Command, receiver: tuple[Merchant, World]) -> None:
    merchant, told = receiver
    assert billing("event", "endpoint", "--json").json["status"] == "ok"
    billing("event", "endpoint", "enable").refuses(1, "is not disabled")
    told.subscribe()
    merchant.refuses = lambda _message: Refusal("the receiver answered HTTP 410", gone=True)
    told.deliver()
    shown = billing("event", "endpoint", "--json").json
    assert (shown["status"], shown["last_trouble"]) == ("disabled", "the receiver answered HTTP 410")
    assert shown["url"] == "https://shop.example/events"  # what stands in the query may be a secret
    assert "events_disabled" in billing("alert", "list").out
    assert billing("event", "endpoint", "enable", "--json").json["status"] == "ok"
    assert billing("alert", "list", "--json").json == []
    merchant.refuses = lambda _message: None
    told.clock.advance_to(LATER)
    told.deliver()
    told.deliver()
    assert sorted(kind for _, kind in merchant.got + merchant.alerts) == [
        "alert.closed",
        "alert.opened",
        "subscription.created",
    ]


def test_events_are_listed_shown_and_replayed(billing: Command, receiver: tuple[Merchant, World]) -> None:
    merchant, told = receiver
    assert billing("event", "list").out == "There are no such events.\n"
    subscription = told.subscribe()
    told.settle()
    listed = billing("event", "list", "--subscription", subscription.id, "--json").json
    assert [(each["sequence"], each["status"]) for each in listed] == [
        (3, "delivered"),
        (2, "delivered"),
        (1, "delivered"),
    ]
    assert billing("event", "list", "--type", "invoice.paid", "--json").json == [listed[1]]
    assert billing("event", "list", "--failed", "--json").json == []
    shown = billing("event", "show", listed[1]["id"], "--json").json
    assert shown["data"]["amount"] == 9900
    assert "amount=9900" in billing("event", "show", listed[1]["id"]).out
    assert billing("event", "replay", listed[1]["id"], "--json").json["replays"] == 1

    billing("event", "replay").refuses(2, "either one event or a range")
    billing("event", "replay", listed[1]["id"], "--failed").refuses(2, "either one event or a range")
    billing("event", "replay", "--since", "yesterday", "--yes").refuses(2, "since", "yesterday")
    billing("event", "replay", "--type", "invoice.paid").refuses(2, "--yes")
    billing("event", "show", "evt_none").refuses(1, "evt_none", "event list")
    assert billing("event", "replay", "--since", "2026-01-01", "--yes", "--json").json == {"replayed": 2}  # one waits
    told.clock.advance_to(LATER)
    told.deliver()
    assert merchant.asked[-1] == listed[2]["id"]  # in their order again


def test_a_replay_of_the_most_that_goes_at_once_says_that_there_may_be_more(
    billing: Command, receiver: tuple[Merchant, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, world = receiver
    world.subscribe()
    world.settle()
    world.deliver()
    for module in (replay, event):
        monkeypatch.setattr(module, "MOST_EVENTS", 1)
    said = billing("event", "replay", "--since", "2026-01-01", "--yes", "--json").json
    assert said == {"replayed": 1, "perhaps_more": True}
    assert "later --since" in billing("event", "replay", "--since", "2026-01-01", "--yes").out


def test_without_a_receiver_the_way_out_is_named(billing: Command) -> None:
    billing("event", "endpoint").refuses(1, "BILLING_EVENTS_URL is not set")
