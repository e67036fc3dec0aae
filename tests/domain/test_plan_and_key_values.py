import itertools
from datetime import timedelta

import pytest

from billing_worker.domain.billing_key import (
    KEY_TRANSITIONS,
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
    LONGEST_CUSTOMER_UID,
    KeyStatus,
)
from billing_worker.domain.errors import InvalidInput, InvalidTransition
from billing_worker.domain.plan import LONGEST_NAME
from tests.builders import NOW, a_key, a_payment, a_paymentwall_key, a_plan, a_request

EARLIER = NOW - timedelta(days=1)

# A plan


@pytest.mark.parametrize("name", ["B", "기본 요금제", "x" * LONGEST_NAME, "가" * LONGEST_NAME])
def test_a_plan_has_a_name_of_1_to_40_characters(name):
    assert a_plan(name=name).name == name


@pytest.mark.parametrize("name", ["", " ", "\t\n", "x" * (LONGEST_NAME + 1)])
def test_any_other_plan_name_is_refused(name):
    with pytest.raises(InvalidInput) as refused:
        a_plan(name=name)
    assert refused.value.field == "name"
    assert f"1 to {LONGEST_NAME} characters" in str(refused.value)


def test_a_plans_name_is_never_longer_than_portone_takes_even_with_spaces_around_it():
    try:
        plan = a_plan(name=" " * 20 + "x" * LONGEST_NAME)
    except InvalidInput:
        return
    assert len(plan.name) <= LONGEST_NAME


# A billing key


@pytest.mark.parametrize("uid", ["a", "user-1-card-1", "u_1.2:3@x", "1234", "x" * LONGEST_CUSTOMER_UID])
def test_a_customer_uid_of_1_to_80_visible_characters_is_accepted(uid):
    assert a_key(customer_uid=uid).customer_uid == uid


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "x" * (LONGEST_CUSTOMER_UID + 1),
        " ",
        "user 1",
        "user\n1",
        "user\t",
        "사용자1",
        "user\x00",
        "user\x7f",
        "\uff11" * 5,
    ],
)
def test_any_other_customer_uid_is_refused(uid):
    with pytest.raises(InvalidInput) as refused:
        a_key(customer_uid=uid)
    assert refused.value.field == "customer_uid"


@pytest.mark.parametrize(
    "uid", ["4111111111111111", "4111-1111-1111-1111", "378282246310005", "5" * 13, "5" * 19, "411111-1111111111"]
)
def test_what_looks_like_a_card_number_is_refused_and_not_repeated(uid):
    with pytest.raises(InvalidInput) as refused:
        a_key(customer_uid=uid)
    assert "card number" in str(refused.value)
    assert uid not in str(refused.value)
    assert uid[:6] not in str(refused.value)


def test_a_customer_uid_is_not_shown_where_a_key_payment_or_request_is_printed():
    secret = "uid-not-to-be-logged"
    for value in (a_key(customer_uid=secret), a_payment(customer_uid=secret), a_request(customer_uid=secret)):
        assert secret not in repr(value)


@pytest.mark.parametrize("provider", ["", "NICE", "nice v2", "nice-v2", "나이스", "x" * 41])
def test_a_pg_provider_that_is_no_portone_code_is_refused(provider):
    with pytest.raises(InvalidInput) as refused:
        a_key(pg_provider=provider)
    assert refused.value.field == "pg_provider"


@pytest.mark.parametrize("provider", ["nice_v2", "html5_inicis", "kcp_billing", "paypal_v2", "tosspayments"])
def test_a_portone_pg_code_is_accepted(provider):
    assert a_key(pg_provider=provider).pg_provider == provider


@pytest.mark.parametrize(
    ("field", "longest", "fill"),
    [
        ("buyer_name", LONGEST_BUYER_NAME, "x"),
        ("buyer_tel", LONGEST_BUYER_TEL, "0"),
        ("buyer_email", LONGEST_BUYER_EMAIL, "x"),
    ],
)
def test_a_buyer_field_has_1_to_as_many_characters_as_portone_takes(field, longest, fill):
    ending = "@x.kr" if field == "buyer_email" else ""
    fits = ending.rjust(longest, fill)
    assert getattr(a_key(**{field: fits}), field) == fits
    assert getattr(a_key(**{field: None}), field) is None
    for value in ("", fill + fits):
        with pytest.raises(InvalidInput) as refused:
            a_key(**{field: value})
        assert refused.value.field == field
        assert f"1 to {longest} characters" in str(refused.value)


@pytest.mark.parametrize("email", ["x", "@", "a@", "@b", "a b@c", "a@b@c", "a@b c"])
def test_what_is_no_email_address_is_refused(email):
    with pytest.raises(InvalidInput) as refused:
        a_key(buyer_email=email)
    assert refused.value.field == "buyer_email"


def test_a_paymentwall_key_has_the_email_and_the_name_of_its_issuance():
    key = a_paymentwall_key()
    assert (key.buyer_email, key.buyer_name) == ("gildong@example.com", "Gildong Hong")


EDGES = {
    "pending": {"active", "invalid", "deleted"},
    "active": {"invalid", "deleted"},
    "invalid": {"active", "deleted"},
    "deleted": set(),
}


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(KeyStatus, KeyStatus)))
def test_a_key_moves_along_the_edges_of_the_table_and_no_others(current, wanted):
    key = a_key(status=current)
    if wanted in EDGES[current]:
        key.move_to(wanted)
        assert key.status is wanted
    else:
        with pytest.raises(InvalidTransition, match=f"key_1 cannot go from {current} to {wanted}"):
            key.move_to(wanted)
        assert key.status is current


def test_the_key_table_has_a_row_for_every_status():
    assert KEY_TRANSITIONS.keys() == set(KeyStatus)


@pytest.mark.parametrize("status", list(KeyStatus))
def test_a_confirmation_activates_a_pending_key_once_and_revives_no_other(status):
    key = a_paymentwall_key(status=status, activated_at=None if status is KeyStatus.PENDING else EARLIER)
    activated = key.activate(NOW)
    assert activated is (status is KeyStatus.PENDING)
    assert key.status is (KeyStatus.ACTIVE if activated else status)
    assert key.activated_at == (NOW if activated else EARLIER)
    assert key.activate(NOW) is False


@pytest.mark.parametrize(
    ("status", "after", "reason"),
    [
        (KeyStatus.PENDING, KeyStatus.INVALID, "분실카드"),
        (KeyStatus.ACTIVE, KeyStatus.INVALID, "분실카드"),
        (KeyStatus.INVALID, KeyStatus.INVALID, None),
        (KeyStatus.DELETED, KeyStatus.DELETED, None),
    ],
)
def test_a_hard_decline_ends_a_key_that_could_still_be_charged(status, after, reason):
    key = a_key(status=status)
    key.invalidate("분실카드")
    assert (key.status, key.invalid_reason) == (after, reason)


def test_the_first_reason_why_a_key_became_invalid_is_kept():
    key = a_key()
    key.invalidate("분실카드")
    key.invalidate("유효기간 만료")
    assert key.invalid_reason == "분실카드"
