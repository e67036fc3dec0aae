"""PortOneGateway against the real sandbox process: what the gateway concludes must agree with the sandbox's books.

What any gateway must do is in test_every_gateway_keeps_the_contract.py; here is what only V1 has.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.money import Money
from billing_worker.domain.payment import (
    Approved,
    ChargeRequest,
    Declined,
    Failed,
    Outcome,
    PaymentStatus,
    Unknown,
)
from billing_worker.domain.proof import judge_all
from billing_worker.sandbox.world.behaviours import BEHAVIOURS
from tests.support.gateways import hurried

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
KEY, SECRET = "imp_key_sandbox", "imp_secret_sandbox"
ENOUGH = 60.0
numbers = count(1)


class Sandbox:
    """A sandbox process, and its control endpoints."""

    def __init__(self, *flags: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "billing_worker.sandbox", "--port", str(port), *flags]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._control = httpx.Client(base_url=self.url, timeout=60)
        deadline = time.monotonic() + ENOUGH
        while not self._answers():
            assert self._process.poll() is None, "the sandbox ended"
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)

    def close(self) -> None:
        self._control.close()
        self._process.terminate()
        self._process.wait(10)

    def books(self, merchant_uid: str) -> list[dict[str, Any]]:
        return (
            self._control.get("/_sandbox/ledger", params={"merchant_uid": merchant_uid})
            .raise_for_status()
            .json()["list"]
        )

    def control(self, path: str, **fields: Any) -> None:
        self._control.post(f"/_sandbox/{path}", json=fields).raise_for_status()

    def _answers(self) -> bool:
        try:
            return self._control.get("/_sandbox/health").is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with closing(Sandbox("--slow-seconds", "1.5", "--late-after", "0.5", "--confirm-after", "600")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(sandbox: Sandbox) -> Iterator[PortOneGateway]:
    with closing(PortOneGateway(sandbox.url, KEY, SECRET, total_deadline=ENOUGH)) as connected:
        yield connected


def order(behaviour: str, **changes: Any) -> ChargeRequest:
    number = next(numbers)
    return replace(
        ChargeRequest(f"contract{number}", f"{behaviour}-kim{number}", Money(9900, "KRW"), "월간 구독", "nice_v2"),
        **changes,
    )


UNKNOWN_AT_ONCE = {
    "refuse-duplicate", "refuse-contract", "comm-error", "comm-error-charged", "drop-after-charge",
    "drop-before-charge", "cut-body", "truncated", "garbled", "error500", "error500-charged", "error502-html",
    "error502-html-charged", "error503", "redirect", "late-error", "net-cancel", "status-ready", "status-pending",
    "status-unknown", "slow-nothing",
}  # fmt: skip
FAILED_AT_ONCE = {"error401", "rate-limit", "rate-limit-odd"}


def expected(behaviour: str) -> type[Outcome]:
    if behaviour in UNKNOWN_AT_ONCE:
        return Unknown
    if behaviour in FAILED_AT_ONCE:
        return Failed
    if behaviour.startswith(("decline-", "late-approval", "refuse-buyer")):
        return Declined
    return Approved


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
def test_every_behaviour_gives_the_outcome_that_is_true(
    sandbox: Sandbox, gateway: PortOneGateway, behaviour: str
) -> None:
    request = order(behaviour)
    outcome = gateway.charge(request)
    assert isinstance(outcome, expected(behaviour)), outcome
    books = sandbox.books(request.merchant_uid)
    if isinstance(outcome, Approved):
        assert [(row["status"], row["imp_uid"]) for row in books] == [("paid", outcome.payment.imp_uid)]
    if isinstance(outcome, Failed):
        assert books == []
    if isinstance(outcome, Declined) and not behaviour.startswith("late-"):
        assert all(row["status"] == "failed" for row in books)
    listing = gateway.payments_of(request.merchant_uid)
    assert listing.trouble is None
    shown, entered = {found.imp_uid for found, _ in listing.payments}, {row["imp_uid"] for row in books}
    assert shown == entered or (BEHAVIOURS[behaviour].hidden and shown == set())


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("decline-limit", DeclineKind.SOFT),
        ("decline-balance", DeclineKind.SOFT),
        ("decline-stolen", DeclineKind.HARD),
        ("decline-expired", DeclineKind.HARD),
        ("decline-no-text", DeclineKind.SOFT),
        ("refuse-buyer", DeclineKind.HARD),
    ],
)
def test_declines_are_soft_or_hard(gateway: PortOneGateway, behaviour: str, kind: DeclineKind) -> None:
    outcome = gateway.charge(order(behaviour))
    assert isinstance(outcome, Declined)
    assert outcome.kind is kind


@pytest.mark.fm("C7")
def test_what_was_charged_without_an_answer_is_found_by_asking(sandbox: Sandbox, gateway: PortOneGateway) -> None:
    for behaviour in ("drop-after-charge", "cut-body", "truncated", "error500-charged", "comm-error-charged"):
        request = order(behaviour)
        assert isinstance(gateway.charge(request), Unknown)
        found = judge_all(request, gateway.payments_of(request.merchant_uid).payments, ())
        assert isinstance(found, Approved), behaviour
        assert len(sandbox.books(request.merchant_uid)) == 1


@pytest.mark.fm("C11")
def test_more_payments_than_a_page_holds(gateway: PortOneGateway) -> None:
    request = order("decline-limit-101x")
    outcomes = [gateway.charge(request) for _ in range(102)]
    assert isinstance(outcomes[-1], Approved)
    listing = gateway.payments_of(request.merchant_uid)
    assert listing.trouble is None
    assert len(listing.payments) == 102
    assert sum(found.holds_money for found, _ in listing.payments) == 1
    of_key = gateway.payments_of_key(request.customer_uid)
    assert of_key.trouble is None
    assert {found.imp_uid for found, _ in of_key.payments} >= {found.imp_uid for found, _ in listing.payments}


def test_the_payment_that_issued_a_key_is_among_those_of_the_key_with_its_email(
    sandbox: Sandbox, gateway: PortOneGateway
) -> None:
    uid = f"pw-ok-{next(numbers)}"
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    issue = {"customer_uid": uid, "merchant_uid": f"shop-{uid}", "amount": 9.99, "currency": "USD"}
    sandbox.control("paymentwall/issue", **issue, **buyer, confirm_after=0)
    ((found, _),) = gateway.payments_of_key(uid).payments
    assert (found.issues_key, found.merchant_uid, found.money) == (True, f"shop-{uid}", Money(999, "USD"))
    assert found.buyer_email == "gildong@example.com"
    assert "gildong" not in repr(found)
    assert gateway.payments_of_key("nobody-knows-this-one").payments == ()


@pytest.mark.fm("E18")
@pytest.mark.parametrize("behaviour", ["late-approval", "late-error", "status-ready", "status-pending"])
def test_a_late_approval_is_seen_by_asking(gateway: PortOneGateway, behaviour: str) -> None:
    request = order(behaviour)
    assert isinstance(gateway.charge(request), Declined | Unknown)
    deadline = time.monotonic() + ENOUGH
    while not isinstance(judge_all(request, gateway.payments_of(request.merchant_uid).payments, ()), Approved):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.fm("C8")
def test_slower_than_the_deadline_is_unknown_and_found_later(sandbox: Sandbox, gateway: PortOneGateway) -> None:
    with closing(PortOneGateway(sandbox.url, KEY, SECRET, total_deadline=0.7)) as impatient:
        request = order("slow-answer")
        assert isinstance(hurried(impatient).charge(request), Unknown)
    assert isinstance(judge_all(request, gateway.payments_of(request.merchant_uid).payments, ()), Approved)


@pytest.mark.fm("C13")
def test_a_revoked_token_is_replaced(sandbox: Sandbox, gateway: PortOneGateway) -> None:
    assert isinstance(gateway.charge(order("ok")), Approved)
    sandbox.control("tokens", revoke=True)
    request = order("ok")
    assert isinstance(gateway.charge(request), Approved)
    assert len(sandbox.books(request.merchant_uid)) == 1


def test_paymentwall_keys_wait_and_need_the_same_buyer(sandbox: Sandbox, gateway: PortOneGateway) -> None:
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "hong@example.com"}
    request = order("pw-ok", pg_provider="paymentwall", **buyer)
    sandbox.control(
        "paymentwall/issue",
        customer_uid=request.customer_uid,
        merchant_uid=f"{request.merchant_uid}x",
        amount=9900,
        **buyer,
    )
    assert isinstance(gateway.charge(request), Declined)
    sandbox.control("paymentwall/confirm", customer_uid=request.customer_uid)
    assert isinstance(gateway.charge(replace(request, buyer_email="other@example.com")), Unknown)
    assert isinstance(gateway.charge(request), Approved)


@pytest.mark.parametrize("flags", [("--test-channel",), ("--no-customers-404",)], ids=["test channel", "customers 200"])
def test_switchable_facts(flags: tuple[str, ...]) -> None:
    with (
        closing(Sandbox(*flags)) as other,
        closing(PortOneGateway(other.url, KEY, SECRET, include_sandbox=True)) as including,
        closing(PortOneGateway(other.url, KEY, SECRET)) as live,
    ):
        request = order("ok")
        outcome = including.charge(request)
        assert isinstance(outcome, Approved)
        listing = including.payments_of(request.merchant_uid)
        assert [found.status for found, _ in listing.payments] == [PaymentStatus.PAID]
        assert len(including.payment(outcome.payment.imp_uid).payments) == 1
        hidden = flags == ("--test-channel",)
        assert len(live.payment(outcome.payment.imp_uid).payments) == (0 if hidden else 1)
        assert isinstance(live.charge(order("ok")), Unknown if hidden else Approved)
        assert including.read_key("never-issued-at-all").known is False
