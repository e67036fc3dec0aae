"""What the fuzzer starts from: answers of the sandbox, recorded once into corpus.json by `python -m tests.fuzz.corpus`.

All are about one order and one card, so that a changed answer can still be the right one.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest
from billing_worker.domain.schedule import ScheduleRequest
from billing_worker.sandbox.world.behaviours import BEHAVIOURS
from tests.support.sandbox import IMP_KEY, IMP_SECRET, running_sandbox

FILE = Path(__file__).with_name("corpus.json")
REQUEST = ChargeRequest("fuzzorder", "fuzzcard", Money(9900, "KRW"), "monthly", "nice_v2")
SCHEDULE = ScheduleRequest(REQUEST, datetime(2100, 1, 1, tzinfo=UTC))
LIKE_OK = ("webhook-", "racy", "serialised", "slow")
"""Behaviours whose answer is that of another one."""

Recorded = tuple[int, bytes]


def load() -> list[Recorded]:
    """The recorded answers: status and body."""
    return [(row["status"], row["body"].encode()) for row in json.loads(FILE.read_text(encoding="utf-8"))]


def main() -> None:
    """Record them again."""
    with running_sandbox() as sandbox, httpx.Client(base_url=sandbox.url, timeout=60, trust_env=False) as http:
        rows = [{"name": name, "status": status, "body": body} for name, status, body in _recorded(http)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _recorded(http: httpx.Client) -> Iterator[tuple[str, int, str]]:
    yield _told("wrong secret", http.post("/users/getToken", json={"imp_key": IMP_KEY, "imp_secret": "wrong"}))
    token = http.post("/users/getToken", json={"imp_key": IMP_KEY, "imp_secret": IMP_SECRET})
    yield _told("token", token)
    http.headers["Authorization"] = f"Bearer {token.json()['response']['access_token']}"
    for number, behaviour in enumerate(name for name in BEHAVIOURS if not name.startswith(LIKE_OK)):
        order, card = f"{REQUEST.merchant_uid}x{number}", f"{behaviour}-{REQUEST.customer_uid}x{number}"
        fields: dict[str, Any] = {"merchant_uid": order, "customer_uid": card, "amount": 9900, "name": "monthly"}
        try:
            answers = [("charge", http.post("/subscribe/payments/again", json=fields))]
        except httpx.TransportError:
            answers = []
        answers.append(("findAll", http.get(f"/payments/findAll/{order}")))
        if behaviour in ("ok", "refuse-buyer"):
            answers.append(("again", http.post("/subscribe/payments/again", json=fields)))
            answers.append(("key", http.get(f"/subscribe/customers/{card}")))
        for what, answer in answers:
            name, status, body = _told(f"{behaviour}, {what}", answer)
            yield name, status, body.replace(order, REQUEST.merchant_uid).replace(card, REQUEST.customer_uid)
    yield from _schedules(http)
    yield _told("no such payment", http.get("/payments/imp_000000000000"))
    yield _told("no such key", http.get("/subscribe/customers/nobody"))
    http.headers["Authorization"] = "Bearer no"
    yield _told("unauthorized", http.get("/payments/imp_000000000000"))


def _schedules(http: httpx.Client) -> Iterator[tuple[str, int, str]]:
    """Answers about one schedule, in every state, and lists of it."""
    path, at, order = "/subscribe/payments/schedule", int(SCHEDULE.at.timestamp()), REQUEST.merchant_uid
    item = {"merchant_uid": order, "schedule_at": at, "amount": 9900, "currency": "KRW", "name": "monthly"}
    card = f"ok-{REQUEST.customer_uid}"
    span = {"schedule_from": at, "schedule_to": at + 1}
    revoked = {"customer_uid": card, "merchant_uid": [order]}
    for name, answer in (
        ("no key", http.post(path, json={"customer_uid": "nobody", "schedules": [item]})),
        ("registered", http.post(path, json={"customer_uid": card, "schedules": [item]})),
        ("registered twice", http.post(path, json={"customer_uid": card, "schedules": [item]})),
        ("in the past", http.post(path, json={"customer_uid": card, "schedules": [item | {"schedule_at": 1}]})),
        ("read", http.get(f"{path}/{order}")),
        ("listed", http.get(path, params=span)),
        ("revoked", http.post("/subscribe/payments/unschedule", json=revoked)),
        ("revoked twice", http.post("/subscribe/payments/unschedule", json=revoked)),
        ("no such", http.get(f"{path}/nothing")),
    ):
        told, status, body = _told(f"schedule, {name}", answer)
        yield told, status, body.replace(card, REQUEST.customer_uid)


def _told(name: str, answer: httpx.Response) -> tuple[str, int, str]:
    return name, answer.status_code, answer.content.decode("utf-8", "replace")


if __name__ == "__main__":
    main()
