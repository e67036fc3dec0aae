import httpx
import pytest

KEYS = {"imp_key": "imp_key_sandbox", "imp_secret": "imp_secret_sandbox"}


def test_everybody_gets_the_same_token_until_it_expires(sandbox):
    caller = sandbox()
    first, second = caller.token(), caller.token()
    assert first["access_token"] == second["access_token"]
    assert first["expired_at"] == second["expired_at"]
    assert len(first["access_token"]) == 40
    assert 1795 <= first["expired_at"] - first["now"] <= 1800


def test_a_token_asked_for_in_its_last_minute_lives_five_minutes_longer(sandbox):
    caller = sandbox()
    token = caller.token()["access_token"]
    near = caller.control("/tokens", expires_in=50)["expired_at"]
    extended = caller.token()
    assert extended["access_token"] == token
    assert extended["expired_at"] == near + 300


def test_an_expired_token_is_replaced_and_no_longer_accepted(sandbox):
    caller = sandbox()
    token = caller.token()["access_token"]
    caller.control("/tokens", expires_in=0)
    answer = caller.again("ok-kim", "m1")
    assert (answer.status_code, answer.json()) == (401, {"code": -1, "message": "Unauthorized", "response": None})
    assert caller.token()["access_token"] != token
    assert caller.ledger() == []


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer ", "BEARER "])
def test_the_token_is_accepted_raw_and_as_bearer(sandbox, scheme):
    caller = sandbox()
    header = {"Authorization": scheme + caller.token()["access_token"]}
    assert caller.http.get("/users/pg", headers=header).json()["code"] == 0


@pytest.mark.parametrize("scheme", ["", "Bearer "])
def test_the_token_is_accepted_in_the_header_that_portone_documented_first(sandbox, scheme):
    caller = sandbox()
    token = scheme + caller.token()["access_token"]
    for headers in ({"X-ImpTokenHeader": token}, {"X-ImpTokenHeader": token, "Authorization": "none"}):
        answer = httpx.get(f"{caller.url}/users/pg", headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)


def test_a_wrong_token_in_the_older_header_is_401(sandbox):
    assert httpx.get(f"{sandbox().url}/users/pg", headers={"X-ImpTokenHeader": "x"}, timeout=60).status_code == 401


@pytest.mark.parametrize("header", ["", "nonsense", "Bearer", "Basic abc"])
def test_a_missing_or_wrong_token_is_401(sandbox, header):
    caller = sandbox()
    assert caller.http.get("/users/pg", headers={"Authorization": header}).status_code == 401


def test_wrong_credentials_are_401_and_missing_ones_400(sandbox):
    caller = sandbox()
    wrong = caller.http.post("/users/getToken", json=KEYS | {"imp_secret": "x"})
    body = caller.refused(wrong, 401)
    assert body["message"] == "인증에 실패하였습니다. API키와 secret을 확인하세요."
    missing = caller.http.post("/users/getToken", json={"imp_key": "x"})
    assert caller.refused(missing, 400)["message"] == "imp_key, imp_secret 파라메터가 누락되었습니다."


def test_credentials_may_be_a_form_and_the_path_may_end_in_a_slash(sandbox):
    caller = sandbox()
    answer = httpx.post(f"{caller.url}/users/getToken/", data=KEYS, timeout=60)
    assert answer.json()["response"]["access_token"] == caller.token()["access_token"]
