import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.reasons import Category, DeclineKind
from billing_worker.domain.money import Money
from billing_worker.domain.payment import (
    Approved,
    Declined,
    Evidence,
    Failed,
    GatewayPayment,
    PaymentStatus,
    Unknown,
)
from billing_worker.domain.proof import judge, judge_all, refusal
from tests.builders import CARD, EVIDENCE, NOW, ORDER, WON, a_payment, a_request, won

PAID, FAILED, CANCELLED = PaymentStatus.PAID, PaymentStatus.FAILED, PaymentStatus.CANCELLED
READY, UNRECOGNISED = PaymentStatus.READY, PaymentStatus.UNRECOGNISED

DIFFERENCES: dict[str, dict[str, Any]] = {
    "merchant_uid": {"merchant_uid": "t0123456789abcdefp00001g01"},
    "currency": {"money": Money(9900, "USD")},
    "amount": {"money": Money(9901, "KRW")},
    "customer_uid": {"customer_uid": "user-2-card-1"},
}


def seen(*payments: GatewayPayment) -> list[tuple[GatewayPayment, Evidence]]:
    """Each payment with evidence of its own, so that a test can tell which one was judged."""
    return [(payment, Evidence("read", payment.imp_uid, 200, "{}")) for payment in payments]


# What a payment is worth


@pytest.mark.parametrize(
    ("status", "cancelled", "holds"),
    [
        (PAID, 0, True),
        (PAID, 900, True),
        (CANCELLED, 9900, False),
        (CANCELLED, 1, True),  # PortOne calls a partly refunded payment cancelled as well
        (CANCELLED, 9899, True),
        (CANCELLED, 0, False),
        (FAILED, 0, False),
        (READY, 0, False),
        (UNRECOGNISED, 0, False),
    ],
)
def test_a_paid_or_partly_refunded_payment_holds_money(status, cancelled, holds):
    assert a_payment(status=status, cancelled=won(cancelled)).holds_money is holds


# One payment


def test_a_paid_payment_that_equals_the_request_is_approved():
    payment = a_payment()
    assert judge(a_request(), payment, EVIDENCE) == Approved(payment, EVIDENCE)


@pytest.mark.parametrize("absent", [None, ""])
@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Approved),
        ({"status": CANCELLED, "cancelled": won(900)}, Approved),
        ({"status": FAILED, "fail_reason": "한도초과"}, Declined),
        ({"status": CANCELLED, "cancelled": WON}, Failed),
        ({"money": won(9901)}, Unknown),
        ({"money": Money(9900, "USD"), "cancelled": Money(0, "USD")}, Unknown),
        ({"merchant_uid": "t0123456789abcdefp00001g01"}, Unknown),
    ],
)
def test_a_payment_that_names_no_customer_is_judged_by_what_it_shows(absent, fields, outcome):
    """PortOne's description does not require customer_uid of an answer: absent is not different."""
    payment = a_payment(customer_uid=absent, **fields)
    assert isinstance(judge(a_request(), payment, EVIDENCE), outcome)


def test_a_partly_refunded_payment_is_approved_because_the_money_was_taken():
    payment = a_payment(status=CANCELLED, cancelled=won(900))
    assert judge(a_request(), payment, EVIDENCE) == Approved(payment, EVIDENCE)


def test_a_fully_cancelled_payment_failed_and_its_merchant_uid_is_used_up():
    outcome = judge(a_request(), a_payment(status=CANCELLED, cancelled=WON), EVIDENCE)
    assert isinstance(outcome, Failed)
    assert outcome.new_merchant_uid
    assert outcome.evidence is EVIDENCE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("한도초과", DeclineKind.SOFT),
        ("분실카드", DeclineKind.HARD),
        ("거래불가카드(일최대승인한도초과)", DeclineKind.SOFT),
    ],
)
def test_a_failed_payment_is_a_decline_with_the_pgs_words(text, kind):
    payment = a_payment(status=FAILED, fail_reason=text)
    outcome = judge(a_request(), payment, EVIDENCE)
    assert isinstance(outcome, Declined)
    assert (outcome.kind, outcome.reason, outcome.imp_uid) == (kind, text, payment.imp_uid)
    assert outcome.decline == normalise(a_request().pg_provider, text)


@pytest.mark.parametrize("text", [None, ""])
def test_a_failed_payment_without_words_is_a_soft_decline_with_a_reason_to_show(text):
    outcome = judge(a_request(), a_payment(status=FAILED, fail_reason=text), EVIDENCE)
    assert isinstance(outcome, Declined)
    assert outcome.kind is DeclineKind.SOFT
    assert outcome.reason


@pytest.mark.fm("C20")
@pytest.mark.parametrize("status", [READY, UNRECOGNISED])
def test_a_status_that_is_not_final_or_not_known_proves_nothing(status):
    outcome = judge(a_request(), a_payment(status=status), EVIDENCE)
    assert isinstance(outcome, Unknown)
    assert not outcome.alarming
    assert outcome.evidence is EVIDENCE
    assert status in outcome.reason
    assert "imps_000000000001" in outcome.reason


@pytest.mark.fm("C24")
@pytest.mark.fm("C25")
@pytest.mark.fm("C26")
@pytest.mark.parametrize("difference", DIFFERENCES)
@pytest.mark.parametrize("status", list(PaymentStatus))
@pytest.mark.parametrize("refunded", [0, 900, 9900])
def test_a_payment_that_differs_in_one_field_proves_nothing_and_alarms_when_it_holds_money(
    difference, status, refunded
):
    fields = DIFFERENCES[difference]
    currency = fields.get("money", WON).currency
    payment = a_payment(status=status, cancelled=Money(refunded, currency), **fields)
    outcome = judge(a_request(), payment, EVIDENCE)
    if given_back(payment):
        # All money is back with the payer, and the gateway refuses this merchant_uid from now on.
        assert isinstance(outcome, Failed)
        assert outcome.new_merchant_uid
        return
    assert isinstance(outcome, Unknown)
    assert outcome.alarming is payment.holds_money
    assert outcome.evidence is EVIDENCE
    assert "imps_000000000001" in outcome.reason


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ("merchant_uid", "belongs to another merchant_uid"),
        ("currency", "is in USD, not KRW"),
        ("amount", "is over 9,901 KRW, not 9,900 KRW"),
        ("customer_uid", "another customer_uid"),
    ],
)
def test_the_reason_says_what_differs_without_naming_a_card(difference, words):
    outcome = judge(a_request(), a_payment(**DIFFERENCES[difference]), EVIDENCE)
    assert isinstance(outcome, Unknown)
    assert words in outcome.reason
    assert CARD not in outcome.reason
    assert "user-2-card-1" not in outcome.reason


PAYMENTS = st.builds(
    a_payment,
    imp_uid=st.sampled_from(["imps_1", "imps_2", "imps_3", "imps_4"]),
    merchant_uid=st.sampled_from([ORDER, ORDER, ORDER, "other"]),
    customer_uid=st.sampled_from([CARD, CARD, CARD, "other", None]),
    money=st.builds(Money, st.sampled_from([9900, 9900, 9900, 9901]), st.sampled_from(["KRW", "KRW", "KRW", "USD"])),
    status=st.sampled_from(PaymentStatus),
    cancelled=st.builds(Money, st.sampled_from([0, 1, 9900, 9901]), st.just("KRW")),
    fail_reason=st.sampled_from([None, "한도초과", "분실카드"]),
    started_at=st.one_of(st.none(), st.integers(0, 5).map(lambda n: NOW + timedelta(minutes=n))),
)


def given_back(payment: GatewayPayment) -> bool:
    fully = payment.status is CANCELLED and payment.cancelled.amount >= payment.money.amount
    return fully and payment.merchant_uid == ORDER


def equals_the_request(payment: GatewayPayment) -> bool:
    named = payment.customer_uid in (None, "", CARD)
    return named and (payment.merchant_uid, payment.money) == (ORDER, WON)


@given(payment=PAYMENTS)
def test_approved_or_declined_only_if_order_amount_currency_and_customer_are_equal(payment):
    outcome = judge(a_request(), payment, EVIDENCE)
    if not isinstance(outcome, Unknown) and not given_back(payment):
        assert equals_the_request(payment)
    assert isinstance(outcome, Approved) is (equals_the_request(payment) and payment.holds_money)
    assert isinstance(outcome, Declined) is (equals_the_request(payment) and payment.status is FAILED)


# All payments under one merchant_uid


def test_no_payment_says_nothing():
    assert judge_all(a_request(), [], ()) is None


@pytest.mark.fm("C10")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_paid_payment_outweighs_failed_ones_in_any_order_and_at_any_time(order):
    paid = a_payment(imp_uid="imps_2", started_at=NOW)
    others = [
        a_payment(imp_uid="imps_1", status=FAILED, started_at=NOW - timedelta(minutes=1)),
        a_payment(imp_uid="imps_3", status=FAILED, started_at=NOW + timedelta(minutes=1)),
    ]
    payments = [paid, *others]
    outcome = judge_all(a_request(), seen(*(payments[index] for index in order)), ())
    assert isinstance(outcome, Approved)
    assert outcome.payment is paid
    assert outcome.evidence.request == "imps_2"


def test_a_partly_refunded_payment_outweighs_a_failed_one():
    refunded = a_payment(imp_uid="imps_1", status=CANCELLED, cancelled=won(1), started_at=NOW - timedelta(days=1))
    outcome = judge_all(a_request(), seen(a_payment(imp_uid="imps_2", status=FAILED), refunded), ())
    assert isinstance(outcome, Approved)


@pytest.mark.parametrize("status", [READY, UNRECOGNISED])
def test_while_one_payment_is_still_open_the_failed_ones_prove_nothing(status):
    later = NOW + timedelta(minutes=1)
    payments = seen(
        a_payment(imp_uid="imps_1", status=status), a_payment(imp_uid="imps_2", status=FAILED, started_at=later)
    )
    outcome = judge_all(a_request(), payments, ())
    assert isinstance(outcome, Unknown)
    assert not outcome.alarming


def test_of_several_failed_payments_the_latest_counts():
    payments = seen(
        a_payment(imp_uid="imps_1", status=FAILED, fail_reason="분실카드", started_at=NOW + timedelta(minutes=1)),
        a_payment(imp_uid="imps_2", status=FAILED, fail_reason="한도초과", started_at=NOW),
        a_payment(imp_uid="imps_3", status=FAILED, fail_reason="잔액부족", started_at=None),
    )
    outcome = judge_all(a_request(), payments, ())
    assert isinstance(outcome, Declined)
    assert (outcome.imp_uid, outcome.reason) == ("imps_1", "분실카드")


def test_a_payment_that_an_earlier_attempt_settled_says_nothing_about_this_one():
    old = a_payment(imp_uid="imps_1", status=FAILED, fail_reason="분실카드")
    new = a_payment(imp_uid="imps_2", status=FAILED, fail_reason="한도초과", started_at=NOW - timedelta(minutes=1))
    assert judge_all(a_request(), seen(old), {"imps_1"}) is None
    outcome = judge_all(a_request(), seen(old, new), {"imps_1"})
    assert isinstance(outcome, Declined)
    assert outcome.imp_uid == "imps_2"


def test_money_under_our_order_with_another_amount_alarms_even_beside_a_clean_decline():
    payments = seen(a_payment(imp_uid="imps_1", status=FAILED), a_payment(imp_uid="imps_2", money=won(100)))
    outcome = judge_all(a_request(), payments, ())
    assert isinstance(outcome, Unknown)
    assert outcome.alarming


@given(payments=st.lists(PAYMENTS, max_size=4), data=st.data())
def test_the_order_of_the_gateways_list_does_not_matter(payments, data):
    by_id = {payment.imp_uid: payment for payment in payments}
    listed = seen(*by_id.values())
    shuffled = data.draw(st.permutations(listed))
    settled = data.draw(st.sets(st.sampled_from(["imps_1", "imps_2"])))
    assert judge_all(a_request(), listed, settled) == judge_all(a_request(), shuffled, settled)


@given(payments=st.lists(PAYMENTS, max_size=4), settled=st.sets(st.sampled_from(["imps_1", "imps_2"])))
def test_money_is_never_judged_as_a_decline_a_failure_or_nothing(payments, settled):
    outcome = judge_all(a_request(), seen(*payments), settled)
    if any(payment.holds_money and payment.imp_uid not in settled for payment in payments):
        assert isinstance(outcome, Approved | Unknown)
        assert isinstance(outcome, Approved) or outcome.alarming
    if isinstance(outcome, Approved):
        assert equals_the_request(outcome.payment)


def test_a_refusal_of_the_key_itself_is_hard_and_has_no_payment():
    outcome = refusal("등록되지 않은 구매자입니다.", EVIDENCE)
    assert (outcome.kind, outcome.decline.category) == (DeclineKind.HARD, Category.KEY_GONE)
    assert (outcome.reason, outcome.imp_uid) == ("등록되지 않은 구매자입니다.", None)
