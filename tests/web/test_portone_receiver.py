"""PortOne's webhooks: stored once, answered at once, and believed never."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from web_calls import HINT, assert_problem, eventually, first_words
from web_helpers import Web

from billing_worker.ports.incoming import InboxStatus
from billing_worker.usecases.incoming import apply

PATHS = ("/webhooks/portone", "/iamport-callback/schedule")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_webhook_is_stored_and_acknowledged_and_the_bell_is_rung(web: Web, path: str, form: bool) -> None:  # noqa: FBT001
    hint = web.own_hint()
    answer = web.api.post(path, data=hint) if form else web.api.post(path, json=hint)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    (row,) = web.rows("SELECT * FROM inbox")
    assert (row["source"], row["payload"], row["status"], row["deliveries"]) == ("portone", hint, "received", 1)
    eventually(lambda: web.doorbell.rings == [("apply", str(row["id"]))], "the ring")


def test_the_same_webhook_again_is_only_counted(web: Web) -> None:
    for _ in range(3):
        assert web.api.post(PATHS[0], json=HINT).status_code == 200
    assert web.api.post(PATHS[1], data=HINT).status_code == 200
    assert [row["deliveries"] for row in web.rows("SELECT deliveries FROM inbox")] == [4]


@pytest.mark.fm("E4")
def test_the_same_webhook_many_times_at_once_is_one_row(web: Web) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: web.api.post(PATHS[0], json=HINT).status_code, range(64)))
    assert answers == [200] * 64
    assert [row["deliveries"] for row in web.rows("SELECT deliveries FROM inbox")] == [64]


@pytest.mark.parametrize(
    "other",
    [{"status": "cancelled"}, {"imp_uid": "imp_2"}, {"cancellation_id": "c-1"}, {"merchant_uid": "order-2"}],
    ids=lambda other: next(iter(other)),
)
def test_a_webhook_that_says_something_else_is_another_one(web: Web, other: dict[str, str]) -> None:
    web.api.post(PATHS[0], json=HINT)
    web.api.post(PATHS[0], json=HINT | other)
    assert web.count("inbox") == 2


def test_unknown_fields_are_left_out_and_not_kept(web: Web) -> None:
    sent = HINT | {"amount": 1, "card_number": "4242424242424242", "x": {"deep": [1, 2]}}
    assert web.api.post(PATHS[0], json=sent).status_code == 200
    assert web.rows("SELECT payload FROM inbox") == [{"payload": HINT}]


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_cancellation_id_counts_as_none(web: Web, empty: str | None) -> None:
    web.api.post(PATHS[0], json=HINT)
    assert web.api.post(PATHS[0], json=HINT | {"cancellation_id": empty}).status_code == 200
    assert web.count("inbox") == 1


@pytest.mark.fm("E10")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("imp_uid", ""),
        ("imp_uid", "imp_1/../../users"),
        ("imp_uid", "a" * 65),
        ("imp_uid", "imp_1\n"),
        ("imp_uid", "임프"),
        ("imp_uid", 12),
        ("imp_uid", ["imp_1"]),
        ("imp_uid", None),
        ("merchant_uid", ""),
        ("merchant_uid", "a/b"),
        ("merchant_uid", "a b"),
        ("merchant_uid", "m" * 65),
        ("merchant_uid", "m\x00"),
        ("merchant_uid", True),
        ("status", "PAID"),
        ("status", "paid;"),
        ("status", "p" * 21),
        ("status", ""),
        ("cancellation_id", "c/1"),
        ("cancellation_id", {"a": 1}),
        ("cancellation_id", 0),
    ],
)
def test_a_field_outside_its_grammar_is_refused_by_name(web: Web, field: str, value: object) -> None:
    answer = web.api.post(PATHS[0], json=HINT | {field: value})
    assert_problem(answer, 400, field)
    assert web.count("inbox") == 0
    assert web.doorbell.rings == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", [True, False])
def test_a_hint_without_a_status_is_taken(web: Web, path: str, form: bool) -> None:  # noqa: FBT001
    alone = without("status")
    for _ in range(2):
        assert web.api.post(path, **({"data": alone} if form else {"json": alone})).status_code == 200
    (row,) = web.rows("SELECT payload, deliveries FROM inbox")
    assert (row["payload"], row["deliveries"]) == (alone, 2)


def test_an_invisible_character_is_named_with_its_place(web: Web) -> None:
    answer = web.api.post(PATHS[0], json=HINT | {"imp_uid": "imp_1\u200b"})
    assert "it has ZERO WIDTH SPACE (U+200B) at place 6" in assert_problem(answer, 400, "imp_uid")


@pytest.mark.parametrize("field", ["imp_uid", "merchant_uid"])
def test_a_missing_field_is_named(web: Web, field: str) -> None:
    for body in ({"json": without(field)}, {"data": without(field)}):
        assert "missing" in assert_problem(web.api.post(PATHS[0], **body), 400, field)
    assert web.count("inbox") == 0


@pytest.mark.fm("E11")
@pytest.mark.fm("E12")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"imp_uid"',
        b"\xff\xfe",
        b"[" * 8000,
        b'{"imp_uid":' + b"9" * 6000 + b"}",
        json.dumps(HINT).encode("utf-16"),
        b'[["imp_uid", "imp_1"], ["merchant_uid", "m"], ["status", "paid"]]',
    ],
    ids=["empty", "cut", "list", "null", "text", "bytes", "deep", "huge-number", "utf-16", "pairs"],
)
def test_what_is_not_a_json_object_is_refused(web: Web, body: bytes) -> None:
    assert_problem(web.api.post(PATHS[0], content=body, headers={"Content-Type": "application/json"}), 400)
    assert web.count("inbox") == 0


@pytest.mark.fm("E11")
@pytest.mark.parametrize("body", [b"imp_uid=%FF%FE", "imp_uid=임프".encode(), b"&".join([b"a=1"] * 40)])
def test_what_is_not_a_plain_form_is_refused(web: Web, body: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert_problem(web.api.post(PATHS[0], content=body, headers=kind), 400)
    assert web.count("inbox") == 0


@pytest.mark.fm("E12")
def test_a_field_given_twice_is_refused_since_two_readers_could_read_two_things(web: Web) -> None:
    body = b'{"imp_uid":"imp_1","imp_uid":"imp_2","merchant_uid":"m","status":"paid"}'
    assert_problem(web.api.post(PATHS[0], content=body, headers={"Content-Type": "application/json"}), 400, "imp_uid")
    form = b"imp_uid=a&imp_uid=b&merchant_uid=m&status=paid"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_problem(web.api.post(PATHS[0], content=form, headers=kind), 400, "imp_uid")
    assert web.count("inbox") == 0


@pytest.mark.fm("E11")
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/xml", "", None])
def test_another_content_type_is_refused(web: Web, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    assert_problem(web.api.post(PATHS[0], content=json.dumps(HINT).encode(), headers=headers), 415)
    assert web.count("inbox") == 0


@pytest.mark.fm("E12")
def test_a_body_over_eight_kibibytes_is_refused_before_it_is_read_as_anything(web: Web) -> None:
    large = json.dumps(HINT | {"padding": "x" * 8192}).encode()
    kind = {"Content-Type": "application/json"}
    assert_problem(web.api.post(PATHS[0], content=large, headers=kind), 413)
    assert_problem(web.api.post(PATHS[0], content=iter([large[:5000], large[5000:]]), headers=kind), 413)
    assert web.count("inbox") == 0
    fits = json.dumps(HINT | {"padding": "x" * 8000}).encode()
    assert web.api.post(PATHS[0], content=iter([fits[:5000], fits[5000:]]), headers=kind).status_code == 200


@pytest.mark.fm("E13")
def test_a_body_that_drips_is_not_waited_for_for_ever(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_worker.web.middleware.BODY_SECONDS", 0.2)
    head = (
        b"POST /webhooks/portone HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    assert first_words(web.url, head).startswith(b"HTTP/1.1 408 ")
    assert web.count("inbox") == 0


@pytest.mark.fm("E7")
def test_a_forged_webhook_is_stored_and_changes_nothing(web: Web) -> None:
    _, invoice_id = web.invoiced()
    merchant_uid = web.rows("SELECT merchant_uid FROM invoices")[0]["merchant_uid"]
    forged = HINT | {"merchant_uid": merchant_uid}
    assert web.api.post(PATHS[0], json=forged).status_code == 200
    (row,) = web.rows("SELECT id FROM inbox")
    applied = apply.apply(web.ports, row["id"])
    assert applied.status is InboxStatus.RECEIVED
    assert web.rows("SELECT status FROM invoices") == [{"status": "open"}]
    assert web.count("payment_attempts") == 0
    assert web.api.get(f"/v1/invoices/{invoice_id}").json()["attempts"] == []


def test_the_bell_is_rung_when_everybody_can_see_the_row(web: Web) -> None:
    seen: list[int] = []
    web.doorbell.on_ring = lambda: seen.append(web.count("inbox"))
    web.api.post(PATHS[0], json=web.own_hint())
    eventually(lambda: seen == [1], "the ring")


def test_a_doorbell_that_fails_changes_nothing_for_the_sender(web: Web) -> None:
    web.doorbell.fails = True
    assert web.api.post(PATHS[0], json=web.own_hint()).status_code == 200
    eventually(lambda: len(web.doorbell.rings) == 1, "the ring")
    assert web.count("inbox") == 1


def test_a_doorbell_that_hangs_holds_up_no_answer(web: Web) -> None:
    web.doorbell.released.clear()
    hint = web.own_hint()
    answers = [web.api.post(PATHS[0], json=hint | {"imp_uid": f"imp_{n}"}).status_code for n in range(40)]
    assert answers == [200] * 40
    assert len(web.doorbell.rings) == 1
    web.doorbell.released.set()
    eventually(lambda: len(web.doorbell.rings) == 40, "the other rings")


def test_the_receiver_takes_no_other_method(web: Web) -> None:
    for path in PATHS:
        answer = web.api.get(path)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "POST"


def without(field: str) -> dict[str, str]:
    return {name: value for name, value in HINT.items() if name != field}
