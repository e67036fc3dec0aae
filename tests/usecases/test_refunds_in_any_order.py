"""Any sequence of refunds, by us and in the console, with lost and refused calls: never more than was paid, all booked.

One database and one world serve all examples; each example has an invoice of its own.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment import Failed, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest, Refused
from billing_worker.ports.outside import Gateway, Listing
from billing_worker.usecases.refund import refund as refunding
from tests.builders import EVIDENCE
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

PRICE = 900
REST = (1, 4, 1, 1, 70, 4, 1, 1, 130, 4, 1, 1, 300, 4, 1, 1)
"""Seconds between the looks that let everything come to rest: back-offs of one, two and four minutes are in it."""

REPLIES = ("kept", "kept", "kept", "reply lost", "call lost", "not sent", "refused")
AMOUNTS = st.sampled_from([1, 299, 300, 300, 301, 450, 899, 900, None])
STEPS = st.one_of(
    st.tuples(st.just("ask"), AMOUNTS),
    st.tuples(st.just("console"), st.sampled_from([1, 300, 450, 900])),
    st.tuples(st.just("work"), st.lists(st.sampled_from(REPLIES), min_size=1, max_size=3)),
    st.tuples(st.just("unreadable"), st.just(None)),
    st.tuples(st.just("webhook"), st.just(None)),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 70])),
)


class Example:
    """One invoice, and everybody who gives money back of it."""

    def __init__(self, world: World, invoice: Invoice) -> None:
        self.world, self.invoice = world, invoice
        (row,) = world.ledger(invoice)
        self.imp_uid, self.merchant_uid = row["imp_uid"], row["merchant_uid"]
        self.messages = 0

    def ask(self, amount: int | None) -> None:
        try:
            refunding.request_refund(
                self.world.ports, self.invoice.id, amount, everything=amount is None, reason="asked"
            )
        except (Conflict, InvalidInput):
            return

    def console(self, amount: int) -> None:
        if self.given + amount <= PRICE:
            self.world.sandbox.control("/operator/cancel", imp_uid=self.imp_uid, amount=amount)

    def work(self, replies: list[str]) -> None:
        def cancel(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
            how = replies.pop(0) if replies else "kept"
            answer = gateway.cancel(request) if how in ("kept", "reply lost") else None
            if how == "kept":
                assert answer is not None
                return answer
            if how == "not sent":
                return Failed("not sent: connection refused")
            return Refused("code -1", EVIDENCE) if how == "refused" else Unknown("no answer: lost")

        self.world.with_ports(gateway=Around(self.world.ports.gateway, on_cancel=cancel)).refund()

    def unreadable(self, _: None) -> None:
        silent = Around(self.world.ports.gateway, on_payment=lambda _gateway, _uid: Listing((), "HTTP 502"))
        self.world.with_ports(gateway=silent).refund()

    def webhook(self, _: None) -> None:
        self.messages += 1
        self.world.webhook(self.imp_uid, self.merchant_uid, f"cancelled{self.messages}")
        self.world.apply()

    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    @property
    def row(self) -> dict[str, Any]:
        (found,) = self.world.ledger(self.invoice)
        return found

    @property
    def given(self) -> int:
        return int(self.row["cancel_amount"])

    def never_too_much(self) -> None:
        assert self.world.attempt(self.invoice).refunded <= self.given <= PRICE

    def rest(self) -> None:
        for seconds in REST:
            self.wait(seconds)
            self.work([])
        self.webhook(None)

    def all_is_booked(self) -> None:
        with self.world.ports.database.transaction() as uow:
            found = uow.refunds.of_invoice(self.invoice.id)
        assert not any(refund.is_open for refund in found), found
        assert self.world.attempt(self.invoice).refunded == self.given
        history = self.world.ports.gateway.payment(self.imp_uid).payments[0][0].cancellations
        for refund in found:
            own = [each.money for each in history if (each.reason or "").startswith(refund.id)]
            assert own == ([refund.money] if refund.status == "succeeded" else []), refund
        by_console = sum(each.money.amount for each in history if each.reason == "operator")
        ours = sum(refund.money.amount for refund in found if refund.status == "succeeded")
        assert by_console + ours == self.given


@pytest.mark.fm("L13")
@pytest.mark.fm("L14")
@pytest.mark.timeout(600)
def test_any_sequence_gives_back_what_was_asked_once_and_books_what_the_ledger_shows(world: World) -> None:
    plan, key = world.plan(amount=PRICE, interval="year"), world.key()

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEPS, min_size=2, max_size=8))
    def holds(steps: list[tuple[str, Any]]) -> None:
        subscription = world.subscribe(plan=plan, key=key, allow_duplicate=True)
        world.renew_and_charge()
        example = Example(world, world.invoice(subscription))
        for name, argument in steps:
            getattr(example, name)(argument)
            example.never_too_much()
        example.rest()
        example.never_too_much()
        example.all_is_booked()

    began = world.clock.now()
    holds()
    assert world.clock.now() - began < timedelta(days=300), "a second period would confuse the examples"
    world.assert_books_agree(at_rest=False)
