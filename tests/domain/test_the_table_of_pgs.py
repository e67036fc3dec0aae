"""The table of PGs: every row says what it has and who says so; each rule refuses what a row forbids, and no more."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.pgs.facts import FLOWS, Fact, Flow, Pg, Rule, Support
from billing_worker.domain.pgs.rules import (
    Return,
    require_buyer,
    require_id,
    require_money,
    require_pg,
    require_product_type,
    require_return,
)
from billing_worker.domain.pgs.table import OF_ALL, PGS, closest, following

LIST = "guide start/v1/non-auth"
BY_API = {"inicis", "kcp", "nice", "nice_v2", "tosspayments", "daou", "ksnet", "welcome", "settle"}
BY_WINDOW_ONLY = {
    "html5_inicis",
    "kcp_billing",
    "danal_tpay",
    "kicc",
    "mobilians",
    "smartro_v2",
    "settle_acc",
    "kakaopay",
    "naverpay",
    "payco",
    "smilepay",
    "tosspay_v2",
    "paypal_v2",
    "galaxia",
    "toss_brandpay",
}
REFUSING = set(Rule) - {Rule.ALWAYS, Rule.BROWSER_IP, Rule.KEY_WAITS, Rule.SHOWN_LATER, Rule.NEW_ID}
PAID_AT = datetime(2026, 1, 31, 14, 30, tzinfo=UTC)
"""23:30 of the same day in Korea."""


def with_keys(support: Support, flow: Flow) -> set[str]:
    return {pg.code for pg in PGS.values() if pg.has(flow) is support}


def a_return(amount: int, now: datetime, *, partials: int = 0, paid_at: datetime = PAID_AT) -> Return:
    return Return(Money(amount, "KRW"), Money(9900, "KRW"), paid_at, now, partials)


@pytest.mark.parametrize("pg", PGS.values(), ids=lambda pg: pg.code)
def test_every_row_has_both_names_all_flows_and_the_documents_that_say_so(pg: Pg) -> None:
    assert re.fullmatch(r"[a-z0-9_]{3,16}", pg.code)
    assert pg.korean
    assert pg.english
    assert pg.english.isascii()
    assert pg.pays_with
    assert tuple(pg.ways) == FLOWS
    assert all(way.sources for way in pg.ways.values())
    assert all(fact.sources and fact.text and fact.field for fact in pg.facts)
    assert len(set(pg.facts)) == len(pg.facts)


@pytest.mark.parametrize("fact", [fact for pg in PGS.values() for fact in pg.facts if fact.rule in REFUSING], ids=str)
def test_only_what_is_documented_is_refused(fact: Fact) -> None:
    assert fact.is_documented


def test_a_contradiction_says_who_contradicts_whom() -> None:
    found = [way for pg in PGS.values() for way in pg.ways.values() if way.has is Support.CONTRADICTED]
    assert len(found) == 4
    assert all(way.note and len(way.sources) > 1 for way in found)


def test_keys_are_issued_as_portone_lists_it() -> None:
    assert with_keys(Support.YES, Flow.ISSUE) == BY_API
    assert with_keys(Support.YES, Flow.ONETIME) == BY_API
    assert with_keys(Support.CONTRADICTED, Flow.ISSUE) == {"danal", "paymentwall"}
    only = with_keys(Support.YES, Flow.WINDOW) - with_keys(Support.YES, Flow.ISSUE) - {"danal", "paymentwall"}
    assert only == BY_WINDOW_ONLY
    assert with_keys(Support.YES, Flow.WINDOW) & BY_API == {"tosspayments", "welcome"}
    assert {PGS[code].has(Flow.WINDOW) for code in ("nice", "nice_v2")} == {Support.NO}


def test_what_holds_at_every_pg_has_a_source_too() -> None:
    assert OF_ALL
    assert all(fact.sources for fact in OF_ALL)


def test_the_rules_have_the_pgs_that_they_are_about() -> None:
    assert following(Rule.NEW_ID) == {"naverpay"}
    assert following(Rule.KEY_WAITS) == following(Rule.EMAIL_OF_ISSUE) == {"paymentwall"}
    assert following(Rule.BROWSER_IP) == following(Rule.FIRST_LAST) == {"paymentwall"}
    assert following(Rule.SHOWN_LATER) == {"paymentwall", "paypal_v2"}
    assert following(Rule.PRODUCT_TYPE) == following(Rule.PARTIALS) == following(Rule.MONTHS) == {"ksnet"}
    assert following(Rule.ALPHANUMERIC) == {"smartro_v2"}
    assert following(Rule.WHOLE) == following(Rule.SAME_MONTH) == {"danal"}
    assert {pg.code: pg.calls_per_second for pg in PGS.values() if pg.calls_per_second} == {"daou": 50}


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("nice_v3", "nice_v2"),
        ("nice-v2", "nice_v2"),
        ("NICE", "nice"),
        ("nice.MID1", "nice"),
        ("moblians", "mobilians"),
        ("naverpay_v2", "naverpay"),
        ("카카오페이", "kakaopay"),
        ("키움페이", "daou"),
        ("토스페이먼츠", "tosspayments"),
        ("paymentwal", "paymentwall"),
    ],
)
def test_an_unknown_pg_is_refused_by_name_with_the_closest_one(code: str, meant: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_pg(code)
    assert refused.value.field == "pg_provider"
    assert f"is {meant} ({PGS[meant].korean}) meant?" in str(refused.value)
    assert repr(code) in str(refused.value)


@pytest.mark.parametrize("code", ["stripe", "", " ", "adyen", "x" * 40])
def test_a_pg_that_is_like_none_gets_no_hint(code: str) -> None:
    assert closest(code) is None
    with pytest.raises(InvalidInput, match="is no PG of PortOne V1"):
        require_pg(code)


def test_a_flow_that_a_pg_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(InvalidInput) as refused:
        require_pg("kakaopay", Flow.ISSUE)
    assert "kakaopay (카카오페이) does not have issue; it has window, again, schedule" in str(refused.value)
    with pytest.raises(InvalidInput, match=r"nice_v2 .*does not have window; it has issue, again, onetime, schedule"):
        require_pg("nice_v2", Flow.WINDOW)
    with pytest.raises(InvalidInput, match="does not have again; it has no billing key at all"):
        require_pg("tosspay")


@pytest.mark.parametrize(
    ("code", "flow"),
    [("danal", Flow.ISSUE), ("eximbay", Flow.AGAIN), ("paymentwall", Flow.ONETIME), ("ksnet", Flow.ISSUE)],
)
def test_what_is_contradicted_or_unsaid_is_not_refused(code: str, flow: Flow) -> None:
    assert require_pg(code, flow) is PGS[code]


@pytest.mark.parametrize(
    "name", [None, "Gildong", "Gildong  Hong", "A B C", "홍길동", " ", "Gildong ", " Hong", "A\tB"]
)
def test_a_buyer_at_paymentwall_has_a_first_and_a_last_name(name: str | None) -> None:
    require_buyer("paymentwall", {"buyer_name": "Gildong Hong"})
    with pytest.raises(InvalidInput, match="'First Last' with one space") as refused:
        require_buyer("paymentwall", {"buyer_name": name})
    assert refused.value.field == "buyer_name"


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("ksnet", "buyer_name"),
        ("welcome", "buyer_name"),
        ("smartro_v2", "buyer_name"),
        ("smartro_v2", "buyer_email"),
        ("smartro_v2", "buyer_tel"),
    ],
)
def test_a_field_of_the_buyer_that_every_charge_needs_is_asked_for(code: str, field: str) -> None:
    whole = {"buyer_name": "홍길동", "buyer_email": "gildong@example.com", "buyer_tel": "010-1234-5678"}
    require_buyer(code, whole)
    with pytest.raises(InvalidInput) as refused:
        require_buyer(code, whole | {field: None})
    assert refused.value.field == field
    assert f"{code} ({PGS[code].korean})" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "taken", "refused"),
    [
        ("paypal_v2", Money(999, "USD"), Money(9900, "KRW")),
        ("ksnet", Money(999, "USD"), Money(999, "EUR")),
        ("toss_brandpay", Money(9900, "KRW"), Money(999, "USD")),
        ("naverpay", Money(10, "KRW"), Money(9, "KRW")),
    ],
)
def test_a_sum_that_a_pg_does_not_charge_is_refused(code: str, taken: Money, refused: Money) -> None:
    require_money(code, taken)
    with pytest.raises(InvalidInput) as problem:
        require_money(code, refused, "plan_id")
    assert problem.value.field == "plan_id"
    assert code in str(problem.value)


@pytest.mark.parametrize("merchant_uid", ["a-b", "a_b", "", "x" * 41])
def test_smartro_gets_letters_and_digits_only(merchant_uid: str) -> None:
    require_id("smartro_v2", "x" * 40)
    require_id("nice_v2", "a-b")
    with pytest.raises(InvalidInput, match="letters and digits"):
        require_id("smartro_v2", merchant_uid)


def test_ksnet_needs_the_kind_of_product_and_no_other_pg_gets_it() -> None:
    assert require_product_type("ksnet", "digital") == "digital"
    assert require_product_type("nice_v2", "digital") is None
    with pytest.raises(InvalidInput, match="set BILLING_PRODUCT_TYPE to real or digital"):
        require_product_type("ksnet", None)


def test_a_phone_payment_goes_back_whole_and_within_its_month_in_korea() -> None:
    require_return("danal", a_return(9900, PAID_AT + timedelta(minutes=29)))
    with pytest.raises(InvalidInput) as refused:
        require_return("danal", a_return(9900, PAID_AT + timedelta(minutes=30)))
    assert refused.value.field == "invoice_id"
    assert "danal (다날 (휴대폰결제)) gives nothing back after the month of the payment (2026-01)" in str(refused.value)
    with pytest.raises(InvalidInput, match="the whole 9,900 KRW, no part of it"):
        require_return("danal", a_return(9899, PAID_AT))


def test_ksnet_takes_nine_partial_refunds_within_six_months() -> None:
    now = PAID_AT + timedelta(days=1)
    require_return("ksnet", a_return(100, now, partials=8))
    require_return("ksnet", a_return(9900, now, partials=9))
    with pytest.raises(InvalidInput, match="at most 9 partial refunds of a payment, and 9 were made"):
        require_return("ksnet", a_return(100, now, partials=9))
    end = datetime(2026, 7, 31, 14, 30, tzinfo=UTC)
    require_return("ksnet", a_return(100, end))
    with pytest.raises(InvalidInput, match=r"only within 6 months of the payment \(2026-01-31\)"):
        require_return("ksnet", a_return(100, end + timedelta(seconds=1)))


def test_a_pg_that_the_table_does_not_have_follows_no_rule() -> None:
    require_buyer("old_pg", {})
    require_money("old_pg", Money(1, "XAF"))
    require_id("old_pg", "a-b")
    require_return("old_pg", a_return(1, PAID_AT + timedelta(days=900), partials=99))
    assert require_product_type("old_pg", "real") is None
