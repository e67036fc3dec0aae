"""A key that still pays is never deleted; a deletion is known by its answer or a read; another card takes over."""

from datetime import UTC, datetime

import pytest

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.usecases.entry import calls
from billing_worker.usecases.entry.calls import delete_key
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.entry.issue import NewCard, issue_key
from billing_worker.usecases.key.reactivate import reactivate
from tests.support.faults import Crash
from tests.support.gateways import Around, loses_the_reply
from tests.support.world import World

pytestmark = pytest.mark.long

NUMBER = "5409600012345677"


@pytest.fixture
def taking(known: World) -> World:
    """A world that takes card data, in which the gateway shows a payment of another customer."""
    return known.with_ports(card_entry=True)


def new_card(world: World, number: str = NUMBER, **more: object) -> NewCard:
    card = Card.entered(number, "2031-04", birth=None, pwd_2digit=None, real_now=datetime.now(UTC))
    return NewCard(world.uid("user"), "nice_v2", card, **more)  # type: ignore[arg-type] # fields of this test


def there(world: World, key: BillingKey) -> bool | None:
    return world.ports.gateway.read_key(key.customer_uid).known


def deletions(world: World, key: BillingKey) -> int:
    asked = world.sandbox.requests(f"/subscribe/customers/{key.customer_uid}")
    return sum(row["method"] == "DELETE" for row in asked)


def test_a_key_is_deleted_at_portone_and_here(known: World) -> None:
    key = known.key()
    gone = delete_key(known.ports, key.id, "the customer left", "admin")
    assert (gone.status, there(known, key)) == (KeyStatus.DELETED, False)
    (asked,) = [one for one in known.sandbox.requests(f"/subscribe/customers/{key.customer_uid}") if one["query"]]
    assert asked["query"] == "reason=the%20customer%20left&extra%5Brequester%5D=admin"
    assert delete_key(known.ports, key.id, "once more").status is KeyStatus.DELETED
    assert deletions(known, key) == 1
    assert [row["verb"] for row in known.rows("SELECT verb FROM actions WHERE subject_id = :id", id=key.id)] == [
        "key.registered",
        "key.delete_requested",
    ]
    with pytest.raises(Conflict):
        reactivate(known.ports, key.id)


@pytest.mark.parametrize("wrong", ["", "x" * 81, "card 4242424242424242", "a\nb"])
def test_a_deletion_has_a_reason_without_a_card_number(known: World, wrong: str) -> None:
    key = known.key()
    with pytest.raises(InvalidInput) as refusal:
        delete_key(known.ports, key.id, wrong)
    assert refusal.value.field == "reason"
    assert known.key_now(key).status is KeyStatus.ACTIVE


def test_an_unknown_key_is_not_found(known: World) -> None:
    with pytest.raises(NotFound):
        delete_key(known.ports, "key_none", "why")


def test_a_key_that_still_pays_is_kept_and_the_way_out_named(known: World) -> None:
    key = known.key()
    subscription = known.subscribe(key=key)
    with pytest.raises(Conflict, match=rf"still pays for {subscription.id}: give them another key"):
        delete_key(known.ports, key.id, "why")
    known.settle()
    known.cancel(subscription)
    assert delete_key(known.ports, key.id, "why").status is KeyStatus.DELETED


def test_a_key_with_a_charge_under_way_is_kept_even_if_its_subscription_has_another(known: World) -> None:
    from billing_worker.usecases.subscription.replace_key import replace_key  # noqa: PLC0415 - only here

    key, other = known.key(), known.key()
    subscription = known.subscribe(key=key)
    known.renew()
    deaf = known.with_ports(gateway=Around(known.ports.gateway, on_charge=loses_the_reply))
    deaf.charge(known.invoice(subscription))
    replace_key(known.ports, subscription.id, other.id)
    with pytest.raises(Conflict, match=subscription.id):
        delete_key(known.ports, key.id, "why")
    known.resolve()
    assert delete_key(known.ports, key.id, "why").status is KeyStatus.DELETED


@pytest.mark.parametrize(
    "behaviour",
    ["drop-after-charge", "drop-before-charge", "garbled", "error500", "error500-charged", "error502-html", "error401"],
)
def test_an_unclear_answer_is_resolved_by_a_read(known: World, behaviour: str) -> None:
    key = known.key()
    known.sandbox.rule(
        behaviour, endpoint="delete", customer_uid=key.customer_uid, times=2 if "401" in behaviour else 1
    )
    waiting = delete_key(known.ports, key.id, "why")
    assert waiting.status is KeyStatus.INVALID  # not charged from now on
    known.resolve(minutes=1)
    assert (known.key_now(key).status, there(known, key)) == (KeyStatus.DELETED, False)
    assert not known.rows("SELECT FROM key_calls WHERE status = 'open'")


def test_what_portone_refuses_to_delete_stays_and_says_why(known: World) -> None:
    key = known.key()
    known.sandbox.rule("refuse-contract", endpoint="delete", customer_uid=key.customer_uid)
    kept = delete_key(known.ports, key.id, "why")
    assert kept.status is KeyStatus.INVALID
    assert "PortOne did not delete it" in (kept.invalid_reason or "")
    assert there(known, key)
    assert reactivate(known.ports, key.id).status is KeyStatus.ACTIVE
    assert delete_key(known.ports, key.id, "again").status is KeyStatus.DELETED


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_while_it_deletes_is_followed_by_another(known: World, when: str) -> None:
    key = known.key()

    def dies(_gateway: object, customer_uid: str) -> object:
        if when == "after":
            known.ports.gateway.delete_key(customer_uid, "why")
        raise Crash

    dying = known.with_ports(gateway=Around(known.ports.gateway, on_delete=dies))  # type: ignore[arg-type] # it raises
    with pytest.raises(Crash):
        delete_key(dying.ports, key.id, "why")
    known.resolve(minutes=1)
    assert (known.key_now(key).status, there(known, key)) == (KeyStatus.DELETED, False)


def test_a_key_is_deleted_by_the_scan_alone_and_an_operator_hears_if_it_takes_long(known: World) -> None:
    key = known.key()
    request_delete(known.ports, key.id, "why")
    with known.sandbox.outage("error503", "delete", "customers"):
        known.resolve(hours=3)
        assert [(alert.kind, alert.subject_id) for alert in known.alerts()] == [("key_pending", key.id)]
        with pytest.raises(Conflict, match="being issued or deleted"):
            reactivate(known.ports, key.id)
    known.resolve(hours=2)
    assert known.key_now(key).status is KeyStatus.DELETED
    assert known.alerts() == []


def test_a_key_that_is_being_issued_is_not_deleted(taking: World) -> None:
    asked = new_card(taking)
    taking.sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked.customer_uid)
    key = issue_key(taking.ports, asked)
    with pytest.raises(Conflict, match="being issued"):
        delete_key(taking.ports, key.id, "why")
    taking.resolve(seconds=10)
    assert delete_key(taking.ports, key.id, "why").status is KeyStatus.DELETED


def test_another_card_takes_over_the_subscriptions_and_the_old_one_is_deleted(taking: World) -> None:
    old = taking.key()
    subscriptions = [taking.subscribe(key=old) for _ in range(2)]
    taking.settle()
    new = issue_key(taking.ports, new_card(taking, replaces=old.id, deletes_replaced=True))
    assert new.status is KeyStatus.ACTIVE
    assert {taking.subscription(each).billing_key_id for each in subscriptions} == {new.id}
    taking.resolve(minutes=1)
    assert (taking.key_now(old).status, there(taking, old)) == (KeyStatus.DELETED, False)


def test_a_card_that_is_refused_replaces_nothing(taking: World) -> None:
    old = taking.key()
    subscription = taking.subscribe(key=old)
    taking.settle()
    refused = issue_key(taking.ports, new_card(taking, "4000000000000000", replaces=old.id, deletes_replaced=True))
    assert refused.status is KeyStatus.INVALID
    assert taking.subscription(subscription).billing_key_id == old.id
    assert taking.key_now(old).status is KeyStatus.ACTIVE


def test_a_lost_answer_moves_the_subscriptions_when_it_is_known(taking: World) -> None:
    old = taking.key()
    subscription = taking.subscribe(key=old)
    taking.settle()
    asked = new_card(taking, replaces=old.id)
    taking.sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked.customer_uid)
    pending = issue_key(taking.ports, asked)
    assert taking.subscription(subscription).billing_key_id == old.id
    taking.resolve(minutes=1)
    assert taking.subscription(subscription).billing_key_id == pending.id
    assert taking.key_now(old).status is KeyStatus.ACTIVE  # nobody asked for its deletion


def test_a_process_that_dies_between_the_issue_and_the_move_is_followed(
    taking: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = taking.key()
    subscription = taking.subscribe(key=old)
    taking.settle()

    def dies(*_: object) -> None:
        raise Crash

    asked = new_card(taking, replaces=old.id, deletes_replaced=True)
    with monkeypatch.context() as patched:
        patched.setattr("billing_worker.usecases.entry.issue.follow", dies)
        with pytest.raises(Crash):
            issue_key(taking.ports, asked)
    assert calls.due(taking.ports, 10)
    taking.resolve(minutes=1)
    assert taking.subscription(subscription).billing_key_id != old.id
    assert taking.key_now(old).status is KeyStatus.DELETED


def test_the_old_card_is_deleted_only_after_its_last_charge(taking: World) -> None:
    old = taking.key()
    subscription = taking.subscribe(key=old)
    taking.renew()
    deaf = taking.with_ports(gateway=Around(taking.ports.gateway, on_charge=loses_the_reply))
    deaf.charge(taking.invoice(subscription))
    new = issue_key(taking.ports, new_card(taking, replaces=old.id, deletes_replaced=True))
    assert (new.status, taking.key_now(old).status) == (KeyStatus.ACTIVE, KeyStatus.ACTIVE)
    taking.resolve()
    assert taking.key_now(old).status is KeyStatus.DELETED
    assert len(taking.money(taking.invoice(subscription))) == 1
