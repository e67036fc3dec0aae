"""A card is kept as a key now, and its first payment is charged at a time: both, or nothing that would be charged."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import OperationalError

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_entry import Card, IssueAnswer, IssueRequest
from billing_worker.domain.errors import Conflict, InvalidInput, SettingsInvalid
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.payment import Approved, ChargeRequest, Unknown
from billing_worker.domain.stop import StopCause
from billing_worker.ports.lists import Kind
from billing_worker.ports.outside import Gateway, KeyReading
from billing_worker.usecases.charge import card_payment
from billing_worker.usecases.charge.card_payment import (
    NewCardPayment,
    finish_card_payment,
    pay_by_card,
    request_card_payment,
)
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.control.stop_charging import clear_stop, stop_charging
from billing_worker.usecases.entry import issue, later
from billing_worker.usecases.entry.calls import delete_key
from billing_worker.usecases.key.reactivate import reactivate
from billing_worker.usecases.payment.cancel import cancel_payment
from billing_worker.usecases.payment.create import NewPayment, create_payment
from billing_worker.usecases.reading.why import why
from tests.support.faults import Crash, dies_at
from tests.support.gateways import Around
from tests.support.locks import until_it_waits_or_ends
from tests.support.world import World

pytestmark = pytest.mark.long

NUMBER, REFUSED = "5409600012345677", "4000000000000000"
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


@pytest.fixture
def taking(known: World) -> World:
    """A world that takes card data, in which the gateway shows a payment of another customer."""
    return known.with_ports(card_entry=True)


def a_card(number: str = NUMBER) -> Card:
    return Card.entered(number, "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def wanted(world: World, after: timedelta = WEEK, number: str = NUMBER, **more: Any) -> NewCardPayment:
    given = {"customer_uid": world.uid("user"), "at": world.clock.now() + after} | more
    return NewCardPayment("nice_v2", a_card(number), 9900, **given)


def key_of(world: World, payment: Invoice) -> BillingKey:
    with world.ports.database.transaction() as uow:
        return uow.keys.get(payment.billing_key_id)


def payments(world: World) -> list[Invoice]:
    with world.ports.database.transaction() as uow:
        return list(uow.lists.part(Kind.PAYMENTS, {}, 10, None).items)


def the_payment(world: World) -> Invoice:
    (found,) = payments(world)
    return found


def times_sent(world: World, customer_uid: str) -> int:
    """How often a card was sent, in whatever call."""
    issued = world.sandbox.requests(f"/subscribe/customers/{customer_uid}")
    others = world.sandbox.requests("/subscribe/payments/onetime") + world.sandbox.requests(
        "/subscribe/payments/schedule"
    )
    sent = [call for call in others if customer_uid in str(call)]
    return sum(row["method"] == "POST" for row in issued) + len(sent)


def past_its_time(world: World) -> None:
    world.run_until(world.clock.now() + WEEK + timedelta(days=2), timedelta(hours=6))


def ends(world: World, payment: Invoice, *, paid: bool) -> None:
    """Walk past its time; the sandbox's ledger is the judge."""
    past_its_time(world)
    assert world.now_of(payment).status == ("paid" if paid else "uncollectible")
    assert len(world.money(payment)) == int(paid)
    assert world.ledger(key_of(world, payment)) == world.money(payment)
    assert key_of(world, payment).status is (KeyStatus.ACTIVE if paid else KeyStatus.INVALID)
    assert not world.rows("SELECT FROM key_calls WHERE status = 'open'")
    assert world.alerts() == []
    world.assert_books_agree()


def test_the_card_is_kept_at_once_and_charged_at_its_time(taking: World) -> None:
    asked = wanted(taking, order_id=f"trip-{uuid4().hex[:10]}", customer="hong")
    payment = pay_by_card(taking.ports, asked)
    key = key_of(taking, payment)
    assert (payment.status, payment.next_attempt_at) == ("open", asked.at)
    assert (key.status, key.card.last_digits) == (KeyStatus.ACTIVE, NUMBER[-4:])
    assert "Not due yet" in str(why(taking.ports, payment.id))
    taking.run_until(taking.clock.now() + WEEK - HOUR, timedelta(days=1))
    assert taking.ledger(key) == []
    taking.clock.advance(hours=1)
    taking.settle()
    (money,) = taking.money(payment)
    assert (money["amount"], money["merchant_uid"]) == (9900, asked.order_id)
    assert (money["customer_uid"], money["origin"]) == (asked.customer_uid, "again")
    assert times_sent(taking, key.customer_uid) == 1
    verbs = {
        row["verb"]
        for row in taking.rows("SELECT verb FROM actions WHERE subject_id = ANY(:ids)", ids=[payment.id, key.id])
    }
    assert verbs == {"key.issue_requested", "payment.created"}
    assert NUMBER not in str(taking.rows("SELECT * FROM evidence")) + str(taking.rows("SELECT * FROM invoices"))
    ends(taking, payment, paid=True)


@pytest.mark.parametrize("retry_days", [(), (1, 3)])
def test_a_refused_card_leaves_nothing_that_would_be_charged(taking: World, retry_days: tuple[int, ...]) -> None:
    payment = pay_by_card(taking.ports, wanted(taking, number=REFUSED, retry_days=retry_days))
    assert payment.status == "uncollectible"
    assert "카드번호" in (payment.last_reason or "")
    assert taking.events()[-2:] == ["billing_key.invalid", "invoice.uncollectible"]
    (event,) = taking.rows("SELECT data FROM outbox WHERE type = 'invoice.uncollectible'")
    assert (event["data"]["invoice_id"], event["data"]["status"]) == (payment.id, "uncollectible")
    assert "카드번호" in event["data"]["reason"]
    said = why(taking.ports, payment.id)
    assert "카드번호" in said.answer
    assert (said.next, said.ways_out) == (
        "Nothing: its card is not charged any more. Another payment needs another card.",
        [],
    )
    with pytest.raises(Conflict, match="another payment"):
        retry_now(taking.ports, payment.id)
    with pytest.raises(Conflict, match="never stored"):
        reactivate(taking.ports, payment.billing_key_id)
    ends(taking, payment, paid=False)


LOST = ("drop-after-charge", "cut-body", "error500-charged", "error502-html-charged")
NEVER = ("drop-before-charge", "error500", "error502-html", "error503")


@pytest.mark.parametrize("behaviour", [*LOST, *NEVER])
def test_what_reads_find_out_about_the_key_decides_the_payment(taking: World, behaviour: str) -> None:
    asked, kept = wanted(taking), behaviour in LOST
    taking.sandbox.rule(behaviour, endpoint="issue", customer_uid=asked.customer_uid)
    payment = pay_by_card(taking.ports, asked)
    assert (payment.status, key_of(taking, payment).status) == ("open", KeyStatus.PENDING)
    told = str(why(taking.ports, payment.id))
    assert "must not be charged before it is confirmed: PortOne has not been read about it yet" in told
    assert "whichever is later" in told
    taking.resolve(seconds=10)
    assert taking.now_of(payment).status == ("open" if kept else "uncollectible")
    assert key_of(taking, payment).status is (KeyStatus.ACTIVE if kept else KeyStatus.INVALID)
    assert taking.events().count("invoice.uncollectible") == int(not kept)
    ends(taking, payment, paid=kept)
    assert times_sent(taking, asked.customer_uid or "") == 1


def test_after_one_read_that_shows_nothing_the_payment_waits_and_why_says_so(taking: World) -> None:
    asked = wanted(taking)
    taking.sandbox.rule("drop-before-charge", endpoint="issue", customer_uid=asked.customer_uid)
    payment = pay_by_card(taking.ports, asked)
    taking.clock.advance(seconds=0.25)
    taking.resolve_key_calls()
    assert taking.now_of(payment).status == "open"
    assert key_of(taking, payment).waits_for == "not_stored"
    assert "PortOne has no key with its customer_uid" in str(why(taking.ports, payment.id))
    ends(taking, payment, paid=False)


def test_a_payment_whose_time_has_come_waits_for_its_key_and_is_charged_once(taking: World) -> None:
    asked = wanted(taking, timedelta(minutes=1))
    taking.sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked.customer_uid)
    payment = pay_by_card(taking.ports, asked)
    unread = Around(taking.ports.gateway, on_read_key=lambda *_: KeyReading(trouble="HTTP 503"))
    blind = taking.with_ports(gateway=unread)
    blind.run_until(taking.clock.now() + timedelta(minutes=20), timedelta(minutes=5))
    assert (taking.now_of(payment).status, taking.ledger(key_of(taking, payment))) == ("open", [])
    assert key_of(taking, payment).waits_for == "unreadable"
    assert "It is charged as soon as the confirmation" in str(why(taking.ports, payment.id))
    taking.resolve(hours=2)
    assert taking.now_of(payment).status == "paid"
    ends(taking, payment, paid=True)


STEPS = ("add_payment", "request_later_payment", "read_key", "_sending", "issue_key", "_record")
"""In their order: the process dies right before or right after each."""


def _dies(step: str, *, after: bool, monkeypatch: pytest.MonkeyPatch, world: World) -> World:
    dying = partial(dies_at, after=after)
    inner = world.ports.gateway
    if step == "read_key":
        return world.with_ports(gateway=Around(inner, on_read_key=dying(lambda _, uid: inner.read_key(uid))))
    if step == "issue_key":
        return world.with_ports(gateway=Around(inner, on_issue=dying(lambda _, request: inner.issue_key(request))))
    module = {"add_payment": later, "request_later_payment": card_payment}.get(step, issue)
    monkeypatch.setattr(module, step, dying(getattr(module, step)))
    return world


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_may_die_at_every_step(
    taking: World, step: str, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    asked = wanted(taking)
    with monkeypatch.context() as patched, pytest.raises(Crash):
        pay_by_card(_dies(step, after=after, monkeypatch=patched, world=taking).ports, asked)
    if step == "add_payment" or (step, after) == ("request_later_payment", False):
        assert payments(taking) == []
        assert taking.rows("SELECT FROM key_calls") == []
        assert not taking.rows("SELECT FROM billing_keys WHERE customer_uid = :uid", uid=asked.customer_uid)
        return
    payment = the_payment(taking)
    taking.resolve(minutes=10)
    reached = STEPS.index(step) > 4 or (step, after) == ("issue_key", True)
    assert taking.now_of(payment).status == ("open" if reached else "uncollectible")
    ends(taking, payment, paid=reached)
    assert times_sent(taking, asked.customer_uid or "") == int(reached)


def test_a_process_that_stood_still_sends_nothing_any_more(taking: World) -> None:
    def stands_still(gateway: Gateway, customer_uid: str) -> KeyReading:
        known = gateway.read_key(customer_uid)
        taking.clock.advance(minutes=5)
        taking.resolve_key_calls()
        return known

    slow = taking.with_ports(gateway=Around(taking.ports.gateway, on_read_key=stands_still))
    payment = pay_by_card(slow.ports, wanted(taking))
    assert payment.status == "uncollectible"
    assert "before the card was sent" in (payment.last_reason or "")
    assert times_sent(taking, key_of(taking, payment).customer_uid) == 0
    ends(taking, payment, paid=False)


def test_a_worker_may_end_it_while_the_answer_is_on_its_way(taking: World) -> None:
    """The answer comes after a worker has read the key: both find the same, and the payment is ended or kept once."""

    def meanwhile(gateway: Gateway, request: IssueRequest) -> IssueAnswer:
        answer = gateway.issue_key(request)
        taking.clock.advance(minutes=5)
        taking.resolve(minutes=1)
        return answer

    slow = taking.with_ports(gateway=Around(taking.ports.gateway, on_issue=meanwhile))
    for number in (NUMBER, REFUSED):
        payment = pay_by_card(slow.ports, wanted(taking, number=number))
        assert payment.status == ("open" if number == NUMBER else "uncollectible")
        ends(taking, payment, paid=number == NUMBER)
    assert taking.events().count("invoice.uncollectible") == 1


def test_a_key_of_another_system_is_neither_overwritten_nor_charged(taking: World) -> None:
    asked = wanted(taking)
    taking.sandbox.register(asked.customer_uid or "", "nice_v2")
    payment = pay_by_card(taking.ports, asked)
    assert "would overwrite it there" in (payment.last_reason or "")
    assert times_sent(taking, asked.customer_uid or "") == 0
    ends(taking, payment, paid=False)
    assert delete_key(taking.ports, payment.billing_key_id, "tidy up").status is KeyStatus.DELETED
    assert taking.ports.gateway.read_key(asked.customer_uid or "").known


def test_while_portone_cannot_be_read_no_card_is_sent(taking: World) -> None:
    asked = wanted(taking)
    with taking.sandbox.outage("error503", "customers"):
        payment = pay_by_card(taking.ports, asked)
    assert (payment.status, times_sent(taking, asked.customer_uid or "")) == ("uncollectible", 0)
    ends(taking, payment, paid=False)


def test_a_repeat_is_the_first_payment_before_and_after_its_time(taking: World) -> None:
    asked = wanted(taking, order_id=f"trip-{uuid4().hex[:10]}")
    first = pay_by_card(taking.ports, asked)
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            pay_by_card(taking.ports, asked)
        assert (refused.value.field, refused.value.existing_id) == ("order_id", first.id)
        with pytest.raises(Conflict) as refused:
            pay_by_card(taking.ports, wanted(taking, order_id=asked.order_id))
        assert (refused.value.field, refused.value.existing_id) == ("order_id", first.id)
        with pytest.raises(Conflict) as refused:
            pay_by_card(taking.ports, replace(asked, order_id=None))
        assert (refused.value.field, refused.value.existing_id) == ("customer_uid", first.billing_key_id)
        past_its_time(taking)
    assert len(payments(taking)) == 1
    assert times_sent(taking, asked.customer_uid or "") == 1
    ends(taking, first, paid=True)


def test_two_requests_with_one_order_number_at_the_same_time_make_one_payment(taking: World) -> None:
    asked, twin, both = wanted(taking, order_id=f"race-{uuid4().hex[:10]}"), taking.twin(), Barrier(2)
    made: list[str] = []
    refused: list[str | None] = []

    def request(ports: Any) -> None:
        both.wait()
        try:
            made.append(pay_by_card(ports, asked).id)
        except Conflict as error:
            refused.append(error.existing_id)

    threads = [Thread(target=request, args=(each,)) for each in (taking.ports, twin.with_ports(card_entry=True).ports)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twin.close()
    assert len(made) == 1
    assert refused == made
    assert times_sent(taking, asked.customer_uid or "") == 1
    ends(taking, the_payment(taking), paid=True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"at": timedelta(0)}, "at"),
        ({"at": -HOUR}, "at"),
        ({"at": timedelta(days=-30)}, "at"),
        ({"at": timedelta(days=800)}, "at"),
        ({"customer_uid": None}, "customer_uid"),
        ({"customer_uid": NUMBER}, "customer_uid"),
        ({"amount": 0}, "amount"),
        ({"pg_provider": "paymentwall"}, "pg_provider"),
        ({"pg_provider": "kakaopay"}, "pg_provider"),
        ({"pg_provider": "tosspayments"}, "customer_id"),
        ({"pg_provider": "welcome"}, "buyer_name"),
        ({"retry_days": (0,)}, "retry_days"),
        ({"order_id": "a b"}, "order_id"),
        ({"order_id": NUMBER}, "order_id"),
        ({"name": "x" * 41}, "name"),
    ],
)
def test_bad_input_names_its_field_and_stores_nothing(taking: World, change: dict[str, Any], field: str) -> None:
    after = change.pop("at", WEEK)
    asked = replace(wanted(taking, after), **change)
    with pytest.raises(InvalidInput) as refused:
        pay_by_card(taking.ports, asked)
    assert refused.value.field == field
    assert NUMBER not in str(refused.value)
    assert payments(taking) == []
    assert taking.rows("SELECT FROM key_calls") == []
    assert len(taking.rows("SELECT FROM billing_keys")) == 1


def test_a_time_without_a_zone_is_refused(taking: World) -> None:
    with pytest.raises(InvalidInput, match="time zone") as refused:
        pay_by_card(taking.ports, replace(wanted(taking), at=taking.clock.now().replace(tzinfo=None)))
    assert refused.value.field == "at"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"retry_days": (1,)}, "retry_days"),
        ({"channel_key": "c"}, "channel_key"),
        ({"customer_id": "c"}, "customer_id"),
    ],
)
def test_what_is_for_a_later_payment_is_refused_for_one_that_is_charged_now(
    taking: World, change: dict[str, Any], field: str
) -> None:
    before = taking.sandbox.requests("/subscribe/payments/onetime")
    with pytest.raises(InvalidInput, match="with `at` only") as refused:
        pay_by_card(taking.ports, replace(wanted(taking), at=None, **change))
    assert refused.value.field == field
    assert payments(taking) == []
    assert taking.sandbox.requests("/subscribe/payments/onetime") == before


def test_where_no_cards_are_taken_nothing_is_stored(taking: World) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_CARD_ENTRY"):
        pay_by_card(taking.with_ports(card_entry=False).ports, wanted(taking))
    with pytest.raises(Conflict, match="BILLING_SHADOW"):
        pay_by_card(taking.with_ports(shadow=True).ports, wanted(taking))
    assert payments(taking) == []


def test_toss_gets_its_customer_and_the_channel(taking: World) -> None:
    asked = replace(wanted(taking), pg_provider="tosspayments", customer_id="cust-1", channel_key="channel-1")
    payment = pay_by_card(taking.ports, asked)
    sent = [
        call["fields"]
        for call in taking.sandbox.requests(f"/subscribe/customers/{asked.customer_uid}")
        if call["method"] == "POST"
    ]
    assert [(fields["customer_id"], fields["channel_key"]) for fields in sent] == [("cust-1", "channel-1")]
    ends(taking, payment, paid=True)


def test_one_that_is_canceled_meanwhile_is_never_charged_and_its_card_stays(taking: World) -> None:
    asked = wanted(taking)
    taking.sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked.customer_uid)
    payment = pay_by_card(taking.ports, asked)
    with pytest.raises(Conflict, match="being issued"):
        delete_key(taking.ports, payment.billing_key_id, "changed my mind")
    cancel_payment(taking.ports, payment.id)
    past_its_time(taking)
    assert (taking.now_of(payment).status, taking.ledger(key_of(taking, payment))) == ("void", [])
    assert key_of(taking, payment).status is KeyStatus.ACTIVE
    assert delete_key(taking.ports, payment.billing_key_id, "changed my mind").status is KeyStatus.DELETED
    assert taking.ports.gateway.read_key(asked.customer_uid or "").known is False


def test_a_key_with_such_a_payment_is_not_deleted(taking: World) -> None:
    payment = pay_by_card(taking.ports, wanted(taking))
    with pytest.raises(Conflict, match=payment.id):
        delete_key(taking.ports, payment.billing_key_id, "tidy up")
    ends(taking, payment, paid=True)


@pytest.mark.parametrize(("days", "status"), [((), "uncollectible"), ((1,), "paid")])
def test_a_decline_at_its_time_is_tried_again_only_as_it_was_asked_for(
    taking: World, days: tuple[int, ...], status: str
) -> None:
    asked = wanted(taking, order_id=f"trip-{uuid4().hex[:10]}", retry_days=days)
    payment = pay_by_card(taking.ports, asked)
    taking.sandbox.rule("decline-limit", endpoint="again", merchant_uid=asked.order_id, times=1)
    taking.run_until(taking.clock.now() + WEEK + HOUR, timedelta(days=1))
    assert taking.now_of(payment).declines == 1
    past_its_time(taking)
    assert taking.now_of(payment).status == status
    assert len(taking.money(payment)) == len(days)
    assert key_of(taking, payment).status is KeyStatus.ACTIVE
    taking.assert_books_agree()


def test_a_stop_lets_the_card_be_kept_and_holds_the_payment(taking: World) -> None:
    stop = stop_charging(taking.ports, "all", StopCause.PERSON, "looks wrong").stop
    payment = pay_by_card(taking.ports, wanted(taking))
    assert key_of(taking, payment).status is KeyStatus.ACTIVE
    past_its_time(taking)
    assert (taking.now_of(payment).status, taking.money(payment)) == ("open", [])
    clear_stop(taking.ports, stop.id, "all is well")
    taking.settle()
    assert len(taking.money(payment)) == 1


def test_another_payment_on_a_key_that_is_not_stored_is_given_up_too(taking: World) -> None:
    """Also one that comes in right before the key is locked."""
    asked = wanted(taking)
    taking.sandbox.rule("drop-before-charge", endpoint="issue", customer_uid=asked.customer_uid)
    first = pay_by_card(taking.ports, asked)
    second = create_payment(taking.ports, NewPayment(first.billing_key_id, 500, at=asked.at))
    ends(taking, first, paid=False)
    ends(taking, second, paid=False)


def test_a_payment_that_slips_in_before_the_key_is_locked_is_given_up_too(
    taking: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slipped: list[Invoice] = []

    def late_lock(uow: Any, key_id: str) -> BillingKey:
        if not slipped:
            slipped.append(create_payment(taking.ports, NewPayment(key_id, 500, at=taking.clock.now() + WEEK)))
        return uow.keys.lock(key_id)

    monkeypatch.setattr(issue, "lock_for_result", late_lock)
    first = pay_by_card(taking.ports, wanted(taking, number=REFUSED))
    for payment in (first, *slipped):
        ends(taking, payment, paid=False)
    assert len(slipped) == 1


def test_the_payment_is_locked_before_the_key_as_everywhere(taking: World) -> None:
    """Otherwise two transactions could wait for each other for ever."""
    paying = request_card_payment(taking.ports, wanted(taking, number=REFUSED))
    with ThreadPoolExecutor(1) as pool, taking.engine.connect() as holder:
        holder.exec_driver_sql("SELECT FROM invoices WHERE id = %s FOR UPDATE", (paying.invoice_id,))
        working = pool.submit(finish_card_payment, taking.ports, paying)
        until_it_waits_or_ends(taking, working)
        assert not working.done()
        try:
            holder.exec_driver_sql("SELECT FROM billing_keys FOR UPDATE NOWAIT")
        except OperationalError:
            pytest.fail("the key is held while the payment is waited for")
        finally:
            holder.rollback()
        working.result(30)
    ends(taking, taking.now_of_id(paying.invoice_id), paid=False)


def test_a_card_that_is_stored_late_still_pays_at_its_time(taking: World) -> None:
    """The first read finds nothing, the second one finds the key: nothing is given up in between."""
    late: list[IssueRequest] = []

    def arrives_late(_gateway: Gateway, request: IssueRequest) -> Unknown:
        late.append(request)
        return Unknown("no answer: the connection was lost")

    slow = taking.with_ports(gateway=Around(taking.ports.gateway, on_issue=arrives_late))
    payment = pay_by_card(slow.ports, wanted(taking))
    taking.clock.advance(seconds=0.25)
    assert slow.resolve_key_calls() == 1
    taking.ports.gateway.issue_key(late[0])
    ends(taking, payment, paid=True)


def test_the_checkout_may_still_pay_the_order_of_a_refused_card(taking: World) -> None:
    """The shop takes the same sum under the same number in its own checkout: it is kept, and not given back."""
    payment = pay_by_card(taking.ports, wanted(taking, number=REFUSED, order_id=f"trip-{uuid4().hex[:10]}"))
    checkout = ChargeRequest(payment.merchant_uid, "", payment.money, "shop", "nice_v2")
    paid = taking.ports.gateway.charge_card(checkout, a_card())
    assert isinstance(paid, Approved)
    taking.webhook(paid.payment.imp_uid, payment.merchant_uid)
    past_its_time(taking)
    assert taking.now_of(payment).status == "paid"
    assert len(taking.money(payment)) == 1
    assert taking.rows("SELECT FROM refunds") == []


def test_lists_show_it_as_what_it_is(taking: World) -> None:
    asked = wanted(taking, customer="hong", name="예약금")
    payment = pay_by_card(taking.ports, asked)
    with taking.ports.database.transaction() as uow:
        (open_one,) = uow.lists.part(Kind.PAYMENTS, {"customer": "hong", "status": InvoiceStatus.OPEN}, 10, None).items
    assert (open_one.id, open_one.next_attempt_at) == (payment.id, asked.at)
    retry_now(taking.ports, payment.id)  # an operator's word makes it due at once
    taking.settle()
    assert len(taking.money(payment)) == 1
