"""What the port promises, asked of each adapter: PortOne V1, and a second gateway with another wire.

The second one shares no code with V1. So what passes here belongs to the port, and the rules may rely on it.
"""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from billing_worker.domain.card_entry import Card, Deleted, Issued, IssueRequest, NotIssued
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Failed, Trouble, Unknown
from billing_worker.domain.proof import judge_all
from billing_worker.domain.refund import Answered, RefundRequest, Refused
from billing_worker.ports.outside import Gateway
from tests.contracts.sides import Conduct, Side

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
PRICE = Money(9900, "KRW")
NEVER_ISSUED = "never-issued-by-any-gateway"
numbers = count(1)


def order(side: Side, conduct: Conduct = Conduct.PAYS, money: Money = PRICE) -> ChargeRequest:
    return ChargeRequest(f"contract{next(numbers)}both", side.key(conduct), money, "월간 구독", "nice_v2")


def paid(side: Side, money: Money = PRICE) -> tuple[ChargeRequest, str]:
    request = order(side, money=money)
    outcome = side.gateway.charge(request)
    assert isinstance(outcome, Approved), outcome
    return request, outcome.payment.imp_uid


def all_of(request: ChargeRequest, imp_uid: str) -> RefundRequest:
    return RefundRequest(imp_uid, request.merchant_uid, request.money, request.money, f"rfd_{next(numbers):016d} asked")


def part(whole: RefundRequest, amount: int, balance: int) -> RefundRequest:
    currency = whole.money.currency
    return replace(whole, money=Money(amount, currency), balance=Money(balance, currency))


def statuses(side: Side, request: ChargeRequest) -> list[str]:
    return [row["status"] for row in side.ledger(request.merchant_uid)]


def read(gateway: Gateway, request: ChargeRequest) -> list[str]:
    listing = gateway.payments_of(request.merchant_uid)
    assert listing.trouble is None
    return [payment.imp_uid for payment, _ in listing.payments]


@pytest.mark.parametrize("price", [PRICE, Money(1999, "USD"), Money(12_345, "KWD")], ids=str)
def test_an_approval_shows_the_payment_as_the_books_have_it(side: Side, price: Money) -> None:
    request = order(side, money=price)
    outcome = side.gateway.charge(request)
    assert isinstance(outcome, Approved), outcome
    (row,) = side.ledger(request.merchant_uid)
    assert (row["status"], row["imp_uid"]) == ("paid", outcome.payment.imp_uid)
    assert (outcome.payment.money, outcome.payment.merchant_uid) == (price, request.merchant_uid)
    assert outcome.payment.customer_uid == request.customer_uid
    assert outcome.payment.cancelled.amount == 0
    assert outcome.evidence.http_status == 200
    assert outcome.payment.imp_uid in outcome.evidence.body


@pytest.mark.parametrize(
    ("conduct", "kind"), [(Conduct.IS_EMPTY_TWICE, DeclineKind.SOFT), (Conduct.IS_STOLEN, DeclineKind.HARD)]
)
def test_a_decline_is_soft_or_hard_by_the_words_of_the_pg(side: Side, conduct: Conduct, kind: DeclineKind) -> None:
    request = order(side, conduct)
    outcome = side.gateway.charge(request)
    assert isinstance(outcome, Declined), outcome
    assert outcome.kind is kind
    assert [(row["status"], row["imp_uid"]) for row in side.ledger(request.merchant_uid)] == [
        ("failed", outcome.imp_uid)
    ]


@pytest.mark.parametrize("gone", ["never issued", "deleted"])
def test_a_key_that_the_gateway_does_not_have_is_a_hard_decline_without_a_payment(side: Side, gone: str) -> None:
    request = order(side)
    if gone == "deleted":
        side.delete_key(request.customer_uid)
    else:
        request = replace(request, customer_uid=NEVER_ISSUED)
    outcome = side.gateway.charge(request)
    assert isinstance(outcome, Declined), outcome
    assert (outcome.kind, outcome.imp_uid) == (DeclineKind.HARD, None)
    assert side.ledger(request.merchant_uid) == []


def test_the_same_merchant_uid_is_charged_once_and_the_second_time_says_so(side: Side) -> None:
    request, imp_uid = paid(side)
    again = side.gateway.charge(request)
    assert isinstance(again, Unknown)
    assert again.duplicate
    assert read(side.gateway, request) == [imp_uid]
    assert statuses(side, request) == ["paid"]


def test_a_declined_merchant_uid_may_be_charged_again(side: Side) -> None:
    request = order(side, Conduct.IS_EMPTY_TWICE)
    outcomes = [side.gateway.charge(request) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Declined, Declined, Approved]
    settled = [outcome.imp_uid for outcome in outcomes if isinstance(outcome, Declined)]
    assert len({*settled, None}) == 3
    found = judge_all(request, side.gateway.payments_of(request.merchant_uid).payments, settled)
    assert isinstance(found, Approved)
    assert found.payment.imp_uid == outcomes[-1].payment.imp_uid


@pytest.mark.parametrize(
    ("conduct", "placed"), [(Conduct.LOSES_AN_ANSWER, True), (Conduct.LOSES_A_REQUEST, False)], ids=str
)
def test_a_lost_answer_is_unknown_and_a_read_tells(side: Side, conduct: Conduct, *, placed: bool) -> None:
    request = order(side, conduct)
    outcome = side.gateway.charge(request)
    assert isinstance(outcome, Unknown), outcome
    assert (outcome.trouble, outcome.duplicate) == (Trouble.NO_ANSWER, False)
    listing = side.gateway.payments_of(request.merchant_uid)
    assert listing.trouble is None
    found = judge_all(request, listing.payments, ())
    assert isinstance(found, Approved) if placed else found is None
    assert statuses(side, request) == (["paid"] if placed else [])


@pytest.mark.fm("C23")
def test_what_a_clerk_gave_back_needs_a_new_merchant_uid_and_a_part_does_not(side: Side) -> None:
    request, _ = paid(side)
    side.give_back(request.merchant_uid, 900)
    assert isinstance(judge_all(request, side.gateway.payments_of(request.merchant_uid).payments, ()), Approved)
    side.give_back(request.merchant_uid, 9000)
    outcome = judge_all(request, side.gateway.payments_of(request.merchant_uid).payments, ())
    assert isinstance(outcome, Failed)
    assert outcome.new_merchant_uid
    refused = side.gateway.charge(request)
    assert isinstance(refused, Unknown)
    assert refused.duplicate


def test_one_payment_is_read_by_its_id(side: Side) -> None:
    request, imp_uid = paid(side)
    paid(side)
    ((payment, evidence),) = side.gateway.payment(imp_uid).payments
    assert (payment.imp_uid, payment.merchant_uid, payment.money) == (imp_uid, request.merchant_uid, request.money)
    assert imp_uid in evidence.body
    assert side.gateway.shows(imp_uid)
    nothing = side.gateway.payment("imps_000000000000")
    assert (list(nothing.payments), nothing.trouble) == ([], None)
    assert not side.gateway.shows("imps_000000000000")


def test_all_payments_of_a_key_are_read_including_failed_ones_and_no_others(side: Side) -> None:
    request = order(side, Conduct.IS_EMPTY_TWICE)
    for number in range(6):
        side.gateway.charge(replace(request, merchant_uid=f"{request.merchant_uid}n{number}"))
    paid(side)
    listing = side.gateway.payments_of_key(request.customer_uid)
    assert listing.trouble is None
    shown = {payment.imp_uid: payment.status for payment, _ in listing.payments}
    expected = {row["imp_uid"]: row["status"] for row in side.ledger() if row["customer_uid"] == request.customer_uid}
    assert shown == expected
    assert sorted(shown.values()) == ["failed"] * 2 + ["paid"] * 4
    assert list(side.gateway.payments_of_key(NEVER_ISSUED).payments) == []


def test_all_payments_of_a_span_are_read_to_the_last_page(side: Side) -> None:
    for _ in range(7):
        paid(side)
    side.gateway.charge(order(side, Conduct.IS_STOLEN))
    now = datetime.now(UTC)
    sheets = [*side.gateway.payments_between(now - timedelta(hours=1), now + timedelta(hours=1))]
    assert [sheet.trouble for sheet in sheets if sheet.trouble] == []
    shown = {payment.imp_uid for sheet in sheets for payment in sheet.payments}
    assert shown >= {row["imp_uid"] for row in side.ledger()}
    before = [*side.gateway.payments_between(now - timedelta(days=9), now - timedelta(days=8))]
    assert [payment for sheet in before for payment in sheet.payments] == []


def test_a_key_is_known_until_it_is_deleted(side: Side) -> None:
    key = side.key()
    assert side.gateway.read_key(key).known is True
    side.delete_key(key)
    assert side.gateway.read_key(key).known is False
    assert side.gateway.read_key(NEVER_ISSUED).known is False


@pytest.mark.fm("F4")
def test_wrong_credentials_place_nothing_and_prove_nothing(side: Side) -> None:
    request, imp_uid = paid(side)
    another = order(side)
    with closing(side.stranger()) as stranger:
        outcome = stranger.charge(another)
        assert isinstance(outcome, Failed)
        assert outcome.trouble is Trouble.UNAUTHORIZED
        assert isinstance(stranger.cancel(all_of(request, imp_uid)), Failed)
        _proves_nothing(stranger, request, imp_uid)
    assert "wrong-secret" not in repr(outcome)
    assert statuses(side, request) + statuses(side, another) == ["paid"]


def test_a_gateway_that_is_not_there_got_nothing_and_proves_nothing(side: Side) -> None:
    request, imp_uid = paid(side)
    another = order(side)
    with closing(side.unreachable()) as unreachable:
        outcome = unreachable.charge(another)
        assert isinstance(outcome, Failed)
        assert outcome.trouble in (Trouble.NOT_REACHED, Trouble.UNAUTHORIZED)
        assert isinstance(unreachable.cancel(all_of(request, imp_uid)), Failed)
        _proves_nothing(unreachable, request, imp_uid)
    assert statuses(side, request) + statuses(side, another) == ["paid"]


def _proves_nothing(gateway: Gateway, request: ChargeRequest, imp_uid: str) -> None:
    now = datetime.now(UTC)
    for listing in (
        gateway.payment(imp_uid),
        gateway.payments_of(request.merchant_uid),
        gateway.payments_of_key(request.customer_uid),
        *gateway.payments_between(now - timedelta(hours=1), now),
    ):
        assert list(listing.payments) == []
        assert listing.trouble
    assert gateway.shows(imp_uid) is False
    assert gateway.read_key(request.customer_uid).known is None


@pytest.mark.parametrize(
    ("price", "amount"),
    [(PRICE, 3000), (Money(1999, "USD"), 1001), (Money(12_345, "KWD"), 12_344)],
    ids=str,
)
def test_parts_of_a_payment_are_given_back_until_nothing_is_left(side: Side, price: Money, amount: int) -> None:
    request, imp_uid = paid(side, price)
    whole = all_of(request, imp_uid)
    first = side.gateway.cancel(part(whole, amount, price.amount))
    assert isinstance(first, Answered), first
    assert first.payment.cancelled.amount == amount
    assert [each.reason for each in first.payment.cancellations] == [whole.reason]
    left = price.amount - amount
    last = side.gateway.cancel(part(whole, left, left))
    assert isinstance(last, Answered), last
    assert [each.money.amount for each in last.payment.cancellations] == [amount, left]
    assert last.payment.cancelled == last.payment.money == price
    assert isinstance(side.gateway.cancel(part(whole, left, left)), Refused)
    (row,) = side.ledger(request.merchant_uid)
    assert row["cancel_amount"] == row["amount"]


@pytest.mark.fm("L13")
def test_the_balance_refuses_the_same_call_again(side: Side) -> None:
    once = part(all_of(*paid(side)), 3000, 9900)
    assert isinstance(side.gateway.cancel(once), Answered)
    assert isinstance(side.gateway.cancel(once), Refused)
    (row,) = side.ledger(once.merchant_uid)
    assert row["cancel_amount"] == 3000


def test_a_payment_that_does_not_exist_is_not_given_back(side: Side) -> None:
    nowhere = RefundRequest("imps_000000000000", "contractnowhere", PRICE, PRICE, "rfd_0000000000000000 asked")
    assert isinstance(side.gateway.cancel(nowhere), Refused)


def card(number: str = "5409600012345677") -> Card:
    return Card.entered(number, "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def test_a_card_is_stored_charged_and_deleted(side: Side) -> None:
    name = f"issued{next(numbers)}by-card"
    assert side.gateway.read_key(name).known is False
    assert isinstance(side.gateway.issue_key(IssueRequest(name, "nice_v2", card())), Issued)
    assert side.gateway.read_key(name).known
    request = ChargeRequest(f"contract{next(numbers)}bycard", name, PRICE, "월간 구독", "nice_v2")
    assert isinstance(side.gateway.charge(request), Approved)
    assert isinstance(side.gateway.delete_key(name, "the customer left"), Deleted)
    assert isinstance(side.gateway.delete_key(name, "once more"), Deleted)
    outcome = side.gateway.charge(replace(request, merchant_uid=f"contract{next(numbers)}gone"))
    assert isinstance(outcome, Declined)


def test_a_refused_card_is_not_stored(side: Side) -> None:
    name = f"refused{next(numbers)}by-card"
    assert isinstance(side.gateway.issue_key(IssueRequest(name, "nice_v2", card("4000000000000000"))), NotIssued)
    assert side.gateway.read_key(name).known is False


@pytest.mark.parametrize("trouble", ["stranger", "unreachable"])
def test_a_card_that_cannot_arrive_had_no_effect(side: Side, trouble: str) -> None:
    name = f"{trouble}{next(numbers)}by-card"
    request = ChargeRequest(f"contract{next(numbers)}bycard", "", PRICE, "한 번", "nice_v2")
    gateway = side.stranger() if trouble == "stranger" else side.unreachable()
    with closing(gateway):  # type: ignore[type-var] # the adapters have it
        assert isinstance(gateway.issue_key(IssueRequest(name, "nice_v2", card())), Failed)
        assert isinstance(gateway.charge_card(request, card()), Failed)
        assert isinstance(gateway.delete_key(name, "why"), Failed)
    assert side.gateway.read_key(name).known is False


def test_card_data_are_charged_once_and_kept_only_under_a_name(side: Side) -> None:
    request = ChargeRequest(f"contract{next(numbers)}once", "", PRICE, "한 번", "nice_v2")
    outcome = side.gateway.charge_card(request, card())
    assert isinstance(outcome, Approved), outcome
    assert not outcome.payment.customer_uid
    name = f"kept{next(numbers)}by-card"
    kept = replace(request, merchant_uid=f"contract{next(numbers)}kept", customer_uid=name)
    assert isinstance(side.gateway.charge_card(kept, card()), Approved)
    assert side.gateway.read_key(name).known
    refused = replace(request, merchant_uid=f"contract{next(numbers)}no", customer_uid=f"no{next(numbers)}by-card")
    assert isinstance(side.gateway.charge_card(refused, card("4000000000000000")), Declined)
    assert side.gateway.read_key(refused.customer_uid).known is False
