"""Secrets, card numbers and personal data go through every path with real processes; then everything is searched.

The gateway of this test repeats all of it in every answer; webhooks, pingbacks, headers and bad requests carry it too.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
import pytest
import redis
from sqlalchemy import create_engine, text

from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.runtime import free_port
from tests.support.leaky_gateway import Leaky, leaking, spelt
from tests.support.servers import Servers
from tests.support.stack import Running, Stack, eventually, settings_for, stack_of

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]

CARDS = ("4242424242424242", "5555555555554444", "378282246310005", "6011111111111117")
SPELT = ("4242424242424242", "5555-5555-5555-4444", "3782 822463 10005", "６０１１１１１１１１１１１１１７")  # noqa: RUF001 - that is the question
SECRETS = {
    "BILLING_PORTONE_IMP_KEY": "canary-imp-key-51a7",
    "BILLING_PORTONE_IMP_SECRET": "canary-imp-secret-0d1f29",
    "BILLING_API_TOKEN": "canary-api-token-77e3",
    "BILLING_PAYMENTWALL_SECRET_KEY": "canary-paymentwall-secret-9b",
    "BILLING_EVENTS_SECRET": "whsec_" + base64.b64encode(b"canary-events-secret-000").decode(),
}
TOKEN = "canaryaccesstoken0123456789abcdef"
CVC = "canary-cvc-9137"
EMAIL, TELEPHONE = "canary.person@example.com", "010-8765-4321"
PERSONAL = ("canary.person", "8765-4321", "87654321")
KINDS = ("ok", "decline", "refuse", "html", "garbage", "unauthorized", "hang")

MAY_HOLD = {"billing_keys": {"buyer_email", "buyer_tel"}}
"""The only columns with personal data: what the merchant gave us for the PG, which wants it with every charge."""


@dataclass
class Found:
    """All readable texts, by their place."""

    places: dict[str, str]
    secrets: tuple[str, ...]

    def hits(self) -> list[str]:
        """Where something is that must not be there."""
        found = []
        for place, raw in self.places.items():
            plain = read_as_anybody_could(raw)
            digits = re.sub(r"(?<=\d)[\s./_-]{1,2}(?=\d)", "", plain)
            found += [f"{place}: {_around(plain, secret)}" for secret in (*self.secrets, TOKEN, CVC) if secret in plain]
            found += [f"{place}: {_around(digits, card)}" for card in CARDS if card in digits]
            if place not in {f"{table}.{column}" for table, columns in MAY_HOLD.items() for column in columns}:
                found += [f"{place}: {_around(plain, person)}" for person in PERSONAL if person in plain]
        return found


def read_as_anybody_could(raw: str) -> str:
    """With escapes undone: JSON's, a URL's, and other forms of digits."""
    unescaped = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), raw)
    return unicodedata.normalize("NFKC", raw + unescaped + unquote(raw))


def _around(plain: str, what: str) -> str:
    at = plain.index(what)
    return repr(plain[max(0, at - 120) : at + len(what) + 40])


@pytest.mark.fm("F5")
def test_nothing_secret_is_anywhere_when_everything_has_gone_wrong(
    database_url: str, servers: Servers, tmp_path: Path
) -> None:
    passwords = [urlsplit(database_url).password or ""]
    with servers.redis() as server:
        broker = server.start()
        passwords.append(urlsplit(broker).password or "")
        assert all(passwords)
        secrets = (*SECRETS.values(), *passwords)
        words = spelt([*SPELT, *secrets, TOKEN, EMAIL, TELEPHONE])
        with leaking(words, TOKEN) as gateway:
            settings = settings_for(database_url, broker, gateway.url, "canary") | SECRETS
            settings |= {"BILLING_EVENTS_URL": f"{gateway.url}/events", "BILLING_EVENTS_ALLOW_PRIVATE": "true"}
            with stack_of(settings, tmp_path) as stack:
                places = dict(_driven(stack, gateway, database_url, words))
                places |= _seen_in_redis(broker)
                places |= {f"log of {one.name}": one.output for one in stack._processes}
        places["events"] = "\n".join(gateway.received)
        places["addresses that the gateway was asked"] = "\n".join(gateway.asked)
    places |= _dumped(database_url)
    assert len(gateway.received) >= 3
    assert "***" in places["evidence.body"]  # the canaries were there
    hits = Found(places, secrets).hits()
    assert hits == [], "\n".join(hits)


def test_the_search_finds_what_is_hidden() -> None:
    hidden = {
        "a": r"4242\u0034\u0032\u0034\u0032-4242.4242",
        "b": "６０１１ １１１１ １１１１ １１１７",  # noqa: RUF001 - that is the question
        "c": "canary%2Dimp%2Dkey%2D51a7",
        "billing_keys.buyer_email": EMAIL,
        "inbox.payload": EMAIL,
    }
    hits = Found(hidden, tuple(SECRETS.values())).hits()
    assert sorted(hit.partition(":")[0] for hit in hits) == ["a", "b", "c", "inbox.payload"]


def _driven(stack: Stack, gateway: Leaky, database_url: str, words: str) -> Iterator[tuple[str, str]]:
    web_port, flower_port = str(free_port()), str(free_port())
    token = {"Authorization": f"Bearer {SECRETS['BILLING_API_TOKEN']}"}
    web = stack.program("web", "billing_worker", "web", "--port", web_port)
    worker = stack.worker(ready=False)
    stack.beat()
    flower_address = ("--address=127.0.0.1", f"--port={flower_port}")
    stack.start("flower", "flower", *flower_address, FLOWER_UNAUTHENTICATED_API="true")
    with httpx.Client(base_url=f"http://127.0.0.1:{web_port}", timeout=60, trust_env=False) as http:
        eventually(lambda: _answers(http, "/readyz"), "web", 60)
        _subscribed(http, token)
        yield "answers of the receiver", "".join(_hostile(http, words))
        yield "answers of the API", "".join(_wrong(http, token, words))
        eventually(lambda: len(_attempts(database_url)) >= len(KINDS), "every kind was charged", 60)
        eventually(lambda: _attempts(database_url).count("in_flight") == 0, "nothing is in flight", 60)
        worker.kill()  # a crash; what it had in hand is taken up by the next one
        stack.worker()
        eventually(lambda: len(gateway.received) >= 3, "events are delivered", 60)
        for path in ("/metrics", "/v1/alerts", "/v1/report", "/v1/invoices", "/v1/subscriptions", "/v1/stops"):
            yield path, http.get(path, headers=token).text
    yield "Flower", "".join(_flower(f"http://127.0.0.1:{flower_port}"))
    yield "commands", "".join(_commands(stack, words))
    assert web.stop() == 0


def _answers(http: httpx.Client, path: str) -> bool:
    try:
        return http.get(path).status_code == 200
    except httpx.HTTPError:
        return False


def _subscribed(http: httpx.Client, token: dict[str, str]) -> None:
    def create(path: str, **fields: Any) -> str:
        answer = http.post(f"/v1/{path}", json=fields, headers=token)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    plan = create("plans", name="Basic", amount=9900, currency="KRW", interval="month")
    for kind in KINDS:
        buyer = {"buyer_email": EMAIL, "buyer_tel": TELEPHONE}
        key = create("billing-keys", customer_uid=f"{kind}-canary", pg_provider="nice_v2", **buyer)
        create("subscriptions", plan_id=plan, billing_key_id=key, customer=f"customer {kind}")


def _hostile(http: httpx.Client, words: str) -> Iterator[str]:
    """Webhooks and pingbacks with all of it in every place."""
    hint = {"imp_uid": "imp_1", "merchant_uid": "order-1", "status": "paid"}
    header = {"X-Canary": quote(words), "User-Agent": SECRETS["BILLING_API_TOKEN"], "Cookie": f"card={CARDS[0]}"}
    extra = {"card_number": CARDS[0], "cvc": CVC, "note": words, "email": EMAIL}
    for fields in (hint | extra, hint | {"merchant_uid": words}, hint | {"imp_uid": CARDS[0][:3] + words}, {words: 1}):
        for where in ("/webhooks/portone", f"/iamport-callback/schedule?{urlencode({'q': words})}", f"/{quote(words)}"):
            yield http.post(where, json=fields, headers=header).text
            yield http.post(where, data={str(k): str(v) for k, v in fields.items()}, headers=header).text
    yield http.post("/webhooks/portone", content=f'{{"imp_uid": "{words}'.encode(), headers=header).text
    secret = SECRETS["BILLING_PAYMENTWALL_SECRET_KEY"]
    good = {"uid": "nobody-canary", "goodsid": "gold", "type": "2", "ref": "b1", "reason": "1", "sign_version": "3"}
    base = "".join(f"{name}={good[name]}" for name in sorted(good)) + secret
    sig = hashlib.sha256(base.encode()).hexdigest()
    for changed in ({}, {"uid": words}, {"sig": secret}, {words: words}, {"ref": EMAIL}, {"sign_version": words}):
        yield http.get(f"/webhooks/paymentwall?{urlencode(good | {'sig': sig} | changed)}", headers=header).text


def _wrong(http: httpx.Client, token: dict[str, str], words: str) -> Iterator[str]:
    """Requests that are refused, for what they hold or for who asks."""
    yield http.get("/v1/plans", headers={"Authorization": f"Bearer {SECRETS['BILLING_EVENTS_SECRET']}"}).text
    for fields in (
        {"customer_uid": CARDS[0], "pg_provider": "nice_v2"},
        {"customer_uid": words, "pg_provider": words},
        {"customer_uid": "x", "pg_provider": "nice_v2", "card_number": CARDS[1], "cvc": CVC},
        {"customer_uid": "x", "pg_provider": "nice_v2", "buyer_email": words},
        {words: words},
    ):
        yield http.post("/v1/billing-keys", json=fields, headers=token).text
    yield http.post("/v1/stops", json={"scope": words, "reason": words}, headers=token).text
    yield http.get(f"/v1/why/{quote(words, safe='')}", headers=token).text
    yield http.get("/v1/invoices", params={"subscription_id": words}, headers=token).text


def _attempts(database_url: str) -> list[str]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT status FROM payment_attempts")).scalars().all()
    engine.dispose()
    return list(rows)


def _flower(url: str) -> Iterator[str]:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        eventually(lambda: _answers(http, "/api/workers"), "Flower", 60)
        tasks = eventually(lambda: http.get("/api/tasks?limit=10000").json(), "Flower has seen tasks", 60)
        yield json.dumps(tasks, ensure_ascii=False)
        names = [f"/task/{ident}" for ident in list(tasks)[:20]]
        for path in ("/", "/tasks", "/broker", "/api/workers?refresh=1", "/api/queues/length", "/metrics", *names):
            yield http.get(path).text
        for worker in http.get("/api/workers").json():
            yield http.get(f"/worker/{worker}").text


def _commands(stack: Stack, words: str) -> Iterator[str]:
    """The output on a terminal, with right and with wrong settings."""
    wrong = "postgresql://billing:{}@127.0.0.1:9/none".format(quote(SECRETS["BILLING_API_TOKEN"]))

    def run(*words: str, **settings: str) -> Running:
        running = stack.program("command", "billing_worker", *words, **settings)
        running.wait()
        return running

    for running in (
        run("alert", "list"),
        run("invoice", "list", "--json"),
        run("doctor", "--json"),
        run("doctor", BILLING_DATABASE_URL=wrong),
        run("invoice", "list", BILLING_DATABASE_URL=wrong),
        run("invoice", "list", BILLING_BROKER_URL=f"amqp://{SECRETS['BILLING_API_TOKEN']}@host"),
        run("invoice", "list", BILLING_EVENTS_URL=f"no url {SECRETS['BILLING_API_TOKEN']}"),
    ):
        yield running.output
    assert words


def _seen_in_redis(broker: str) -> dict[str, str]:
    readers: dict[bytes, Callable[[redis.Redis, bytes], Any]] = {
        b"none": lambda *_: None,  # gone since it was listed
        b"string": lambda client, key: client.get(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
        b"hash": lambda client, key: client.hgetall(key),
    }
    with redis.Redis.from_url(broker) as client:
        values = [(key, readers[client.type(key)](client, key)) for key in client.scan_iter()]
        client.config_set("rdbcompression", "no")
        client.save()
        file = Path(client.config_get("dir")["dir"]) / client.config_get("dbfilename")["dbfilename"]
        return {"Redis": str(values), "Redis on disk": file.read_bytes().decode("utf-8", "replace")}


def _dumped(database_url: str) -> dict[str, str]:
    """Every column of every table as text."""
    engine, found = create_engine(database_url), {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for column in table.columns:
                query = text(f'SELECT "{column.name}"::text FROM {table.name}')  # noqa: S608 - names of ours
                found[f"{table.name}.{column.name}"] = "\n".join(str(v) for v in connection.execute(query).scalars())
    engine.dispose()
    return found
