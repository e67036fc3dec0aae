"""The effect of each pingback on its key, on waiting invoices, and on alerts."""

from itertools import permutations

import pytest

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.errors import InvalidInput
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.key import confirm, register
from billing_worker.usecases.key.register import NewKey
from tests.support.alerts import proposed
from tests.support.world import World

pytestmark = pytest.mark.long

BUYER = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}


@pytest.fixture
def known(world: World) -> tuple[World, BillingKey]:
    """A pending key that the gateway already has."""
    customer_uid, key, _ = world.paymentwall_key()
    assert key is not None
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    return world, key


def tell(world: World, key: BillingKey, kind: str, ref: str = "b1", **more: str) -> apply.Applied:
    world.clock.advance(seconds=5)  # the same one is looked into once in this time
    applied = apply.apply(world.ports, world.pingback(key.customer_uid, kind, ref, **more))
    world.settle()
    return applied


def kinds(world: World) -> list[str]:
    return sorted(alert.kind for alert in world.alerts())


def look(world: World, key: BillingKey) -> bool:
    return confirm.confirm(world.ports, key.id)


@pytest.mark.fm("E24")
@pytest.mark.parametrize(
    ("kind", "more", "status", "alerts"),
    [
        ("0", {}, "active", []),
        ("1", {}, "active", []),
        ("2", {}, "invalid", ["pingback_reversal"]),
        ("2", {"reason": "9"}, "invalid", ["pingback_reversal"]),
        ("2", {"reason": "10"}, "pending", ["pingback_partial"]),
        ("12", {}, "pending", ["paymentwall_bills"]),
        ("13", {}, "pending", ["paymentwall_bills"]),
        ("14", {}, "pending", ["paymentwall_bills"]),
        ("200", {}, "pending", []),
        ("201", {}, "active", []),
        ("202", {}, "invalid", ["pingback_reversal"]),
        ("203", {}, "invalid", ["pingback_reversal"]),
        ("220", {"refund_amount": "500"}, "pending", ["pingback_partial"]),
        ("99", {}, "pending", ["pingback_unknown_type"]),
    ],
)
def test_what_each_type_does_to_a_pending_key(
    known: tuple[World, BillingKey], kind: str, more: dict[str, str], status: str, alerts: list[str]
) -> None:
    world, key = known
    subscription = world.subscribe(key=key)
    tell(world, key, kind, **more)
    assert (world.key_now(key).status, kinds(world)) == (status, alerts)
    assert all(proposed(alert) for alert in world.alerts())
    paid = {"active": "paid", "invalid": "open", "pending": "open"}[status]
    assert world.invoice(subscription).status == paid
    assert ("billing_key.invalid" in world.events()) is (status == "invalid")
    if status == "invalid":
        assert (world.invoice(subscription).awaits_key, world.subscription(subscription).status) == (True, "past_due")


@pytest.mark.parametrize(
    ("kind", "more", "status"),
    [
        ("2", {"reason": "1"}, "invalid"), ("2", {"reason": "2"}, "invalid"), ("2", {"reason": "3"}, "invalid"),
        ("2", {"reason": "9"}, "active"), ("2", {"reason": "10"}, "active"), ("2", {}, "active"),
        ("202", {}, "invalid"), ("203", {}, "invalid"), ("220", {}, "active"), ("200", {}, "active"),
        ("12", {}, "active"),
    ],
)  # fmt: skip
def test_what_each_type_does_to_a_key_that_its_payment_confirmed(
    known: tuple[World, BillingKey], kind: str, more: dict[str, str], status: str
) -> None:
    world, key = known
    tell(world, key, "0")
    assert world.key_now(key).status == "active"
    tell(world, key, kind, **more)
    assert world.key_now(key).status == status


def test_a_later_payment_of_the_key_that_was_refused_leaves_it_active_unless_the_card_is_disputed(
    known: tuple[World, BillingKey],
) -> None:
    world, key = known
    tell(world, key, "0")
    world.clock.advance(days=40)
    tell(world, key, "0", "b2")
    tell(world, key, "202", "b2")
    tell(world, key, "203", "b3")
    assert (world.key_now(key).status, kinds(world)) == ("active", ["pingback_reversal"] * 2)
    tell(world, key, "2", "b2", reason="1")
    assert world.key_now(key).status == "invalid"


def test_a_payment_confirms_also_a_key_that_portone_confirmed_a_moment_before(
    known: tuple[World, BillingKey],
) -> None:
    world, key = known
    assert look(world, key)
    tell(world, key, "201")
    tell(world, key, "203")
    assert world.key_now(key).status == "invalid"


def test_under_review_the_gateways_word_does_not_unlock_the_key_and_the_acceptance_does(
    known: tuple[World, BillingKey],
) -> None:
    world, key = known
    subscription = world.subscribe(key=key)
    tell(world, key, "200")
    assert not look(world, key)
    assert world.key_now(key).status == "pending"
    tell(world, key, "201")
    assert (world.key_now(key).status, world.invoice(subscription).status) == ("active", "paid")


@pytest.mark.parametrize("order", list(permutations(["0", "200", "202"])))
def test_in_whatever_order_a_refused_payment_leaves_no_key_to_be_charged(
    known: tuple[World, BillingKey], order: tuple[str, ...]
) -> None:
    world, key = known
    for kind in order:
        tell(world, key, kind)
    assert world.key_now(key).status == "invalid"
    assert not look(world, key)
    (row,) = world.rows("SELECT verdict, waiting FROM pingback_payments")
    assert row == {"verdict": "declined", "waiting": []}


def test_accepted_after_declined_unlocks_nothing_and_says_so(known: tuple[World, BillingKey]) -> None:
    world, key = known
    tell(world, key, "202")
    tell(world, key, "201")
    assert (world.key_now(key).status, kinds(world)) == ("invalid", ["pingback_contradiction", "pingback_reversal"])


def test_a_second_payment_that_goes_through_confirms_the_key_whose_first_was_declined(
    known: tuple[World, BillingKey],
) -> None:
    world, key = known
    tell(world, key, "202")
    assert (world.key_now(key).status, look(world, key)) == ("invalid", False)
    asked = apply.apply(world.ports, world.pingback(key.customer_uid, "0", "b2"))
    assert (asked.to_confirm, asked.status) == ([key.id], "received")
    assert look(world, key)
    world.clock.advance(minutes=1)
    world.settle()
    assert world.key_now(key).status == "active"
    assert world.rows("SELECT verdict, waiting FROM pingback_payments WHERE ref = 'b2'") == [
        {"verdict": "delivered", "waiting": []}
    ]


def test_a_payment_on_a_key_that_was_disputed_is_told_and_revives_nothing(known: tuple[World, BillingKey]) -> None:
    world, key = known
    tell(world, key, "0")
    tell(world, key, "2", reason="1")
    tell(world, key, "0", "b2")
    assert (world.key_now(key).status, kinds(world)) == ("invalid", ["pingback_contradiction", "pingback_reversal"])


@pytest.mark.fm("E22")
def test_what_is_sent_again_days_later_changes_nothing(known: tuple[World, BillingKey]) -> None:
    world, key = known
    sent = [("0", {}), ("220", {"refund_amount": "1"}), ("2", {"reason": "1"}), ("12", {}), ("99", {}), ("0", {})]
    for kind, more in sent:
        tell(world, key, kind, **more)
    with world.ports.database.transaction() as uow:
        for alert in uow.alerts.list_open(50):
            uow.alerts.close_one(alert.id, world.clock.moment())
        revived = uow.keys.lock(key.id)
        revived.move_to(KeyStatus.ACTIVE)  # as an operator does by hand
        uow.keys.save(revived)
        uow.commit()
    events, rows = world.events(), world.rows("SELECT * FROM pingback_payments")
    world.clock.advance(days=3)
    for kind, more in sent:
        assert tell(world, key, kind, **more).note.endswith("changes nothing")
    assert (world.events(), world.rows("SELECT * FROM pingback_payments")) == (events, rows)
    assert (world.key_now(key).status, kinds(world)) == ("active", [])


def test_several_parts_given_back_are_several_pingbacks(known: tuple[World, BillingKey]) -> None:
    world, key = known
    for more in ({"refund_amount": "100"}, {"merchant_refund_id": "r1"}, {"merchant_refund_id": "r2"}):
        for _ in range(2):
            tell(world, key, "220", **more)
    assert kinds(world) == ["pingback_partial"] * 3
    tell(world, key, "2", reason="10", refund_amount="50")
    tell(world, key, "2", reason="9")
    assert kinds(world) == ["pingback_partial"] * 4 + ["pingback_reversal"]


def test_a_key_registered_after_its_payment_was_refused_becomes_invalid(world: World) -> None:
    customer_uid, _, _ = world.paymentwall_key(registered=False)
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    world.pingback(customer_uid, "0")
    world.pingback(customer_uid, "202")
    world.settle()
    key = register.register_key(world.ports, NewKey(customer_uid, "paymentwall", **BUYER))
    assert not look(world, key)
    world.clock.advance(minutes=5)
    world.settle()
    assert (world.key_now(key).status, kinds(world)) == ("invalid", ["pingback_reversal"])


def test_another_goodsid_than_registered_confirms_nothing(world: World) -> None:
    customer_uid, _, _ = world.paymentwall_key(registered=False)
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    key = register.register_key(world.ports, NewKey(customer_uid, "paymentwall", goodsid="gold", **BUYER))
    tell(world, key, "0", "b1", goodsid="silver")
    tell(world, key, "202", "b2", goodsid="silver")
    assert (world.key_now(key).status, kinds(world)) == ("pending", ["pingback_goodsid", "pingback_reversal"])
    tell(world, key, "0", "b3", goodsid="gold")
    assert world.key_now(key).status == "active"
    with pytest.raises(InvalidInput, match="goodsid"):
        register.register_key(world.ports, NewKey(world.uid(), "nice_v2", goodsid="g" * 257))


@pytest.mark.fm("E20")
def test_a_payment_that_changes_its_owner_changes_nothing(known: tuple[World, BillingKey]) -> None:
    world, key = known
    _, other, _ = world.paymentwall_key()
    assert other is not None
    tell(world, other, "200")
    tell(world, key, "0")
    assert (world.key_now(key).status, kinds(world)) == ("pending", ["pingback_contradiction"])


def test_paymentwalls_own_subscriptions_are_told_to_the_merchant(known: tuple[World, BillingKey]) -> None:
    world, key = known
    for kind in ("12", "13", "14"):
        tell(world, key, kind, goodsid="gold")
    world.pingback("nobody", "12", "b9")
    world.settle()
    told = world.rows("SELECT type, subject_id, data FROM outbox WHERE type LIKE 'paymentwall%' ORDER BY sequence")
    names = ["subscription_canceled", "subscription_expired", "subscription_payment_failed", "subscription_canceled"]
    assert [row["type"] for row in told] == [f"paymentwall.{name}" for name in names]
    assert [row["subject_id"] for row in told[:3]] == [key.id] * 3
    assert told[0]["data"] == {"ref": "b1", "goodsid": "gold", "billing_key_id": key.id}
    assert told[3]["subject_id"].startswith("pingback_")


@pytest.mark.fm("E25")
def test_the_fourth_repetition_of_what_was_answered_ok_opens_an_alert(known: tuple[World, BillingKey]) -> None:
    world, key = known
    for _ in range(4):
        tell(world, key, "0")
    assert kinds(world) == []
    tell(world, key, "0")
    assert kinds(world) == ["pingback_repeated"]
