import pytest
from sandbox_calls import eventually

DAY = 86_400


def test_a_payment_is_read_by_its_imp_uid_and_an_unknown_one_is_404(sandbox):
    caller = sandbox()
    payment = caller.paid("ok-kim", "m1")
    assert caller.get(f"/payments/{payment['imp_uid']}") == payment
    body = caller.refused(caller.http.get("/payments/imp_0"), 404)
    assert body["message"] == "존재하지 않는 결제정보입니다."


def test_test_channel_payments_are_hidden_unless_asked_for(sandbox):
    caller = sandbox(test_channel=True)
    payment = caller.paid("ok-kim", "m1")
    assert payment["sandbox"] is True
    path = f"/payments/{payment['imp_uid']}"
    assert caller.http.get(path).status_code == 404
    assert caller.http.get(path, params={"include_sandbox": "false"}).status_code == 404
    assert caller.get(path, include_sandbox="true") == payment


def test_a_payment_that_names_no_customer_names_none_in_any_answer_and_is_in_the_books(sandbox):
    caller = sandbox()
    payment = caller.paid("no-customer-uid-kim", "m1")
    shown = [payment, caller.get(f"/payments/{payment['imp_uid']}"), caller.get("/payments/find/m1")]
    shown += caller.get("/payments/findAll/m1")["list"] + caller.get("/payments/status/all")["list"]
    assert [row for row in shown if "customer_uid" in row] == []
    assert [row["customer_uid"] for row in caller.ledger()] == ["no-customer-uid-kim"]


def test_no_read_shows_a_hidden_payment_until_it_is_shown_again(sandbox):
    caller = sandbox()
    payment = caller.paid("ok-kim", "m1")
    paths = [f"/payments/{payment['imp_uid']}", "/payments/find/m1", "/payments/findAll/m1"]
    caller.control("/operator/hide", imp_uid=payment["imp_uid"])
    assert [caller.http.get(path).status_code for path in paths] == [404, 404, 404]
    assert caller.get("/payments/status/all")["list"] == []
    assert caller.get("/subscribe/customers/ok-kim/payments")["list"] == []
    assert len(caller.ledger()) == 1
    caller.refused(caller.again("ok-kim", "m1"))
    caller.control("/operator/hide", imp_uid=payment["imp_uid"], hidden=False)
    assert [caller.http.get(path).status_code for path in paths] == [200, 200, 200]


def test_a_payment_that_is_listed_late_is_shown_in_the_end(sandbox):
    caller = sandbox(late_after=2)
    payment = caller.paid("listed-late-kim", "m1")
    path = f"/payments/{payment['imp_uid']}"
    assert caller.http.get(path).status_code == 404
    assert eventually(lambda: caller.http.get(path).status_code == 200)


def test_several_payments_answer_207_when_some_are_missing(sandbox):
    caller = sandbox()
    ids = [caller.paid("ok-kim", f"m{n}")["imp_uid"] for n in range(2)]
    both = caller.http.get("/payments", params={"imp_uid[]": ids})
    assert (both.status_code, len(both.json()["response"])) == (200, 2)
    some = caller.http.get("/payments", params={"imp_uid[]": [ids[0], "imp_0"], "merchant_uid[]": ["m1"]})
    assert (some.status_code, len(some.json()["response"])) == (207, 2)
    caller.refused(caller.http.get("/payments", params={"imp_uid[]": ["imp_0"]}), 404)


def test_find_shows_the_newest_and_find_all_shows_every_payment(sandbox):
    caller = sandbox()
    caller.again("decline-limit-kim", "m1")
    caller.paid("ok-kim", "m1")
    assert caller.get("/payments/find/m1")["status"] == "paid"
    assert caller.get("/payments/find/m1/failed")["status"] == "failed"
    assert caller.get("/payments/find/m1", sorting="started")["status"] == "failed"
    everything = caller.get("/payments/findAll/m1")
    assert (everything["total"], everything["previous"], everything["next"]) == (2, 0, 0)
    assert [one["status"] for one in everything["list"]] == ["paid", "failed"]
    assert caller.get("/payments/findAll/m1/paid")["total"] == 1


@pytest.mark.parametrize("path", ["/payments/find/none", "/payments/findAll/none", "/payments/find/m1/cancelled"])
def test_nothing_under_a_merchant_uid_is_404(sandbox, path):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    caller.refused(caller.http.get(path), 404)


@pytest.mark.parametrize("path", ["/payments/find/m1/settled", "/payments/findAll/m1/x", "/payments/status/settled"])
def test_a_status_that_does_not_exist_is_400(sandbox, path):
    caller = sandbox()
    assert caller.refused(caller.http.get(path), 400)["message"] == "지원되지 않는 상태값입니다."


def test_lists_come_in_pages_and_a_page_beyond_the_end_is_400(sandbox):
    caller = sandbox()
    for number in range(25):
        caller.paid("ok-kim", f"m{number}")
    first = caller.get("/payments/status/paid")
    assert (first["total"], len(first["list"]), first["previous"], first["next"]) == (25, 20, 0, 2)
    assert first["list"][0]["merchant_uid"] == "m24"
    second = caller.get("/payments/status/paid", page=2)
    assert (len(second["list"]), second["previous"], second["next"]) == (5, 1, 0)
    assert len(caller.get("/payments/status/paid", limit=5000)["list"]) == 25
    assert caller.get("/payments/status/paid", sorting="started")["list"][0]["merchant_uid"] == "m0"
    caller.refused(caller.http.get("/payments/status/paid", params={"page": 3}), 400)


def test_a_list_shows_what_is_new_and_what_has_changed(sandbox):
    caller = sandbox()
    now = caller.http.get("/_sandbox").json()["now"]
    span = {"from": now - DAY, "to": now + DAY}
    payment = caller.paid("ok-kim", "m0")
    assert caller.get("/payments/status/all", **span)["total"] == 1
    caller.paid("ok-kim", "m1")
    assert [one["merchant_uid"] for one in caller.get("/payments/status/all", **span)["list"]] == ["m1", "m0"]
    caller.control("/operator/hide", imp_uid=payment["imp_uid"], hidden=True)
    assert [one["merchant_uid"] for one in caller.get("/payments/status/all", **span)["list"]] == ["m1"]


def test_the_window_of_a_status_is_at_most_90_days(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    caller.again("decline-limit-kim", "m2")
    now = caller.http.get("/_sandbox").json()["now"]
    assert caller.get("/payments/status/all", **{"from": now - 90 * DAY, "to": now})["total"] == 2
    assert caller.get("/payments/status/failed")["total"] == 1
    assert caller.get("/payments/status/paid", **{"from": now - 9 * DAY, "to": now - 8 * DAY})["total"] == 0
    wide = {"from": now - 91 * DAY, "to": now}
    caller.refused(caller.http.get("/payments/status/all", params=wide), 400)


def test_the_balance_is_what_has_not_been_refunded(sandbox):
    caller = sandbox()
    payment = caller.paid("ok-kim", "m1", amount=1100)
    balance = caller.get(f"/payments/{payment['imp_uid']}/balance")
    assert (balance["amount"], balance["primary"]["supply"], balance["primary"]["vat"]) == (1100, 1000, 100)


def test_an_amount_is_prepared_once_changed_and_read(sandbox):
    caller = sandbox()
    wanted = {"merchant_uid": "m1", "amount": 100}
    assert caller.http.post("/payments/prepare", json=wanted).json()["response"]["amount"] == 100
    again = caller.refused(caller.http.post("/payments/prepare", json=wanted))
    assert again["message"] == "결제정보 사전등록에 실패하였습니다(이미 등록된 merchant_uid입니다)"
    assert caller.http.put("/payments/prepare", json=wanted | {"amount": 200}).json()["code"] == 0
    assert caller.get("/payments/prepare/m1")["amount"] == 200
    caller.refused(caller.http.get("/payments/prepare/none"), 404)
    caller.refused(caller.http.put("/payments/prepare", json={"merchant_uid": "none", "amount": 1}), 404)


def test_the_channels_of_the_merchant_are_listed_and_a_delivery_is_taken(sandbox):
    caller = sandbox()
    assert "paymentwall" in {one["pg_provider"] for one in caller.get("/users/pg")}
    report = {"imp_uid": caller.paid("ok-kim", "m1")["imp_uid"], "merchant_uid": "m1", "type": "digital"}
    caller.refused(caller.http.post("/paymentwall/delivery", json=report))
    taken = caller.http.post("/paymentwall/delivery", json=report | {"status": "delivered"})
    assert taken.json()["response"]["error_code"] is None
