"""What the runbook promises to an operator in trouble, tried out."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from billing_worker.domain.invoice import InvoiceStatus
from tests.support.world import World

RESTORED = ("invoices", "subscriptions")


@pytest.mark.fm("G2")
def test_after_a_restore_from_a_backup_a_paid_period_is_found_and_not_charged_again(world: World):
    subscription = world.subscribe("ok")
    world.renew()
    backup = world.invoice(subscription)
    world.settle()
    assert world.invoice(subscription).status is InvoiceStatus.PAID
    _restore_to_before_the_charge(world, backup.id)
    assert world.invoice(subscription).status is InvoiceStatus.OPEN
    world.settle()
    world.resolve(minutes=10)
    world.settle()
    assert world.invoice(subscription).status is InvoiceStatus.PAID
    assert len(world.money(backup)) == 1


@pytest.mark.fm("C24")
def test_a_payment_of_a_wrong_amount_is_alarmed_and_keeps_its_invoice_from_being_charged(world: World):
    subscription = world.subscribe("ok", start=world.clock.now() + timedelta(days=1))
    world.clock.advance(days=1)
    world.renew()
    invoice = world.invoice(subscription)
    key = world.rows("SELECT customer_uid FROM billing_keys")[0]["customer_uid"]
    paid = world.sandbox.control(
        "/operator/pay", merchant_uid=invoice.merchant_uid, customer_uid=key, amount=invoice.money.amount + 100
    )
    world.webhook(paid["imp_uid"], invoice.merchant_uid)
    world.apply()
    world.settle()
    assert [alert.kind for alert in world.alerts()] == ["mismatch"]
    assert world.invoice(subscription).status is InvoiceStatus.OPEN
    world.resolve(minutes=90)
    assert world.invoice(subscription).status is InvoiceStatus.OPEN
    assert world.again_calls(invoice) == 0


def _restore_to_before_the_charge(world: World, invoice_id: str) -> None:
    """What a backup from before the charge would hold of this invoice."""
    with world.engine.begin() as connection:
        for table in RESTORED:
            # A restore goes back where no transition leads.
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER legal_transitions"))
        connection.execute(text("DELETE FROM payment_attempts WHERE invoice_id = :invoice"), {"invoice": invoice_id})
        owed = "UPDATE invoices SET status = 'open', closed_at = NULL, attempts = 0, next_attempt_at = period_start"
        connection.execute(text(f"{owed} WHERE id = :invoice"), {"invoice": invoice_id})
        connection.execute(text("UPDATE subscriptions SET status = 'pending'"))
        for table in RESTORED:
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER legal_transitions"))
