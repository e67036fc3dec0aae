"""`POST /v1/recovery`: advice about declines of any system, without a plan or a subscription, and without a trace."""

from web_helpers import Web

DECLINED = {"id": "order-1", "pg": "kcp", "text": "[CC10]잔액부족", "declined_at": "2026-03-12T09:30:00+09:00"}


def test_a_decline_is_understood_and_gets_a_time(web: Web) -> None:
    told = web.api.post("/v1/recovery", json=DECLINED | {"amount": 9900}).json()
    assert (told["category"], told["advice"], told["why"]) == ("balance", "better_day", "step")
    assert told["retry_at"].startswith("2026-03-13T09:")
    assert (told["step"], told["steps"], told["dunning_policy"]) == (1, 5, "default")
    assert "next step" in told["reason"]
    korean = web.api.post("/v1/recovery", json=DECLINED, headers={"Accept-Language": "ko"}).json()
    assert "재시도 정책" in korean["reason"]


def test_the_history_of_the_card_and_a_policy_of_the_merchant_count(web: Web) -> None:
    definition = {"steps": ["1d", "3d"]}
    web.create("dunning-policies", name="short", definition=definition)
    history = [{"at": "2026-03-11T09:30:00+09:00", "text": "[CC10]잔액부족"}, {"at": "2026-02-12T09:30:00+09:00"}]
    wanted = DECLINED | {"dunning_policy": "short", "history": history}
    told = web.api.post("/v1/recovery", json=wanted).json()
    assert (told["step"], told["retry_at"], told["dunning_policy"]) == (2, "2026-03-15T00:30:00Z", "short@1")
    more = [*history, {"at": "2026-03-10T09:30:00+09:00", "text": "[CC10]잔액부족"}]
    told = web.api.post("/v1/recovery", json=wanted | {"history": more}).json()
    assert (told["why"], told["retry_at"]) == ("used_up", None)


def test_the_names_in_an_answer_may_be_asked_for(web: Web) -> None:
    told = web.api.post("/v1/recovery", json=DECLINED).json()
    assert web.api.post("/v1/recovery", json=DECLINED | {"dunning_policy": told["dunning_policy"]}).json() == told
    web.create("dunning-policies", name="short", definition={"steps": ["1d", "3d"]})
    web.create("dunning-policies", name="short", definition={"steps": ["2d"]})
    for name, steps in (("short", 1), ("short@2", 1), ("short@1", 2), ("days-1-3-5", 3), ("none", 0)):
        assert web.api.post("/v1/recovery", json=DECLINED | {"dunning_policy": name}).json()["steps"] == steps
    for name in ("short@3", "days-0", "@"):
        answer = web.api.post("/v1/recovery", json=DECLINED | {"dunning_policy": name})
        assert (answer.status_code, answer.json()["field"]) == (422, "dunning_policy")


def test_a_code_apart_from_the_text_is_read(web: Web) -> None:
    wanted = DECLINED | {"text": "처리 결과", "code": "CC43"}
    told = web.api.post("/v1/recovery", json=wanted).json()
    assert (told["why"], told["code"], told["retry_at"]) == ("another_card", "CC43", None)


def test_a_question_stores_nothing_and_a_reader_may_ask_it(web: Web) -> None:
    tables = "SELECT relname FROM pg_stat_user_tables WHERE n_tup_ins > 0"
    before = web.rows(tables)
    assert web.api.post("/v1/recovery", json=DECLINED).status_code == 200
    assert web.rows(tables) == before
    place = web.app.openapi()["paths"]["/v1/recovery"]["post"]
    assert place["x-scope"] == "read"


def test_what_cannot_be_is_refused_by_name(web: Web) -> None:
    late = DECLINED | {"history": [{"at": "2026-03-12T09:30:00+09:00"}]}
    for wanted, field in (
        (late, "history"),
        (DECLINED | {"dunning_policy": "unheard-of"}, "dunning_policy"),
        (DECLINED | {"amount": 0}, "amount"),
        ({**DECLINED, "declined_at": "yesterday"}, "declined_at"),
    ):
        answer = web.api.post("/v1/recovery", json=wanted)
        assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text
