"""PortOne's Recovery tries a declined schedule again beside our dunning: what it meets is not taken for our own try."""

from datetime import timedelta

import pytest

from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway
from tests.schedules.merchant import Merchant
from tests.support.gateways import Around, never_arrives


def recover(merchant: Merchant, order: str) -> str:
    """What Recovery does once: it charges the order again. Returns the payment's status."""
    (row, *_) = merchant.world.sandbox.ledger(merchant_uid=order)
    fields = {"customer_uid": row["customer_uid"], "merchant_uid": order, "amount": row["amount"], "name": "Recovery"}
    answer = merchant.call("POST", "/subscribe/payments/again", **fields)
    return str(answer["response"]["status"])


@pytest.fixture
def declined(merchant: Merchant) -> tuple[Subscription, str]:
    """A subscription whose schedule was declined; its order number."""
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.sandbox.rule("decline-limit", merchant_uid=ours.merchant_uid)
    merchant.to_next(subscription)
    return subscription, ours.merchant_uid


def test_its_failure_hours_ago_is_not_the_outcome_of_our_lost_try(
    merchant: Merchant, declined: tuple[Subscription, str]
) -> None:
    subscription, order = declined
    merchant.world.clock.advance(hours=20)
    merchant.world.sandbox.rule("decline-stolen", merchant_uid=order)
    assert recover(merchant, order) == "failed"
    lossy = merchant.with_gateway(Around(merchant.world.ports.gateway, on_charge=never_arrives))
    lossy.world.clock.advance(hours=4)
    lossy.world.collect()
    merchant.world.resolve(minutes=30)
    _, invoice = merchant.world.invoices(subscription)
    assert (invoice.status, invoice.declines) == (InvoiceStatus.PAID, 1)
    assert [each.status for each in merchant.world.attempts(invoice)] == [
        AttemptStatus.DECLINED,
        AttemptStatus.FAILED,
        AttemptStatus.APPROVED,
    ]
    merchant.world.assert_books_agree()


def test_its_failure_while_our_try_is_under_way_does_not_decide_it(
    merchant: Merchant, declined: tuple[Subscription, str]
) -> None:
    subscription, order = declined
    merchant.world.clock.advance(days=1)

    def beside(gateway: Gateway, request: ChargeRequest) -> Outcome:
        merchant.world.sandbox.rule("decline-stolen", merchant_uid=order)
        assert recover(merchant, order) == "failed"
        failed = merchant.world.sandbox.ledger(merchant_uid=order)[-1]
        merchant.world.webhook(failed["imp_uid"], order, "failed")
        merchant.world.apply()
        merchant.world.reconcile()
        return gateway.charge(request)

    merchant.with_gateway(Around(merchant.world.ports.gateway, on_charge=beside)).world.collect()
    merchant.world.settle()
    _, invoice = merchant.world.invoices(subscription)
    assert (invoice.status, invoice.declines) == (InvoiceStatus.PAID, 1)
    assert len(merchant.world.money()) == 2


def test_its_payment_pays_the_invoice_and_ends_our_dunning(
    merchant: Merchant, declined: tuple[Subscription, str]
) -> None:
    subscription, order = declined
    merchant.world.clock.advance(hours=20)
    assert recover(merchant, order) == "paid"
    paid = merchant.world.sandbox.ledger(merchant_uid=order)[-1]
    merchant.world.webhook(paid["imp_uid"], order)
    merchant.to(merchant.world.clock.now() + timedelta(days=9))
    _, invoice = merchant.world.invoices(subscription)
    assert invoice.status is InvoiceStatus.PAID
    assert len(merchant.world.money()) == 2
