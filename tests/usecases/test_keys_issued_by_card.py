"""Keys from card data: a card is sent once, and an unclear answer is resolved by reads."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_entry import Card, Issued, IssueRequest
from billing_worker.domain.errors import Conflict, InvalidInput, SettingsInvalid
from billing_worker.domain.payment import Unknown
from billing_worker.ports.outside import Gateway, KeyReading
from billing_worker.usecases.entry import calls, issue
from billing_worker.usecases.entry.issue import NewCard, issue_key
from billing_worker.usecases.key.reactivate import reactivate
from tests.support.faults import Crash, dies_at
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

NUMBER = "5409600012345677"
KEYS = "SELECT kind, status, sent, note FROM key_calls ORDER BY id"


def card(number: str = NUMBER) -> Card:
    return Card.entered(number, "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


@pytest.fixture
def taking(known: World) -> World:
    """A world that takes card data, in which the gateway shows a payment of another customer."""
    return known.with_ports(card_entry=True)


def wanted(world: World, number: str = NUMBER, **more: Any) -> NewCard:
    return NewCard(world.uid("user"), "nice_v2", card(number), **more)


def stored(world: World, customer_uid: str) -> bool | None:
    """What the sandbox itself says."""
    return world.ports.gateway.read_key(customer_uid).known


def times_sent(world: World, customer_uid: str) -> int:
    asked = world.sandbox.requests(f"/subscribe/customers/{customer_uid}")
    return sum(row["method"] == "POST" for row in asked)


def the_key(world: World, customer_uid: str) -> BillingKey:
    with world.ports.database.transaction() as uow:
        key = uow.keys.with_customer_uid(customer_uid)
    assert key is not None
    return key


def issue_of(world: World) -> str:
    (row,) = world.rows("SELECT status FROM key_calls WHERE kind = 'issue'")
    return str(row["status"])


def test_a_card_becomes_an_active_key_that_is_charged(taking: World) -> None:
    asked = wanted(taking, buyer_name="김길동", external_id="card-1")
    key = issue_key(taking.ports, asked)
    assert (key.status, key.external_id, key.next_look_at) == (KeyStatus.ACTIVE, "card-1", None)
    assert stored(taking, asked.customer_uid)
    assert (key.card.last_digits, key.waits_for) == (NUMBER[-4:], None)
    assert issue_of(taking) == "done"
    subscription = taking.subscribe(key=key)
    taking.settle()
    assert [row["status"] for row in taking.ledger(key)] == ["paid"]
    assert taking.invoice(subscription).status == "paid"
    verbs = [row["verb"] for row in taking.rows("SELECT verb FROM actions WHERE subject_id = :id", id=key.id)]
    assert verbs == ["key.issue_requested"]
    assert taking.events().count("billing_key.activated") == 1


def test_without_the_setting_no_card_is_taken(known: World) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_CARD_ENTRY"):
        issue_key(known.ports, wanted(known))
    assert known.rows(KEYS) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pg_provider": "kakaopay"}, "pg_provider"),
        ({"pg_provider": "paymentwall"}, "pg_provider"),
        ({"pg_provider": "tosspayments"}, "customer_id"),
        ({"pg_provider": "welcome"}, "buyer_name"),
        ({"buyer_name": "4242 4242 4242 4242"[:16]}, None),
        ({"external_id": "4242424242424242"}, "external_id"),
        ({"customer_uid": "4242-4242-4242-4242"}, "customer_uid"),
        ({"customer_id": "4242424242424242"}, "customer_id"),
        ({"channel_key": "k" * 56}, "channel_key"),
    ],
)
def test_what_a_pg_would_refuse_is_refused_before_anything_is_stored(
    taking: World, changes: dict[str, Any], field: str | None
) -> None:
    asked = replace(wanted(taking), **changes)
    if field is None:
        assert issue_key(taking.ports, asked).status is KeyStatus.ACTIVE  # twelve digits are no card number
        return
    with pytest.raises(InvalidInput) as refusal:
        issue_key(taking.ports, asked)
    assert refusal.value.field == field
    assert "4242" not in str(refusal.value)
    assert taking.rows(KEYS) == []


def test_a_pg_that_needs_every_part_of_the_card_gets_it(taking: World) -> None:
    bare = Card.entered(NUMBER, "2031-04", birth=None, pwd_2digit=None, real_now=datetime.now(UTC))
    asked = NewCard(taking.uid("user"), "ksnet", bare, buyer_name="김길동")
    with pytest.raises(InvalidInput, match=r"card\.birth: is needed to issue a key at ksnet"):
        issue_key(taking.ports, asked)
    assert issue_key(taking.ports, replace(asked, card=card())).status is KeyStatus.ACTIVE


def test_a_refused_card_leaves_an_invalid_key_with_the_words_of_the_pg(taking: World) -> None:
    key = issue_key(taking.ports, wanted(taking, "4000000000000000"))
    assert key.status is KeyStatus.INVALID
    assert "카드번호" in (key.invalid_reason or "")
    assert (issue_of(taking), stored(taking, key.customer_uid)) == ("refused", False)
    assert taking.events().count("billing_key.invalid") == 1
    with pytest.raises(Conflict, match="never stored"):
        reactivate(taking.ports, key.id)


def test_one_customer_uid_is_one_card(taking: World) -> None:
    asked = wanted(taking)
    first = issue_key(taking.ports, asked)
    with pytest.raises(Conflict) as refusal:
        issue_key(taking.ports, asked)
    assert refusal.value.existing_id == first.id
    assert times_sent(taking, asked.customer_uid) == 1


def test_a_key_that_portone_has_already_is_not_overwritten(taking: World) -> None:
    asked = wanted(taking)
    taking.sandbox.register(asked.customer_uid, "nice_v2")
    key = issue_key(taking.ports, asked)
    assert key.status is KeyStatus.INVALID
    assert "would overwrite it there" in (key.invalid_reason or "")
    assert (issue_of(taking), times_sent(taking, asked.customer_uid)) == ("taken", 0)
    calls.delete_key(taking.ports, key.id, "not ours")
    assert taking.key_now(key).status is KeyStatus.DELETED
    assert stored(taking, asked.customer_uid)  # it belongs to somebody else


def test_while_portone_cannot_be_read_no_card_is_sent(taking: World) -> None:
    asked = wanted(taking)
    with taking.sandbox.outage("error503", "customers"):
        key = issue_key(taking.ports, asked)
    assert (key.status, times_sent(taking, asked.customer_uid)) == (KeyStatus.INVALID, 0)
    assert "could not be read first" in (key.invalid_reason or "")


LOST = ("drop-after-charge", "cut-body", "truncated", "garbled", "error500-charged", "error502-html-charged")
NEVER = ("drop-before-charge", "error500", "error502-html", "error503", "redirect")


@pytest.mark.parametrize("behaviour", LOST)
def test_a_lost_answer_to_a_stored_card_ends_active(taking: World, behaviour: str) -> None:
    asked = wanted(taking)
    taking.sandbox.rule(behaviour, endpoint="issue", customer_uid=asked.customer_uid)
    key = issue_key(taking.ports, asked)
    assert (key.status, issue_of(taking)) == (KeyStatus.PENDING, "open")
    taking.resolve(seconds=10)
    found = taking.key_now(key)
    assert (found.status, found.card.last_digits) == (KeyStatus.ACTIVE, NUMBER[-4:])
    assert (issue_of(taking), times_sent(taking, asked.customer_uid)) == ("done", 1)
    assert taking.events().count("billing_key.activated") == 1


@pytest.mark.parametrize("behaviour", NEVER)
def test_a_lost_request_ends_invalid_after_two_reads_a_settle_window_apart(taking: World, behaviour: str) -> None:
    asked = wanted(taking)
    taking.sandbox.rule(behaviour, endpoint="issue", customer_uid=asked.customer_uid)
    key = issue_key(taking.ports, asked)
    assert (key.status, issue_of(taking)) == (KeyStatus.PENDING, "open")
    taking.clock.advance(seconds=0.25)
    taking.resolve_key_calls()
    assert taking.key_now(key).status is KeyStatus.PENDING  # one read proves nothing
    taking.resolve(seconds=10)
    gone = taking.key_now(key)
    assert gone.status is KeyStatus.INVALID
    assert "PortOne never stored it" in (gone.invalid_reason or "")
    assert (issue_of(taking), times_sent(taking, asked.customer_uid)) == ("absent", 1)


@pytest.mark.parametrize(("behaviour", "reason"), [("error401", "does not accept our key"), ("rate-limit", "too many")])
def test_a_call_without_effect_ends_invalid_at_once(taking: World, behaviour: str, reason: str) -> None:
    asked = wanted(taking)
    taking.sandbox.rule(behaviour, endpoint="issue", customer_uid=asked.customer_uid, times=2)
    key = issue_key(taking.ports, asked)
    assert key.status is KeyStatus.INVALID
    assert reason in (key.invalid_reason or "")
    taking.sandbox.forget_rules()


def test_a_card_that_is_stored_late_is_found_within_the_window(taking: World) -> None:
    """The first read finds nothing, the second one finds the key: absence is not concluded in between."""

    def later(_gateway: Gateway, request: IssueRequest) -> Unknown:
        late.append(request)
        return Unknown("no answer: the connection was lost")

    late: list[IssueRequest] = []
    asked = wanted(taking)
    slow = taking.with_ports(gateway=Around(taking.ports.gateway, on_issue=later))
    key = issue_key(slow.ports, asked)
    taking.clock.advance(seconds=0.25)
    assert slow.resolve_key_calls() == 1
    assert isinstance(taking.ports.gateway.issue_key(late[0]), Issued)
    taking.resolve(seconds=10)
    assert taking.key_now(key).status is KeyStatus.ACTIVE


def test_absence_is_not_concluded_from_the_wrong_books(taking: World) -> None:
    """The gateway shows no key, and not the payment that must be there either."""
    asked = wanted(taking)
    taking.sandbox.rule("drop-before-charge", endpoint="issue", customer_uid=asked.customer_uid)
    key = issue_key(taking.ports, asked)
    blind = taking.with_ports(
        gateway=Around(
            taking.ports.gateway,
            on_read_key=lambda *_: KeyReading(),
            on_payment=lambda *_: taking.ports.gateway.payment("imp_000000000000"),
        )
    )
    for _ in range(8):
        taking.clock.advance(minutes=10)
        blind.resolve_key_calls()
    assert taking.key_now(key).status is KeyStatus.PENDING
    assert [(alert.kind, alert.subject_id) for alert in taking.alerts()] == [("key_pending", key.id)]
    taking.resolve(hours=3)
    assert taking.key_now(key).status is KeyStatus.INVALID
    assert taking.alerts() == []


STEPS = ("request_issue", "read_key", "_sending", "issue_key", "_record")
"""In their order: the process dies right before or right after each."""


def _dies(step: str, *, after: bool, monkeypatch: pytest.MonkeyPatch, world: World) -> World:
    dying = partial(dies_at, after=after)
    if step == "read_key":
        inner = world.ports.gateway
        return world.with_ports(gateway=Around(inner, on_read_key=dying(lambda _, uid: inner.read_key(uid))))
    if step == "issue_key":
        inner = world.ports.gateway
        return world.with_ports(gateway=Around(inner, on_issue=dying(lambda _, request: inner.issue_key(request))))
    monkeypatch.setattr(issue, step, dying(getattr(issue, step)))
    return world


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_may_die_at_every_step(taking: World, step: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, after = wanted(taking), when == "after"
    with monkeypatch.context() as patched, pytest.raises(Crash):
        issue_key(_dies(step, after=after, monkeypatch=patched, world=taking).ports, asked)
    if (step, after) == ("request_issue", False):
        assert taking.rows(KEYS) == []
        return
    key = the_key(taking, asked.customer_uid)
    taking.resolve(minutes=10)
    sent = times_sent(taking, asked.customer_uid)
    reached = STEPS.index(step) > 3 or (step, after) == ("issue_key", True)
    assert sent == (1 if reached else 0)
    assert stored(taking, asked.customer_uid) is reached
    assert taking.key_now(key).status is (KeyStatus.ACTIVE if reached else KeyStatus.INVALID)
    assert not taking.rows("SELECT FROM key_calls WHERE status = 'open'")
    assert taking.alerts() == []


def test_nobody_decides_while_the_process_may_still_send(taking: World) -> None:
    """The scan comes while the call is under way: it waits for the end of the lease."""

    def meanwhile(gateway: Gateway, request: IssueRequest) -> Any:
        for _ in range(3):
            taking.clock.advance(seconds=1)  # further apart than the settle window, and within the lease
            with taking.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE key_calls SET next_step_at = '2000-01-01'")
            assert taking.resolve_key_calls() == 1
        return gateway.issue_key(request)

    busy = taking.with_ports(gateway=Around(taking.ports.gateway, on_issue=meanwhile))
    assert issue_key(busy.ports, wanted(taking)).status is KeyStatus.ACTIVE


def test_a_process_that_stood_still_sends_nothing_any_more(taking: World) -> None:
    def stands_still(gateway: Gateway, customer_uid: str) -> KeyReading:
        known = gateway.read_key(customer_uid)
        taking.clock.advance(minutes=5)
        taking.resolve_key_calls()
        return known

    asked = wanted(taking)
    slow = taking.with_ports(gateway=Around(taking.ports.gateway, on_read_key=stands_still))
    key = issue_key(slow.ports, asked)
    assert (key.status, times_sent(taking, asked.customer_uid)) == (KeyStatus.INVALID, 0)
    assert "before the card was sent" in (key.invalid_reason or "")


def test_a_pending_key_is_never_charged(taking: World) -> None:
    asked = wanted(taking)
    taking.sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked.customer_uid)
    key = issue_key(taking.ports, asked)
    taking.subscribe(key=key)
    taking.renew_and_charge()
    taking.collect()
    assert taking.ledger(key) == []
    taking.resolve(minutes=1)
    assert [row["status"] for row in taking.ledger(key)] == ["paid"]
