import json

import pytest
from cli_helpers import Command

from tests.support.sandbox import Row, Sandbox
from tests.support.world import World


@pytest.fixture
def late(world: World) -> Row:
    """A payment of ours that was declined, and approved later; its webhook has come."""
    world.subscribe("decline-system")
    world.settle()
    (row,) = world.ledger()
    world.sandbox.control("/operator/pay", imp_uid=row["imp_uid"])
    return row


def test_the_inbox_is_listed_shown_and_replayed(
    billing: Command, world: World, late: Row, with_gateway: Sandbox
) -> None:
    assert with_gateway
    assert "No notification matches" in billing("inbox", "list").out
    number = str(world.webhook(late["imp_uid"], late["merchant_uid"]))
    world.webhook("imp_000000000000", "nobodysorder")
    world.pingback("customer-uid-of-somebody", "2", "b77")
    assert len(billing("inbox", "list", "--json").json) == 3
    assert [each["foreign"] for each in billing("inbox", "list", "--foreign", "--json").json] == [True]
    (pingback,) = billing("inbox", "list", "--source", "paymentwall", "--json").json
    assert [pingback["payload"][name] for name in ("type", "ref", "uid")] == ["2", "b77", "cust…ody"]
    assert billing("inbox", "list", "--since", "2100-01-01", "--json").json == []
    shown = billing("inbox", "show", number, "--json").json
    assert (shown["status"], shown["answer"], shown["led_to"]) == ("received", None, None)
    assert shown["payload"]["imp_uid"] == late["imp_uid"]

    replayed = billing("inbox", "replay", number, "--json").json
    assert (replayed["status"], replayed["tries"]) == ("applied", 1)
    (invoice,) = world.rows("SELECT id, status FROM invoices")
    assert (replayed["led_to"], invoice["status"]) == (invoice["id"], "paid")
    answer = billing("inbox", "show", number, "--json").json["answer"]
    assert answer["http_status"] == 200
    assert json.loads(answer["body"])["status"] == "paid"
    text = billing("inbox", "show", number).out
    assert "The gateway's last answer" in text
    events = world.events()
    assert billing("inbox", "replay", number).status == 0
    assert world.events() == events


def test_several_are_replayed_only_on_a_clear_word(billing: Command, world: World) -> None:
    for number in range(3):
        world.pingback(f"customer-uid-{number}", "999", f"b{number}")
    world.apply()
    assert billing("inbox", "replay", "--status", "ignored", "--json").json == {"would_replay": 3}
    assert world.rows("SELECT DISTINCT status FROM inbox") == [{"status": "ignored"}]
    assert billing("inbox", "replay", "--status", "ignored", "--yes", "--json").json == {"replayed": 3}
    assert world.rows("SELECT DISTINCT status, tries FROM inbox") == [{"status": "received", "tries": 0}]
    assert billing("inbox", "replay", "--status", "ignored", "--yes", "--json").json == {"replayed": 0}


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("show", "999"), 1, "inbox list"),
        (("show", "0"), 2, "ID"),
        (("show", "99999999999999999999"), 2, "ID"),
        (("list", "--status", "lost"), 2, "received, applied, ignored"),
        (("list", "--source", "stripe"), 2, "portone, paymentwall"),
        (("list", "--since", "yesterday"), 2, "since"),
        (("replay",), 2, "--status"),
        (("replay", "7", "--status", "ignored"), 2, "not both"),
    ],
)
def test_what_is_wrong_is_one_line(billing: Command, words: tuple[str, ...], status: int, named: str) -> None:
    billing("inbox", *words).refuses(status, named)
