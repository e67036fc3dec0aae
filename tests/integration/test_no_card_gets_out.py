"""Cards go through both entrances of real processes, with every end that a call can have; then everything is searched.

The month of expiry may be kept as `card_expires` of its key (docs/decisions/0050). Else the number, the expiry and the
business number of each card are looked for in every column of every table, in Redis, in the output of every process, in
Flower, in all answers, and in what the sandbox shows of the requests that it got.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from billing_worker.runtime import free_port
from tests.integration.test_no_canary_gets_out import _dumped, _flower, _seen_in_redis, read_as_anybody_could
from tests.support.plain_http import WITHOUT_TLS
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.servers import Servers
from tests.support.stack import Running, Stack, eventually, settings_for, stack_of

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(900)]

NUMBERS = ("5409600012345677", "3560000012345670", "4012888888881881", "6250941006528599")
REFUSED = "5555444433330000"
EXPIRY, BUSINESS = "2043-07", "9137508264"
KEPT = re.compile(rf"card[_ ]expires\W+{EXPIRY}")
MONTHS = ("billing_keys.card_expires", "billing_keys.expiry_look_at")
"""The month itself, and the day that follows from it."""
TOKEN = "api-token-of-the-card-canary"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

ENDS = {
    "fine": None,
    "lost": "drop-after-charge",
    "never": "drop-before-charge",
    "cut": "truncated",
    "page": "error502-html-charged",
    "server": "error500",
    "unauthorized": "error401",
    "busy": "rate-limit",
}
"""By the beginning of the customer_uid: what the issue meets."""


def card(number: str = NUMBERS[0], **changes: Any) -> dict[str, Any]:
    return {"card_number": number, "expiry": EXPIRY, "birth": BUSINESS, "pwd_2digit": "37"} | changes


def hits(places: dict[str, str]) -> list[str]:
    """Where a part of a card is."""
    found = []
    for place, raw in places.items():
        plain = KEPT.sub("", read_as_anybody_could(raw)) if place not in MONTHS else ""
        digits = re.sub(r"(?<=\d)[\s./_-]{1,2}(?=\d)", "", plain)
        for secret in (*NUMBERS, REFUSED, BUSINESS):
            if secret in digits:
                at = digits.index(secret)
                found.append(f"{place}: {digits[max(0, at - 100) : at + 40]!r}")
        found += [f"{place}: the expiry"] if EXPIRY in plain else []
    return found


def test_no_part_of_a_card_is_anywhere(database_url: str, servers: Servers, tmp_path: Path) -> None:
    with servers.redis() as server, running_sandbox() as sandbox:
        broker = server.start()
        settings = settings_for(database_url, broker, sandbox.url, "cards")
        settings |= {"BILLING_API_TOKEN": TOKEN, "BILLING_CARD_ENTRY": "true"}
        for beginning, behaviour in ENDS.items():
            if behaviour is not None:
                sandbox.rule(behaviour, endpoint="issue", customer_uid_prefix=beginning, times=None)
        sandbox.rule("ok", endpoint="issue", customer_uid_prefix="hang", delay=20, times=None)
        with stack_of(settings, tmp_path) as stack:
            places = dict(_driven(stack, sandbox, database_url))
            places |= _seen_in_redis(broker)
            places |= {f"log of {one.name} {number}": one.output for number, one in enumerate(stack._processes)}
        places["sandbox's requests"] = json.dumps(sandbox.requests(), ensure_ascii=False)
        places["sandbox's ledger"] = json.dumps(sandbox.ledger(), ensure_ascii=False)
    places |= _dumped(database_url)
    places |= {
        f"file {file.name}": file.read_bytes().decode("utf-8", "replace")
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    assert "***5677" in places["sandbox's requests"]  # the cards were there
    assert places["evidence.body"].count("5677") >= 1
    assert len(places["kept_answers.body"]) > 100
    found = hits(places)
    assert found == [], "\n".join(found)


def test_the_search_finds_a_card_in_any_spelling() -> None:
    places = {
        "a": "5409-6000.1234 5677",
        "b": "\\u0033\\u0035" + NUMBERS[1][2:],
        "c": "card%3D4012888888881881",
        "d": f"until {EXPIRY}",
        "e": f"of {BUSINESS}",
        "f": "540960******5677",
    }
    assert sorted(hit.partition(":")[0] for hit in hits(places)) == ["a", "b", "c", "d", "e"]


def _driven(stack: Stack, sandbox: Sandbox, database_url: str) -> Iterator[tuple[str, str]]:
    flower_port = str(free_port())
    worker = stack.worker(ready=False)
    stack.beat()
    stack.start("flower", "flower", "--address=127.0.0.1", f"--port={flower_port}", FLOWER_UNAUTHENTICATED_API="true")
    web, url = _web(stack)
    with httpx.Client(base_url=url, timeout=60, trust_env=False, headers=BEARER) as http:
        yield "answers", "".join(_asked(http))
        yield "refusals", "".join(_refused(http))
        _dies_in_the_call(http, web, sandbox)
    yield "commands", "".join(_commands(stack))
    web, url = _web(stack)
    eventually(lambda: _open_calls(database_url) == 0, "every call is resolved", 90)
    worker.kill()
    stack.worker()
    with httpx.Client(base_url=url, timeout=60, trust_env=False, headers=BEARER) as http:
        keys = http.get("/v1/billing-keys?limit=500").json()["data"]
        ended = {(key["external_id"] or "").partition(" ")[0]: key["status"] for key in keys}
        payments = http.get("/v1/payments?limit=500").json()["data"]
        later = {payment["order_id"]: payment["status"] for payment in payments}
        lists = ("/v1/alerts", "/v1/actions", "/v1/billing-keys", "/v1/payments", "/v1/events")
        for path in ("/metrics", *lists, "/openapi.json"):
            yield path, http.get(path).text
    stored = {"fine": "active", "lost": "active", "cut": "active", "page": "active"}
    assert ended.items() >= (stored | dict.fromkeys(("never", "server", "unauthorized", "busy"), "invalid")).items()
    assert ended["hang"] in ("active", "invalid")
    for beginning in ENDS:
        expected = "open" if beginning in stored else "uncollectible"
        assert {later[f"later-{beginning}"], later[f"later-{beginning}-keyed"]} == {expected}, beginning
    assert later["later-refused"] == "uncollectible"
    yield "Flower", "".join(_flower(f"http://127.0.0.1:{flower_port}"))
    assert web.stop() == 0


def _web(stack: Stack) -> tuple[Running, str]:
    port = str(free_port())
    web = stack.program("web", "billing_worker", "web", "--port", port)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(f"{url}/readyz"), "web", 60)
    return web, url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=WITHOUT_TLS, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _wanted(name: str, number: str = NUMBERS[0], **more: Any) -> dict[str, Any]:
    body = {"customer_uid": f"{name}-card", "pg_provider": "nice_v2", "card": card(number), "external_id": f"{name} 1"}
    return body | more


PAYMENTS = "/v1/payments/by-card"


def _paid_later(name: str, number: str = NUMBERS[0]) -> dict[str, Any]:
    """A card that is kept now, and whose payment is charged in a week."""
    at = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    names = {"customer_uid": f"{name}-later", "order_id": f"later-{name}"}
    return names | {"pg_provider": "nice_v2", "amount": 100, "at": at, "card": card(number)}


def _asked(http: httpx.Client) -> Iterator[str]:
    """Every end of a call, with and without an Idempotency-Key."""
    for beginning in ENDS:
        answer = http.post("/v1/billing-keys/issue", json=_wanted(beginning))
        assert answer.status_code == 202, answer.text
        yield answer.text
        more = {"customer_uid": f"{beginning}-keyed", "external_id": f"{beginning}-keyed"}
        for _ in range(2):
            body, key = _wanted(beginning, NUMBERS[1], **more), {"Idempotency-Key": f"canary-{beginning}"}
            yield http.post("/v1/billing-keys/issue", json=body, headers=key).text
        yield http.post(PAYMENTS, json=_paid_later(beginning, NUMBERS[2])).text
        later, key = _paid_later(f"{beginning}-keyed", NUMBERS[3]), {"Idempotency-Key": f"later-{beginning}"}
        for _ in range(2):
            answer = http.post(PAYMENTS, json=later, headers=key)
            assert answer.status_code == 202, answer.text
            yield answer.text
        now = {name: value for name, value in _paid_later(f"{beginning}-now").items() if name != "at"}
        yield http.post(PAYMENTS, json=now).text
    yield http.post(PAYMENTS, json=_paid_later("refused", REFUSED)).text
    refused = _wanted("refused", REFUSED)
    yield http.post("/v1/billing-keys/issue", json=refused, headers={"Idempotency-Key": "canary-refused"}).text
    key = http.post("/v1/billing-keys/issue", json=_wanted("fine2", customer_uid="fine2-card")).json()["id"]
    yield http.delete(f"/v1/billing-keys/{key}", params={"reason": "the customer left"}).text


def _refused(http: httpx.Client) -> Iterator[str]:
    """Cards in wrong forms, and in every field that is none."""
    right = _wanted("wrong")
    wrong: list[Any] = [right | {"card": card(number)} for number in (NUMBERS[2] + "0000", f"x{NUMBERS[2]}", "")]
    wrong += [right | {"card": card() | {name: NUMBERS[2]}} for name in ("expiry", "birth", "pwd_2digit", "cvc")]
    wrong += [right | {name: NUMBERS[2]} for name in right]
    wrong += [right | {name: NUMBERS[2]} for name in ("buyer_name", "buyer_tel", "buyer_email", "customer_id", "x")]
    wrong += [right | {"metadata": {"note": NUMBERS[3]}}, right | {"metadata": {NUMBERS[3]: "note"}}]
    wrong += [right | {NUMBERS[2]: 1}, [NUMBERS[2]], NUMBERS[2], {"card": {NUMBERS[2]: {}}}]
    for number, body in enumerate(wrong):
        for headers in ({}, {"Idempotency-Key": f"wrong-{number}"}):
            answer = http.post("/v1/billing-keys/issue", json=body, headers=headers)
            assert answer.status_code in (400, 422), (body, answer.text)
            yield answer.text
    later = _paid_later("wrong")
    wrong = [later | {name: NUMBERS[2]} for name in later if name != "amount"]
    wrong += [
        later | {name: NUMBERS[2]} for name in ("retry_days", "channel_key", "customer_id", "custom_data", "name")
    ]
    wrong += [
        later | {"at": "2020-01-01T00:00:00Z"},
        later | {"customer_uid": None},
        later | {"at": None, "retry_days": [1]},
    ]
    for number, body in enumerate(wrong):
        for headers in ({}, {"Idempotency-Key": f"wrong-later-{number}"}):
            answer = http.post(PAYMENTS, json=body, headers=headers)
            assert answer.status_code in (400, 422), (body, answer.text)
            yield answer.text
    broken = json.dumps(right).encode()[:-20]
    headers = {"Content-Type": "application/json", "Idempotency-Key": "broken"}
    yield http.post("/v1/billing-keys/issue", content=broken, headers=headers).text
    yield http.post("/v1/billing-keys/issue", data={"card_number": NUMBERS[2]}).text
    yield http.post("/v1/billing-keys/issue", json=right, headers={"X-Forwarded-Proto": "http"}).text
    yield http.post("/v1/billing-keys/issue", json=right, headers={"Idempotency-Key": NUMBERS[3]}).text
    for path, body in (
        ("plans", {"name": NUMBERS[3], "amount": 1, "currency": "KRW", "interval": "month"}),
        ("billing-keys", {"customer_uid": NUMBERS[3], "pg_provider": "nice_v2"}),
        ("stops", {"scope": "all", "reason": f"card {NUMBERS[3]}"}),
    ):
        answer = http.post(f"/v1/{path}", json=body, headers={"Idempotency-Key": f"elsewhere-{path}"})
        assert answer.status_code == 422, answer.text
        yield answer.text


def _dies_in_the_call(http: httpx.Client, web: Running, sandbox: Sandbox) -> None:
    """SIGKILL while the card is on its way."""
    before = len(sandbox.requests("/subscribe/customers/hang-card"))
    asking = subprocess.Popen(
        [sys.executable, "-c", ASK, str(http.base_url), TOKEN, json.dumps(_wanted("hang"))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # The read of the customer_uid comes first, and is answered; the card follows, and is held back.
    eventually(lambda: len(sandbox.requests("/subscribe/customers/hang-card")) > before, "the call has begun")
    web.kill()
    assert asking.wait(30) is not None


ASK = """
import json, sys, httpx
try:
    httpx.post(sys.argv[1] + "/v1/billing-keys/issue", json=json.loads(sys.argv[3]), trust_env=False, timeout=60,
               headers={"Authorization": "Bearer " + sys.argv[2]})
except httpx.HTTPError:
    pass
"""


PROGRAM = (sys.executable, "-m", "billing_worker")
LATER = ("--amount", "100", "--at", (datetime.now(UTC) + timedelta(days=7)).isoformat(), "--keep-as")


def _commands(stack: Stack) -> Iterator[str]:
    """The command line: right and wrong cards on standard input, and a traceback."""
    given = {
        "fine-cli": card(NUMBERS[2]),
        "lost-cli": card(NUMBERS[2]),
        "refused-cli": card(REFUSED),
        "wrong-cli": card(NUMBERS[2] + "1"),
        "odd-cli": {NUMBERS[2]: NUMBERS[3]},
    }
    for uid, parts in given.items():
        for more in ((), ("--json", "--traceback")):
            name = f"{uid}{''.join(more)}"
            for words in (("key", "issue", name), ("payment", "by-card", *LATER, f"{name}-later")):
                yield _piped(stack, parts, *words, "--pg", "nice_v2", "--card-from-stdin", *more)
    for words in (("key", "issue", NUMBERS[3], "--pg", "nice_v2"), ("key", "issue", "a", NUMBERS[3]), (NUMBERS[3],)):
        running = stack.program("command", "billing_worker", *words)
        running.wait()
        yield running.output


def _piped(stack: Stack, card: dict[str, Any], *words: str) -> str:
    done = subprocess.run(
        [*PROGRAM, *words],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), **stack.settings},
        cwd=stack._folder,
        input=json.dumps(card),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode in (0, 1, 2), done.stderr
    return done.stdout + done.stderr


def _open_calls(database_url: str) -> int:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM key_calls WHERE status = 'open'")).scalar_one()
    engine.dispose()
    return int(found)
