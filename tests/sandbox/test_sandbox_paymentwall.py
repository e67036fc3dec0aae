import hashlib
import json

import pytest
from sandbox_calls import PAYMENTWALL_BUYER, eventually

from billing_worker.sandbox.sending.pingbacks import TAMPERINGS, signature

SECRET = "a7408723eaf4bfa2e3ac49b3cb695046"


def issue(caller, **fields):
    wanted = {"customer_uid": "pw-kim", "merchant_uid": "first", "amount": 9900, **PAYMENTWALL_BUYER} | fields
    return caller.control("/paymentwall/issue", **wanted)


def test_a_key_is_chargeable_only_after_the_confirmation_which_sends_webhook_and_pingback(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url, pingback_url=receiver.url, pingback_secret=SECRET, confirm_after=600)
    payment = issue(caller)
    assert (payment["status"], payment["customer_uid_usage"]) == ("ready", "issue")
    early = caller.refused(caller.again("pw-kim", "m1", **PAYMENTWALL_BUYER))
    assert early["message"] == "등록되지 않은 구매자입니다."
    assert caller.control("/paymentwall/confirm", customer_uid="pw-kim")["confirmed_now"] is True
    receiver.wait(2)
    [pingback] = [got for got in receiver.got if got.method == "GET"]
    [webhook] = [got for got in receiver.got if got.method == "POST"]
    assert json.loads(webhook.body) == {"imp_uid": payment["imp_uid"], "merchant_uid": "first", "status": "paid"}
    query = pingback.query
    assert (query["uid"], query["goodsid"], query["type"]) == ("pw-kim", "first", "0")
    assert (query["slength"], query["speriod"], query["sign_version"]) == ("", "", "3")
    assert query["ref"].startswith("b")
    caller.paid("pw-kim", "m1", **PAYMENTWALL_BUYER)


def test_the_confirmation_comes_by_itself_and_once(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url, confirm_after=0.1)
    issue(caller)
    receiver.wait(1)
    assert caller.control("/paymentwall/confirm", customer_uid="pw-kim")["confirmed_now"] is False
    assert len(caller.http.get("/_sandbox/webhooks").json()) == 1


def test_onetime_with_paymentwall_issues_in_the_same_way(sandbox):
    caller = sandbox(confirm_after=600)
    wanted = {"customer_uid": "kim", "merchant_uid": "m1", "amount": 1, "pg": "paymentwall", "expiry": "2030-01"}
    wanted |= {"card_number": "4242-4242-4242-4242", **PAYMENTWALL_BUYER}
    assert caller.http.post("/subscribe/payments/onetime", json=wanted).json()["response"]["status"] == "ready"
    caller.refused(caller.again("kim", "m2", **PAYMENTWALL_BUYER))


@pytest.mark.parametrize(
    "wrong", [{"buyer_email": "other@example.com"}, {"buyer_name": "Hong"}, {"buyer_name": "A B C"}, {"browser_ip": ""}]
)
def test_again_needs_the_issuing_email_two_names_and_the_ip(sandbox, wrong):
    caller = sandbox()
    issue(caller)
    caller.control("/paymentwall/confirm", customer_uid="pw-kim")
    assert caller.refused(caller.again("pw-kim", "m1", **(PAYMENTWALL_BUYER | wrong)))["code"] == -1
    caller.paid("pw-kim", "m1", **PAYMENTWALL_BUYER)


def test_a_pingback_is_repeated_until_it_is_answered_200_and_exactly_ok(sandbox, receiver):
    caller = sandbox(pingback_url=receiver.url, pingback_interval=0.05, confirm_after=0)
    receiver.answers = [(500, b"OK"), (200, b"ok"), (200, b"OK\n")]
    issue(caller)
    row = eventually(lambda: next((one for one in sent(caller) if one["delivered_at"]), None))
    assert row["attempts"] == 4
    assert len({got.path for got in receiver.got}) == 1


def sent(caller):
    return caller.http.get("/_sandbox/webhooks", params={"kind": "pingback"}).json()


@pytest.mark.parametrize(("kind", "reason"), [(200, None), (201, None), (202, None), (2, 9)])
def test_risk_reviews_and_refunds_are_sent_by_hand_with_the_ref_of_the_purchase(sandbox, receiver, kind, reason):
    caller = sandbox(pingback_url=receiver.url, confirm_after=0)
    issue(caller)
    purchase = receiver.wait(1)[0].query
    caller.control("/paymentwall/pingback", merchant_uid="first", type=kind, reason=reason)
    query = receiver.wait(2)[1].query
    assert (query["type"], query["ref"]) == (str(kind), purchase["ref"])
    assert query.get("reason") == (str(reason) if reason else None)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_signature_version_verifies_and_version_1_names_none(sandbox, receiver, version):
    caller = sandbox(pingback_url=receiver.url, pingback_secret=SECRET, pingback_version=version, confirm_after=0)
    issue(caller)
    query = receiver.wait(1)[0].query
    names = ["uid", "goodsid", "slength", "speriod", "type", "ref"] if version == 1 else sorted(set(query) - {"sig"})
    text = "".join(f"{name}={query[name]}" for name in names) + SECRET
    digest = hashlib.sha256 if version == 3 else hashlib.md5
    assert query["sig"] == digest(text.encode()).hexdigest()
    assert query.get("sign_version") == (None if version == 1 else str(version))


@pytest.mark.parametrize(
    ("version", "extra", "expected"),
    [
        (2, {"slength": "5", "type": "0", "sign_version": "2"}, "754cff93c0eb859f6054bef143ad253c"),
        (
            3,
            {"slength": "-5", "type": "2", "reason": "9", "sign_version": "3"},
            "2f67209c3e581313a70de9425efef49f35a74c0cdb7f93051b47e3c097011a71",
        ),
        (1, {"slength": "-5", "type": "2", "reason": "9"}, "e7b2ff07bc0734c83ee14f32552b1c88"),
    ],
)
def test_signatures_equal_those_of_the_official_libraries(version, extra, expected):
    official = {"uid": "test_user", "goodsid": "test_product", "speriod": "month", "ref": "t123", "is_test": "1"}
    assert signature(official | extra, SECRET, version) == expected


def test_parts_of_refunds_test_pingbacks_and_the_other_key(sandbox, receiver):
    options = {"pingback_secret": SECRET, "pingback_test_secret": "brick-test"}
    caller = sandbox(pingback_url=receiver.url, confirm_after=600, **options)
    issue(caller)
    part = {"refund_amount": "900", "merchant_refund_id": "r1", "goodsid": "gold"}
    caller.control("/paymentwall/pingback", merchant_uid="first", type=220, is_test=True, key="test", **part)
    query = receiver.wait(1)[0].query
    assert part.items() <= query.items()
    assert (query["type"], query["is_test"]) == ("220", "1")
    assert query["sig"] == signature(query, "brick-test", 3) != signature(query, SECRET, 3)


@pytest.mark.parametrize("how", TAMPERINGS)
def test_what_a_forger_makes_of_a_pingback_is_sent_once(sandbox, receiver, how):
    caller = sandbox(pingback_url=receiver.url, pingback_secret=SECRET, pingback_interval=0.01, confirm_after=600)
    receiver.answers = [(403, b"no")]
    caller.control("/paymentwall/pingback", customer_uid="pw-kim", merchant_uid="first", type=201, tamper=how)
    row = eventually(lambda: next((one for one in sent(caller) if one["answered"]), None))
    assert (row["answered"], row["attempts"]) == (403, 1)
    query = receiver.got[0].query
    fits = "sig" in query and query["sig"] == signature(query, SECRET, 3)
    assert fits is (how == "moved")
