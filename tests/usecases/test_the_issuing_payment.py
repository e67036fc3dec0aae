"""Paymentwall charges when it issues a key: that payment is the first period's, once, and only its e-mail is sent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.card import UNTOLD
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.payment import PaymentStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import KeyReading, Listing, StoredKey
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.key import change, confirm, decide, reactivate, register
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.review import audit
from billing_worker.usecases.subscription import replace_key
from tests.support.alerts import offered, proposed, said
from tests.support.gateways import Around
from tests.support.sandbox import Row
from tests.support.world import World

pytestmark = pytest.mark.long


def issued_key(world: World, **more: Any) -> tuple[BillingKey, Row]:
    """A key whose issuing payment Paymentwall confirmed, and of which we have not heard."""
    uid, key, issued = world.paymentwall_key(**more)
    assert key is not None
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    return key, issued


def hear(world: World, issued: Row) -> None:
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()


def again(world: World, key: BillingKey) -> list[Row]:
    """Charges of ours on this key."""
    return [row for row in world.ledger(key) if row["origin"] != "issue"]


def kinds(world: World) -> set[str]:
    return {alert.kind for alert in world.alerts()}


def assert_paid_by(world: World, subscription: Subscription, key: BillingKey, issued: Row) -> None:
    invoice = world.invoice(subscription)
    attempt = world.attempt(invoice)
    assert (invoice.status, attempt.imp_uid) == ("paid", issued["imp_uid"])
    assert again(world, key) == []
    assert world.key_now(key).issue_claim == "counted"
    assert world.events().count("invoice.paid") == 1
    assert "was issued; nothing was charged" in why(world.ports, invoice.id).answer
    world.assert_books_agree()
    found = audit.audit(world.ports, since=None, sample=10)
    assert [breach for check in found.checks for breach in check.breaches] == []


def test_a_subscription_that_waited_is_paid_by_the_payment_that_issued_its_key(world: World) -> None:
    key, issued = issued_key(world)
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.invoice(subscription).status == "open"
    hear(world, issued)
    assert_paid_by(world, subscription, key, issued)
    assert world.subscription(subscription).status == "active"
    world.clock.advance(days=31)
    world.settle()
    assert len(again(world, key)) == 1, "the second period is charged"
    world.assert_books_agree()


def test_a_subscription_that_comes_after_the_confirmation_is_paid_by_it_too(world: World) -> None:
    key, issued = issued_key(world)
    hear(world, issued)
    assert world.key_now(key).status == "active"
    subscription = world.subscribe(key=key, start=world.clock.now() + timedelta(days=3))
    world.settle()
    world.clock.advance(days=3)
    world.settle()
    assert_paid_by(world, subscription, key, issued)


def test_it_pays_the_first_of_several_periods_that_waited_whichever_is_taken_up_first(world: World) -> None:
    uid, key, issued = world.paymentwall_key()
    assert key is not None
    subscription = world.subscribe(key=key)
    world.settle()
    world.clock.advance(days=31)
    world.settle()
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.apply()
    first, second = world.invoices(subscription)
    assert world.charge(second) is None
    assert (kinds(world), again(world, key)) == (set(), [])
    assert world.charge(first) is None
    assert world.attempt(first).imp_uid == issued["imp_uid"]
    world.clock.advance(seconds=5)
    world.settle()
    assert [row["imp_uid"] for row in again(world, key)] == [world.attempt(second).imp_uid]
    world.assert_books_agree()


def test_the_payment_pays_one_subscription_and_no_second_one(world: World) -> None:
    key, issued = issued_key(world)
    first = world.subscribe(key=key)
    hear(world, issued)
    second = world.subscribe(key=key)
    world.settle()
    assert (world.invoice(first).status, world.invoice(second).status) == ("paid", "paid")
    assert [row["imp_uid"] for row in again(world, key)] == [world.attempt(world.invoice(second)).imp_uid]
    world.assert_books_agree()


@pytest.mark.parametrize(("answer", "charged"), [("none", 9900), ("it", 0)])
def test_another_sum_is_never_guessed_about(world: World, answer: str, charged: int) -> None:
    key, issued = issued_key(world, amount=1000)
    subscription = world.subscribe(key=key)
    hear(world, issued)
    invoice = world.invoice(subscription)
    assert (invoice.status, again(world, key)) == ("open", [])
    assert kinds(world) == {"issuing_payment", "stopped"}
    assert "key issuing-payment" in offered(why(world.ports, invoice.id))
    decide.decide(world.ports, key.id, None if answer == "none" else subscription.id)
    assert kinds(world) == set()
    world.settle()
    assert sum(row["amount"] for row in again(world, key)) == charged
    assert world.invoice(subscription).status == ("paid" if charged else "void")
    assert world.subscription(subscription).status == "active"
    world.assert_books_agree()
    with pytest.raises(Conflict) if not charged else pytest.raises(InvalidInput):
        decide.decide(world.ports, key.id, subscription.id if not charged else "sub_nobody")


def test_where_two_subscriptions_may_claim_it_both_wait_for_a_word(world: World) -> None:
    key, issued = issued_key(world)
    first, second = world.subscribe(key=key), world.subscribe(key=key)
    hear(world, issued)
    assert [world.invoice(each).status for each in (first, second)] == ["open", "open"]
    assert again(world, key) == []
    stranger = world.subscribe()
    with pytest.raises(Conflict, match="is not charged to key"):
        decide.decide(world.ports, key.id, stranger.id)
    decide.decide(world.ports, key.id, second.id)
    world.clock.advance(seconds=5)
    world.settle()
    assert world.attempt(world.invoice(second)).imp_uid == issued["imp_uid"]
    assert [row["amount"] for row in again(world, key)] == [9900], "the first one is charged as usual"
    world.assert_books_agree()


def test_a_card_given_for_a_running_subscription_was_charged_when_it_was_issued_so_an_operator_is_asked(
    world: World,
) -> None:
    subscription = world.subscribe()
    world.settle()
    world.clock.advance(days=31)
    key, issued = issued_key(world)
    replace_key.replace_key(world.ports, subscription.id, key.id)
    hear(world, issued)
    assert again(world, key) == []
    assert kinds(world) == {"issuing_payment", "stopped"}
    decide.decide(world.ports, key.id, subscription.id)
    world.settle()
    assert world.attempt(world.invoices(subscription)[1]).imp_uid == issued["imp_uid"]
    world.assert_books_agree()


def test_a_payment_given_back_before_it_was_counted_pays_nothing(world: World) -> None:
    key, issued = issued_key(world)
    hear(world, issued)
    world.sandbox.control("/operator/cancel", imp_uid=issued["imp_uid"], amount=9900)
    subscription = world.subscribe(key=key)
    world.settle()
    assert [row["amount"] for row in again(world, key)] == [9900]
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


def test_a_payment_given_back_after_it_was_counted_is_booked_as_given_back(world: World) -> None:
    key, issued = issued_key(world)
    subscription = world.subscribe(key=key)
    hear(world, issued)
    world.sandbox.control("/operator/cancel", imp_uid=issued["imp_uid"], amount=9900)
    world.webhook(issued["imp_uid"], issued["merchant_uid"], "cancelled")
    world.settle()
    assert world.attempt(world.invoice(subscription)).refunded == 9900
    assert "payment.refunded" in world.events()
    assert again(world, key) == []
    world.assert_books_agree()


def test_while_the_payment_cannot_be_read_nothing_is_charged(world: World) -> None:
    key, issued = issued_key(world)
    hear(world, issued)
    subscription = world.subscribe(key=key)
    blind = world.with_ports(gateway=Around(world.ports.gateway, on_payment=lambda *_: Listing((), "no answer")))
    blind.settle()
    assert (world.invoice(subscription).status, again(world, key)) == ("open", [])
    world.clock.advance(minutes=1)
    world.settle()
    assert_paid_by(world, subscription, key, issued)


def test_another_email_than_the_issuing_payments_is_told_and_never_sent(world: World) -> None:
    key, issued = issued_key(world, noted_email="Gildong@example.com")
    subscription = world.subscribe(key=key)
    hear(world, issued)
    assert world.key_now(key).status == "pending"
    (alert,) = world.alerts()
    assert (alert.kind, alert.subject_id) == ("key_email", key.id)
    told = f"{said(alert)} {proposed(alert)}"
    assert "G***@example.com" in told
    assert "ildong" not in told
    assert f"billing-worker key set-email {key.id}" in told
    for ident in (subscription.id, world.invoice(subscription).id, key.id):
        found = why(world.ports, ident)
        assert (
            "its e-mail G***@example.com is not g***@example.com, that of the payment which issued it" in found.answer
        )
        assert f"billing-worker key set-email {key.id}" in offered(found)
        assert "not confirmed" not in found.answer
    with pytest.raises(InvalidInput) as refused:
        change.set_email(world.ports, key.id, "other@example.com")
    assert "other" not in str(refused.value)
    change.set_email(world.ports, key.id, "gildong@example.com")
    world.settle()
    assert kinds(world) == set()
    assert_paid_by(world, subscription, key, issued)


def test_a_missing_email_is_taken_from_the_issuing_payment(world: World) -> None:
    key, issued = issued_key(world, noted_email=None)
    hear(world, issued)
    assert (world.key_now(key).status, world.key_now(key).buyer_email) == ("active", "gildong@example.com")


@pytest.mark.parametrize("typed", ["none", "gildong@example.com ", "gil dong@example.com", "a@b\n@c", "@"])
@pytest.mark.parametrize("noted", [None, "gildong@example.com"])
def test_what_the_customer_typed_for_an_email_is_never_written_on_a_key(
    world: World, typed: str, noted: str | None
) -> None:
    """Written on a key it made every read of the key fail: nothing was charged, and no list of keys could be shown."""
    uid = world.uid("pw-ok")
    issued = world.sandbox.control(
        "/paymentwall/issue",
        customer_uid=uid,
        merchant_uid=f"{world.environment}odd",
        amount=9900,
        confirm_after=3600,
        buyer_name="Gildong Hong",
        buyer_email=typed,
    )
    key = register.register_key(world.ports, NewKey(uid, "paymentwall", buyer_name="Gildong Hong", buyer_email=noted))
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    subscription = world.subscribe(key=key)
    hear(world, issued)
    assert (world.key_now(key).status, kinds(world)) == ("pending", {"key_email"})
    change.set_email(world.ports, key.id, "gildong@example.com")
    world.settle()
    assert_paid_by(world, subscription, key, issued)


def test_no_path_leads_another_email_to_the_gateway(world: World) -> None:
    key, issued = issued_key(world)
    hear(world, issued)
    decide.decide(world.ports, key.id, None)
    subscription = world.subscribe(key=key)
    change = text("UPDATE billing_keys SET buyer_email = 'thief@example.com' WHERE id = :id")
    with pytest.raises(IntegrityError, match="active_as_issued"), world.engine.begin() as connection:
        connection.execute(change, {"id": key.id})
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE billing_keys DROP CONSTRAINT ck_billing_keys_active_as_issued"))
        connection.execute(change, {"id": key.id})
    world.settle()
    assert (world.invoice(subscription).attempts, again(world, key)) == (0, [])


def test_a_webhook_about_another_payment_of_the_key_confirms_nothing(world: World) -> None:
    key, _ = issued_key(world)
    foreign = world.sandbox.control(
        "/operator/pay", merchant_uid=f"{world.environment}shop", customer_uid=key.customer_uid, amount=500
    )
    hear(world, foreign)
    assert world.key_now(key).status == "pending"


def test_neither_the_key_alone_nor_the_payment_alone_unlocks(world: World) -> None:
    _, key, _ = world.paymentwall_key()
    world.clock.advance(minutes=1)
    known = Around(world.ports.gateway, on_read_key=lambda *_: KeyReading(StoredKey(UNTOLD)))
    assert world.with_ports(gateway=known).confirm() == 1
    assert world.key_now(key).status == "pending", "its issuing payment is not paid yet"
    world.clock.advance(minutes=5)
    paid = Around(world.ports.gateway, on_payments_of_key=_as("paid"))
    assert world.with_ports(gateway=paid).confirm() == 1
    assert world.key_now(key).status == "pending", "PortOne does not have the key yet"
    world.clock.advance(minutes=30)
    both = Around(known, on_payments_of_key=_as("paid"))
    assert world.with_ports(gateway=both).confirm() == 1
    assert world.key_now(key).status == "active"


def test_an_issuing_payment_that_is_cancelled_ends_the_key_and_a_late_one_revives_it(world: World) -> None:
    uid, key, issued = world.paymentwall_key()
    subscription = world.subscribe(key=key)
    cancelled = Around(world.ports.gateway, on_payments_of_key=_as("cancelled"))
    world.clock.advance(minutes=1)
    world.with_ports(gateway=cancelled).confirm()
    assert world.key_now(key).status == "invalid"
    assert "was cancelled" in str(world.key_now(key).invalid_reason)
    assert world.events().count("billing_key.invalid") == 1
    with pytest.raises(Conflict, match="never worked"):
        reactivate.reactivate(world.ports, key.id)
    world.settle()
    assert world.invoice(subscription).awaits_key
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    hear(world, issued)
    assert world.key_now(key).status == "active"
    assert_paid_by(world, subscription, key, issued)


def test_a_key_that_was_given_up_and_has_another_email_wakes_nothing_until_the_email_is_right(world: World) -> None:
    """Its invoice was told as failed once more, for the dead key; and the right e-mail, once set, came to nothing."""
    uid, key, issued = world.paymentwall_key(noted_email="other@example.com")
    subscription = world.subscribe(key=key)
    world.clock.advance(minutes=1)
    world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=_as("cancelled"))).confirm()
    world.settle()
    before, events = world.invoice(subscription), world.events()
    assert before.awaits_key
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    hear(world, issued)
    assert (world.key_now(key).status, kinds(world)) == ("invalid", {"key_email"})
    assert (world.invoice(subscription), world.events()) == (before, events)
    blind = world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=lambda *_: Listing((), "away")))
    assert change.set_email(blind.ports, key.id, "gildong@example.com").status == "invalid"
    assert kinds(world) == {"key_email"}, "it was not looked up: say it again"
    assert change.set_email(world.ports, key.id, "gildong@example.com").status == "active"
    assert kinds(world) == set()
    world.settle()
    assert_paid_by(world, subscription, key, issued)


def _unmarked(gateway: Any, ident: str) -> Listing:
    read = gateway.payment if ident.startswith("imp") else gateway.payments_of_key
    return Listing(
        tuple((replace(p, issues_key=None, buyer_email="gildong@example.com"), e) for p, e in read(ident).payments)
    )


@pytest.mark.parametrize("given_up", [False, True])
def test_of_payments_without_a_mark_the_oldest_issued_the_key_whichever_a_webhook_names(
    world: World, *, given_up: bool
) -> None:
    uid, key, issued = world.paymentwall_key()
    subscription = world.subscribe(key=key)
    if given_up:
        world.clock.advance(minutes=1)
        world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=_as("cancelled"))).confirm()
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    shop = world.sandbox.control(
        "/operator/pay", merchant_uid=f"{world.environment}shop", customer_uid=uid, amount=9900
    )
    unmarked = world.with_ports(
        gateway=Around(world.ports.gateway, on_payment=_unmarked, on_payments_of_key=_oldest_first)
    )
    message = unmarked.webhook(shop["imp_uid"], shop["merchant_uid"])
    applied = apply.apply(unmarked.ports, message)
    assert applied.to_confirm == [key.id]
    assert applied.status == ("received" if given_up else "applied")
    confirm.confirm(unmarked.ports, key.id)
    unmarked.settle()
    issue = world.key_now(key).issue
    assert issue is not None
    assert issue.imp_uid == issued["imp_uid"]
    assert world.attempt(world.invoice(subscription)).imp_uid == issued["imp_uid"]


@pytest.mark.parametrize("later", ["paid", "ready"])
def test_a_card_that_was_refused_at_first_issued_nothing_and_does_not_end_the_key(world: World, later: str) -> None:
    """Without a mark the refused try was taken for the one that issued the key: never unlocked, and given up."""
    uid, key, issued = world.paymentwall_key()
    assert key is not None
    if later == "paid":
        world.sandbox.control("/paymentwall/confirm", customer_uid=uid)

    def tried_twice(gateway: Any, customer_uid: str) -> Listing:
        ((payment, evidence),) = _unmarked(gateway, customer_uid).payments
        # So long ago that it is final.
        begun = world.clock.now() - timedelta(days=30)
        refused = replace(payment, imp_uid="imp_refused", status=PaymentStatus.FAILED, started_at=begun, paid_at=None)
        return Listing(((refused, evidence), (payment, evidence)))

    world.clock.advance(minutes=1)
    world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=tried_twice)).confirm()
    now = world.key_now(key)
    assert now.status == {"paid": "active", "ready": "pending"}[later]
    assert (now.issue.imp_uid if now.issue else None) == (issued["imp_uid"] if later == "paid" else None)


def _oldest_first(gateway: Any, customer_uid: str) -> Listing:
    """All payments of a key without a mark, each a second after the one before: the sandbox's clock stands still."""
    found = sorted(_unmarked(gateway, customer_uid).payments, key=lambda seen: seen[0].merchant_uid)
    return Listing(
        tuple(
            (replace(p, started_at=p.started_at and p.started_at + timedelta(seconds=number)), e)
            for number, (p, e) in enumerate(found)
        )
    )


def test_a_key_that_worked_before_an_update_lives_on_although_its_first_payment_was_given_back(world: World) -> None:
    """The update confirms such keys again; an old refund must not end a card that was charged every month."""
    key, issued = issued_key(world)
    with world.engine.begin() as connection:  # as the migration leaves it
        worked = "UPDATE billing_keys SET activated_at = created_at, issue_claim = 'none' WHERE id = :id"
        connection.execute(text(worked), {"id": key.id})
    subscription = world.subscribe(key=key)
    world.sandbox.control("/operator/cancel", imp_uid=issued["imp_uid"], amount=9900)
    world.clock.advance(minutes=1)
    world.settle()
    assert (world.key_now(key).status, world.invoice(subscription).status) == ("active", "paid")
    assert [row["amount"] for row in again(world, key)] == [9900]
    assert not {"billing_key.activated", "billing_key.invalid"} & set(world.events())
    world.assert_books_agree()


def died_before_an_update(world: World, key: BillingKey) -> None:
    """As the migration leaves a key that was charged every month until its card was refused."""
    with world.engine.begin() as connection:
        died = """UPDATE billing_keys SET status = 'invalid', invalid_reason = 'lost', activated_at = created_at,
                  issue_claim = 'none', next_look_at = NULL, waits_for = NULL WHERE id = :id"""
        connection.execute(text(died), {"id": key.id})


def test_a_key_that_died_before_an_update_is_looked_up_and_charged_again_on_an_operators_word(world: World) -> None:
    """What issued it was never kept, so it was told to have never worked, and nothing could bring it back."""
    key, issued = issued_key(world)
    subscription = world.subscribe(key=key)
    died_before_an_update(world, key)
    world.settle()
    assert world.invoice(subscription).awaits_key
    away = world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=lambda *_: Listing((), "away")))
    gone = world.with_ports(gateway=Around(world.ports.gateway, on_read_key=lambda *_: KeyReading()))
    for other, why_not in ((away, "could not be read"), (gone, "does not show it")):
        with pytest.raises(Conflict, match=why_not):
            reactivate.reactivate(other.ports, key.id)
        assert world.key_now(key).issue is None
    assert reactivate.reactivate(world.ports, key.id).status == "active"
    found = world.key_now(key).issue
    assert found is not None
    assert found.imp_uid == issued["imp_uid"]
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert [row["amount"] for row in again(world, key)] == [9900], "what issued it paid long ago, and for nothing here"
    assert world.events().count("billing_key.activated") == 1
    world.assert_books_agree()


def test_a_key_that_died_before_an_update_needs_the_email_of_the_payment_that_issued_it(world: World) -> None:
    key, _ = issued_key(world, noted_email="other@example.com")
    died_before_an_update(world, key)
    with pytest.raises(Conflict, match="first set that e-mail"):
        reactivate.reactivate(world.ports, key.id)
    change.set_email(world.ports, key.id, "gildong@example.com")
    assert reactivate.reactivate(world.ports, key.id).status == "active"


def test_a_failed_issuing_payment_is_final_only_after_the_time_of_a_risk_review(world: World) -> None:
    _, key, _ = world.paymentwall_key()
    failing = world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=_as("failed")))
    world.clock.advance(minutes=1)
    failing.confirm()
    assert world.key_now(key).status == "pending"
    world.clock.advance(days=366)
    failing.confirm()
    assert world.key_now(key).status == "invalid"


def test_a_key_that_stays_pending_is_told_after_the_set_time_and_the_alert_closes_by_itself(world: World) -> None:
    uid, _, issued = world.paymentwall_key()
    for _ in range(59):
        world.clock.advance(minutes=1)
        world.confirm()
    assert kinds(world) == set()
    world.clock.advance(minutes=1)
    world.confirm()
    (alert,) = world.alerts()
    assert alert.kind == "key_pending"
    assert issued["imp_uid"] in said(alert)
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    hear(world, issued)
    assert kinds(world) == set()


def _as(status: str) -> Any:
    """The gateway's list of a key's payments, each in another state."""

    def changed(gateway: Any, customer_uid: str) -> Listing:
        found = gateway.payments_of_key(customer_uid).payments
        given = {"status": PaymentStatus(status)}
        return Listing(
            tuple(
                (replace(p, **given, cancelled=p.money if status == "cancelled" else p.cancelled), e) for p, e in found
            )
        )

    return changed


def test_a_payment_that_portone_shows_no_more_holds_the_charge_and_an_alert_opens(world: World) -> None:
    key, issued = issued_key(world)
    subscription = world.subscribe(key=key)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.apply()
    blind = world.with_ports(gateway=Around(world.ports.gateway, on_payment=lambda *_: Listing(())))
    blind.settle()
    assert (world.invoice(subscription).status, again(world, key)) == ("open", [])
    assert "issuing_payment" not in kinds(world), "one read proves no absence"
    blind.resolve(minutes=5)
    assert (world.invoice(subscription).status, again(world, key)) == ("open", [])
    (alert,) = [alert for alert in world.alerts() if alert.kind == "issuing_payment"]
    assert issued["imp_uid"] in said(alert)
    world.clock.advance(seconds=5)
    world.settle()
    assert_paid_by(world, subscription, key, issued)
    assert "issuing_payment" not in kinds(world)


def issued_again(world: World, key: BillingKey) -> Row:
    """The customer gives the same card once more, and pays once more."""
    second = world.sandbox.control(
        "/paymentwall/issue",
        customer_uid=key.customer_uid,
        merchant_uid=f"{world.environment}twice",
        amount=9900,
        confirm_after=3600,
        buyer_name=key.buyer_name,
        buyer_email=key.buyer_email,
    )
    world.sandbox.control("/paymentwall/confirm", customer_uid=key.customer_uid)
    return second


def told_of_both(world: World, key: BillingKey, *both: Row) -> list[str]:
    """Subjects of the alerts: each names the key and both payments."""
    told = [alert for alert in world.alerts() if alert.kind == "issued_twice"]
    assert all(row["imp_uid"] in said(alert) and key.id in said(alert) for alert in told for row in both)
    return [alert.subject_id for alert in told]


def test_a_key_that_was_issued_twice_before_the_first_look_is_found_by_that_look(world: World) -> None:
    key, first = issued_key(world)
    second = issued_again(world, key)
    world.clock.advance(minutes=1)
    world.confirm()
    kept = world.key_now(key).issue
    assert kept is not None
    (other,) = {first["imp_uid"], second["imp_uid"]} - {kept.imp_uid}
    assert told_of_both(world, key, first, second) == [other]
    _close_alerts(world)
    for row in (first, second):
        world.webhook(row["imp_uid"], row["merchant_uid"])
        world.settle()
    assert told_of_both(world, key) == [], "once"


def test_a_payment_that_issued_the_key_long_before_it_was_registered_here_is_no_second_one(world: World) -> None:
    key, first = issued_key(world)
    second = issued_again(world, key)

    def years_ago(gateway: Any, customer_uid: str) -> Listing:
        found = gateway.payments_of_key(customer_uid).payments
        old = key.created_at - timedelta(days=700)
        return Listing(
            tuple(
                (replace(p, started_at=old, paid_at=old) if p.imp_uid == first["imp_uid"] else p, e) for p, e in found
            )
        )

    world.clock.advance(minutes=1)
    world.with_ports(gateway=Around(world.ports.gateway, on_payments_of_key=years_ago)).confirm()
    kept = world.key_now(key).issue
    assert kept is not None
    assert (kept.imp_uid, told_of_both(world, key)) == (second["imp_uid"], [])


def _close_alerts(world: World) -> None:
    for alert in world.alerts():
        close_alert(world.ports, alert.id)


def test_a_key_that_was_issued_twice_is_told_of_and_the_second_payment_pays_nothing(world: World) -> None:
    key, issued = issued_key(world)
    subscription = world.subscribe(key=key)
    hear(world, issued)
    second = issued_again(world, key)
    hear(world, second)
    (alert,) = [alert for alert in world.alerts() if alert.kind == "issued_twice"]
    assert second["imp_uid"] in said(alert)
    assert world.attempt(world.invoice(subscription)).imp_uid == issued["imp_uid"]
    assert again(world, key) == []
