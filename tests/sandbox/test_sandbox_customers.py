CARD = {"card_number": "4242-4242-4242-4242", "expiry": "2030-01"}


def test_a_key_is_issued_read_and_replaced_under_the_same_uid(sandbox):
    caller = sandbox()
    path = "/subscribe/customers/member-1"
    issued = caller.http.post(path, json=CARD | {"pg": "kcp_billing.MID", "customer_name": "김"}).json()["response"]
    assert issued["card_number"] == "424242******4242"
    assert (issued["pg_provider"], issued["customer_name"]) == ("kcp_billing", "김")
    assert issued["inserted"] == issued["updated"]
    replaced = caller.http.post(path, json=CARD | {"card_number": "4000-0000-0000-1001"}).json()["response"]
    assert replaced["inserted"] == issued["inserted"] < replaced["updated"]
    assert caller.get(path)["card_number"].endswith("1001")
    assert caller.again("member-1", "m1").json()["response"]["status"] == "failed"


def test_a_card_that_cannot_be_registered_is_refused_with_the_words_of_the_pg(sandbox):
    caller = sandbox()
    bad = CARD | {"card_number": "4000-0000-0000-0000"}
    body = caller.refused(caller.http.post("/subscribe/customers/member-1", json=bad))
    assert body["code"] == -1
    assert body["message"].startswith("카드정보 인증 및 빌키 발급에 실패하였습니다. [F112]")
    onetime = caller.http.post("/subscribe/payments/onetime", json=bad | {"merchant_uid": "m1", "amount": 1})
    assert caller.refused(onetime)["message"].startswith("카드정보 인증에 실패하였습니다. ")
    missing = caller.http.post("/subscribe/customers/member-1", json={"expiry": "2030-01"})
    assert caller.refused(missing)["message"] == '["card_number"] 파라메터는 필수입니다.'


def test_an_unknown_customer_is_404_or_200_with_code_1_as_switched(sandbox):
    message = "요청하신 customer_uid(none)로 등록된 정보를 찾을 수 없습니다."
    for options, http in (({}, 404), ({"customers_404": False}, 200)):
        caller = sandbox(**options)
        assert caller.refused(caller.http.get("/subscribe/customers/none"), http)["message"] == message
        caller.refused(caller.http.delete("/subscribe/customers/none"), http)


def test_a_deleted_key_is_unknown_to_again_but_its_payments_stay(sandbox):
    caller = sandbox()
    caller.http.post("/subscribe/customers/ok-kim", json=CARD)
    caller.paid("ok-kim", "m1")
    assert caller.http.delete("/subscribe/customers/ok-kim").json()["code"] == 0
    assert caller.refused(caller.again("ok-kim", "m2"))["message"] == "등록되지 않은 구매자입니다."
    assert caller.get("/subscribe/customers/ok-kim/payments")["total"] == 1
    assert caller.get("/subscribe/customers/none/payments")["total"] == 0


def test_several_customers_answer_207_when_some_are_unknown(sandbox):
    caller = sandbox()
    for uid in ("a", "b"):
        caller.http.post(f"/subscribe/customers/{uid}", json=CARD)
    answer = caller.http.get("/subscribe/customers", params={"customer_uid[]": ["a", "b"]})
    assert (answer.status_code, len(answer.json()["response"])) == (200, 2)
    assert caller.http.get("/subscribe/customers", params={"customer_uid[]": ["a", "x"]}).status_code == 207
    assert caller.http.get("/subscribe/customers", params={"customer_uid[]": ["x"]}).status_code == 404


def test_onetime_charges_the_card_and_keeps_it_only_when_it_was_approved(sandbox):
    caller = sandbox()
    wanted = CARD | {"merchant_uid": "m1", "amount": 100, "customer_uid": "member-1"}
    paid = caller.http.post("/subscribe/payments/onetime", json=wanted).json()["response"]
    assert (paid["status"], paid["customer_uid_usage"]) == ("paid", "issue")
    caller.paid("member-1", "m2")
    bad = wanted | {"card_number": "4000-0000-0000-1004", "merchant_uid": "m3", "customer_uid": "member-2"}
    assert caller.http.post("/subscribe/payments/onetime", json=bad).json()["response"]["status"] == "failed"
    caller.refused(caller.again("member-2", "m4"))
    bare = CARD | {"merchant_uid": "m5", "amount": 100}
    assert caller.http.post("/subscribe/payments/onetime", json=bare).json()["response"]["customer_uid"] is None
