"""`billing-worker refund …`, and what the other commands tell of it."""

import io

import pytest
from cli_helpers import Command

from billing_worker.domain.payment import Unknown
from billing_worker.usecases.refund.refund import refund
from tests.support.gateways import Around
from tests.support.world import World

WHY = ("--reason", "two days without service")


@pytest.fixture
def invoice_id(world: World) -> str:
    subscription = world.subscribe()
    world.settle()
    return world.invoice(subscription).id


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_part_is_asked_for_sent_and_shown_everywhere(billing: Command, world: World, invoice_id: str) -> None:
    made = billing("refund", "create", invoice_id, "--amount", "3000", *WHY, "--json").json
    assert (made["status"], made["amount"], made["currency"], made["cause"]) == ("pending", 3000, "KRW", "requested")
    assert f"Refund {made['id']} over 3,000 KRW is under way." in billing("why", invoice_id).out
    assert "not sent yet" in billing("why", made["id"]).out
    refund(world.ports, made["id"])
    shown = billing("refund", "show", made["id"], "--json").json
    assert (shown["status"], shown["send_count"]) == ("succeeded", 1)
    assert (shown["evidence"]["request"], shown["evidence"]["http_status"]) == ("POST /payments/cancel", 200)
    assert made["id"] in shown["evidence"]["body"]
    text = billing("refund", "show", made["id"]).out
    assert "the gateway's answer" in text
    assert "3,000 KRW" in text
    invoice = billing("invoice", "show", invoice_id, "--json").json
    assert (invoice["refunded"], invoice["refundable"], invoice["status"]) == (3000, 6900, "paid")
    assert [refund["id"] for refund in invoice["refunds"]] == [made["id"]]
    assert [attempt["refunded"] for attempt in invoice["attempts"]] == [3000]
    text = billing("invoice", "show", invoice_id).out
    assert "6,900 KRW" in text
    assert made["id"] in text
    assert "Given back so far: 3,000 KRW; left: 6,900 KRW." in billing("why", invoice_id).out
    assert "Given back: the gateway shows it" in billing("why", made["id"]).out
    [month] = billing("report", "--json").json["months"]
    assert (month["paid_amount"], month["refunded_amount"]) == (9900, 3000)
    assert "3,000 KRW" in billing("report").out


def test_refunds_are_listed_by_status(billing: Command, world: World, invoice_id: str) -> None:
    assert billing("refund", "list").out == "There are no refunds.\n"
    made = billing("refund", "create", invoice_id, "--everything", *WHY, "--json").json
    assert made["amount"] == 9900
    assert [one["id"] for one in billing("refund", "list", "--json").json] == [made["id"]]
    assert billing("refund", "list", "--status", "failed").out == "There are no such refunds.\n"
    refund(world.ports, made["id"])
    assert made["id"] in billing("refund", "list", "--status", "succeeded").out


def test_the_evidence_that_is_shown_is_masked(billing: Command, world: World, invoice_id: str) -> None:
    made = billing("refund", "create", invoice_id, "--everything", *WHY, "--json").json
    assert billing("refund", "show", made["id"], "--json").json["evidence"] is None
    refund(world.ports, made["id"])
    shown = billing("refund", "show", made["id"]).out
    assert "cancel_history" in shown
    assert "imp_secret_sandbox" not in shown


def test_an_unclear_refund_says_so(billing: Command, world: World, invoice_id: str) -> None:
    made = billing("refund", "create", invoice_id, "--amount", "1", *WHY, "--json").json
    lost = Unknown("no answer: the connection was lost")
    losing = world.with_ports(gateway=Around(world.ports.gateway, on_cancel=lambda _gateway, _request: lost))
    refund(losing.ports, made["id"])
    told = billing("why", made["id"], "--json").json
    assert told["answer"] == "Not known: it was sent and its outcome is unclear (no answer: the connection was lost)."
    assert "read again" in told["next"]


def test_the_same_key_again_is_the_same_refund(billing: Command, invoice_id: str) -> None:
    words = ("refund", "create", invoice_id, *WHY, "--idempotency-key", "click-1", "--json")
    made = billing(*words, "--amount", "3000").json
    assert billing(*words, "--amount", "3000").json == made
    billing(*words[:-1], "--amount", "3001").refuses(1, f"click-1 stands for refund {made['id']}")
    billing("refund", "create", invoice_id, "--amount", "1", *WHY).refuses(1, "is not finished yet")


REFUSED = {
    "neither amount nor everything": ((), "say either how much, or everything"),
    "both": (("--amount", "1", "--everything"), "say either how much, or everything"),
    "0": (("--amount", "0"), "must be between 1 and"),
    "less than 0": (("--amount=-5",), "must be between 1 and"),
    "more than was paid": (("--amount", "9901"), "is more than what is left of this payment (9,900 KRW)"),
    "a fraction": (("--amount", "99.5"), "whole number"),
    "a comma": (("--amount", "3,000"), "whole number"),
    "words": (("--amount", "all"), "whole number"),
    "beyond all sense": (("--amount", "9" * 40), "whole number"),
}


def test_bad_amounts_are_one_clear_line_and_refund_nothing(billing: Command, invoice_id: str) -> None:
    for case, (words, problem) in REFUSED.items():
        billing("refund", "create", invoice_id, *words, *WHY).refuses(2, "amount: ", problem)
        assert billing("refund", "create", invoice_id, *words, *WHY, "--json").error["field"] == "amount", case
    assert billing("refund", "list", "--json").json == []


def test_other_bad_input_is_one_clear_line(billing: Command, invoice_id: str) -> None:
    create = ("refund", "create", invoice_id, "--amount", "1")
    billing(*create).refuses(2, "--reason")
    billing(*create, "--reason", " ").refuses(2, "reason: must have 1 to 100 characters")
    billing(*create, *WHY, "--attempt", "att_x").refuses(2, "attempt_id: is no payment of invoice")
    billing(*create, *WHY, "--idempotency-key", "x" * 256).refuses(2, "idempotency_key: must have 1 to 255 characters")
    billing("refund", "create", "inv_x", "--amount", "1", *WHY).refuses(1, "no invoice 'inv_x'", "invoice list")
    billing("refund", "show", "rfd_x").refuses(1, "no refund 'rfd_x'", "refund list")
    billing("why", "rfd_x").refuses(1, "no refund 'rfd_x'", "refund list")
    billing("refund", "list", "--status", "lost").refuses(2, "succeeded")


def test_an_unpaid_invoice_has_nothing_to_give_back(billing: Command, world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    words = ("refund", "create", world.invoice(subscription).id, "--everything", *WHY)
    billing(*words).refuses(1, "has no payment that could be given back")


@pytest.mark.parametrize(("typed", "meant"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_an_operator_at_a_terminal_is_asked_and_sees_what_is_left(
    billing: Command, invoice_id: str, monkeypatch: pytest.MonkeyPatch, typed: str, *, meant: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    said = billing("refund", "create", invoice_id, "--amount", "3000", *WHY)
    assert said.status == (0 if meant else 130)
    assert "Give back 3,000 KRW of payment" in said.err
    assert "(9,900 KRW left)?" in said.err
    assert len(billing("refund", "list", "--json").json) == int(meant)


def test_yes_asks_nothing(billing: Command, invoice_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    said = billing("refund", "create", invoice_id, "--everything", *WHY, "--yes")
    assert (said.status, said.err) == (0, "")
    assert "9,900 KRW is pending" in said.out
