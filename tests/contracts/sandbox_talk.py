"""Every call of the sandbox, in every way that it can end: what was said is kept for the description to judge."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx

from billing_worker.sandbox.texts import CHANNELS
from billing_worker.sandbox.world.behaviours import BEHAVIOURS
from tests.support.plain_http import WITHOUT_TLS
from tests.support.portone_description import Said
from tests.support.portone_schemas import OPERATIONS
from tests.support.sandbox import IMP_KEY, IMP_SECRET, Sandbox

CARD = {"card_number": "4242-4242-4242-4242", "expiry": "2030-12"}
ENOUGH = 60.0
DAY = 86_400
SCHEDULE = "/subscribe/payments/schedule"
ENDPOINTS = {
    "read": ("GET", "/payments/imps_1"),
    "cancel": ("POST", "/payments/cancel"),
    "customers": ("GET", "/subscribe/customers/card"),
    "schedule": ("GET", f"{SCHEDULE}/s1"),
    "prepare": ("GET", "/payments/prepare/p1"),
    "token": ("POST", "/users/getToken"),
    "delivery": ("POST", "/paymentwall/delivery"),
    "onetime": ("POST", "/subscribe/payments/onetime"),
    "again": ("POST", "/subscribe/payments/again"),
}
"""One call behind each endpoint that a rule can name."""


class Talk:
    """A merchant who writes down all answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.said: list[Said] = []
        self.by_behaviour: dict[str, list[Said]] = {}
        self.http = httpx.Client(base_url=sandbox.url, verify=WITHOUT_TLS, timeout=60, trust_env=False)
        keys = {"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}
        self.http.headers["Authorization"] = self.ask("POST", "/users/getToken", json=keys)["access_token"]
        self._numbers = count(1)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """One call; its `response`, or None if there was no answer that has one."""
        try:
            answer = self.http.request(method, path, **more)
        except httpx.TransportError:
            return None
        self.said.append(Said(method, path.partition("?")[0], answer.status_code, answer.content))
        try:
            return answer.json()["response"]
        except ValueError:
            return None

    def charge(self, customer_uid: str, **more: Any) -> Any:
        """One `again` under a new merchant_uid, unless one is given."""
        body = {"customer_uid": customer_uid, "merchant_uid": f"m{next(self._numbers)}", "amount": 8900, "name": "구독"}
        return self.ask("POST", "/subscribe/payments/again", json=body | more)

    def now(self) -> int:
        return int(self.sandbox.http.get("/_sandbox").json()["now"])

    def eventually(self, probe: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + ENOUGH
        while not (found := probe()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found


def everything(talk: Talk) -> None:
    """All of it, in this order: the later ones leave rules and outages behind."""
    for part in (accounts, keys, charges, reads, prepared, refunds, schedules, moved_schedules, refused_everywhere):
        part(talk)


def accounts(talk: Talk) -> None:
    talk.ask("POST", "/users/getToken", data={"imp_key": IMP_KEY, "imp_secret": IMP_SECRET})
    talk.ask("POST", "/users/getToken", json={"imp_key": IMP_KEY, "imp_secret": "wrong"})
    talk.ask("POST", "/users/getToken")
    talk.ask("POST", "/users/getToken", content=b"{")
    talk.ask("GET", "/users/pg")
    talk.sandbox.control("/paymentwall/issue", customer_uid="pw-a", merchant_uid="pw1", amount=9, confirm_after=0)
    paid = talk.ask("GET", "/payments/find/pw1")
    goods = {"imp_uid": paid["imp_uid"], "merchant_uid": "pw1", "type": "digital", "status": "delivered"}
    for body in (goods, goods | {"imp_uid": "imp_0"}, {}):
        talk.ask("POST", "/paymentwall/delivery", json=body)


def keys(talk: Talk) -> None:
    buyer = {"customer_name": "김", "customer_tel": "010-1234-5678", "customer_email": "kim@example.com"}
    for uid, body in (("card", CARD), ("other", CARD | buyer | {"customer_id": "c1"}), ("card", CARD), ("none", {})):
        talk.ask("POST", f"/subscribe/customers/{uid}", json=body)
    talk.ask("POST", "/subscribe/customers/bad", json=CARD | {"card_number": "4000-0000-0000-0000"})
    for uids in (["card", "other"], ["card", "none"], ["none"]):
        talk.ask("GET", "/subscribe/customers", params={"customer_uid[]": uids})
    for method, uid in (("GET", "card"), ("GET", "none"), ("DELETE", "other"), ("DELETE", "none")):
        talk.ask(method, f"/subscribe/customers/{uid}")


def charges(talk: Talk) -> None:
    once = CARD | {"amount": 1000, "name": "한 번"}
    talk.ask("POST", "/subscribe/payments/onetime", json=once | {"merchant_uid": "once-1"})
    talk.ask("POST", "/subscribe/payments/onetime", json=once | {"merchant_uid": "once-2", "customer_uid": "card"})
    talk.ask("POST", "/subscribe/payments/onetime", json=once | {"merchant_uid": "once-1"})
    talk.ask("POST", "/subscribe/payments/onetime", json=once)
    bad = {"card_number": "4000-0000-0000-0000", "merchant_uid": "once-3"}
    talk.ask("POST", "/subscribe/payments/onetime", json=once | bad)
    talk.charge("card", merchant_uid="again-1", custom_data="x", buyer_name="홍길동", card_quota=3)
    talk.charge("card", merchant_uid="again-1")
    talk.charge("card", merchant_uid="x" * 41)
    talk.charge("card", amount=19.99, currency="USD")
    talk.charge("nobody")
    talk.charge("card", amount={"total": 8900})
    talk.charge("card", merchant_uid="")
    for channel in CHANNELS:
        talk.charge(f"{channel}-ok-kim")
        talk.charge(f"{channel}-decline-limit-kim")
        talk.charge(f"{channel}-decline-stolen-kim")


def behaviours(talk: Talk) -> None:
    """Each behaviour at `again` and `onetime`, and each fault at every endpoint."""
    for name in BEHAVIOURS:
        before = len(talk.said)
        talk.charge(f"{name}-kim", merchant_uid=f"b-{name}"[:40])
        talk.sandbox.rule(name, endpoint="onetime")
        talk.ask("POST", "/subscribe/payments/onetime", json=CARD | {"merchant_uid": f"o-{name}"[:40], "amount": 9})
        for endpoint, (method, path) in ENDPOINTS.items():
            talk.sandbox.rule(name, endpoint=endpoint)
            talk.ask(method, path, json={} if method == "POST" else None)
            talk.sandbox.forget_rules()
        talk.by_behaviour[name] = talk.said[before:]
    with talk.sandbox.outage("error503"):
        talk.charge("card")
    talk.eventually(lambda: not talk.ask("GET", "/payments/status/ready")["total"])


def reads(talk: Talk) -> None:
    imp_uid = talk.charge("card", merchant_uid="r1")["imp_uid"]
    talk.charge("decline-limit-2x-kim", merchant_uid="r2")
    talk.charge("decline-limit-2x-kim", merchant_uid="r2")
    for ids in ([imp_uid], [imp_uid, "imp_0"], ["imp_0"]):
        talk.ask("GET", "/payments", params={"imp_uid[]": ids})
    talk.ask("GET", "/payments", params={"merchant_uid[]": ["r1"]})
    for path in (f"/{imp_uid}", "/imp_0", f"/{imp_uid}/balance", "/imp_0/balance", f"/{imp_uid}?include_sandbox=true"):
        talk.ask("GET", f"/payments{path}")
    for find in ("find", "findAll"):
        for rest in ("r1", "r2/failed", "r2/", "r2/bad", "r1/failed", "none", "r2?limit=1&page=2", "r2?page=9"):
            talk.ask("GET", f"/payments/{find}/{rest}")
    for rest in (
        "all",
        "paid",
        "failed?limit=1",
        "cancelled",
        "ready",
        "bad",
        "all?from=1&to=9999999",
        "all?page=99",
    ):
        talk.ask("GET", f"/payments/status/{rest}")
    for uid in ("card", "none", "card?page=9"):
        path, _, query = uid.partition("?")
        talk.ask("GET", f"/subscribe/customers/{path}/payments?{query}")


def prepared(talk: Talk) -> None:
    for method, uid in (("POST", "p1"), ("POST", "p1"), ("PUT", "p1"), ("PUT", "p2"), ("POST", "")):
        talk.ask(method, "/payments/prepare", json={"merchant_uid": uid, "amount": 100})
    talk.ask("GET", "/payments/prepare/p1")
    talk.ask("GET", "/payments/prepare/p2")


def refunds(talk: Talk) -> None:
    imp_uid = talk.charge("card", merchant_uid="c1")["imp_uid"]
    one = {"imp_uid": imp_uid}
    part = {"amount": 900, "checksum": 8900, "reason": "하루"}
    for body in (one | part, one | part, one, one, {"merchant_uid": "none"}, {}):
        talk.ask("POST", "/payments/cancel", json=body)
    talk.ask("GET", "/payments/find/c1")
    talk.ask("GET", f"/payments/{imp_uid}/balance")


def schedules(talk: Talk) -> None:
    def item(merchant_uid: str, after: int = 3600) -> dict[str, Any]:
        return {"merchant_uid": merchant_uid, "schedule_at": talk.now() + after, "amount": 100, "name": "구독"}

    def register(uid: str, *items: dict[str, Any], **more: Any) -> Any:
        return talk.ask("POST", SCHEDULE, json={"customer_uid": uid, "schedules": list(items)} | more)

    register("ok-a", item("s1"), item("s2"), item("s3") | {"buyer_name": "홍길동", "custom_data": "x"})
    register("ok-a", item("s1"))
    register("nobody", item("s9"))
    register("new-one", item("s4"), **CARD)
    register("ok-a", item("s9", after=-9))
    register("ok-a")
    ends = ("ok", "decline-limit", "status-pending", "status-ready", "status-unknown")
    for uid in ends:
        talk.eventually(lambda uid=uid: register(f"{uid}-b", item(f"run-{uid}", after=1)))
    for uid in ends:
        talk.eventually(lambda uid=uid: talk.ask("GET", f"{SCHEDULE}/run-{uid}")["payment_status"])
    for uids in ({"merchant_uid": ["s1"]}, {"customer_uid": "ok-a", "merchant_uid": "s2"}, {"customer_uid": "none"}):
        talk.ask("POST", "/subscribe/payments/unschedule", json=uids)
    span = {"from": talk.now() - DAY, "to": talk.now() + DAY}
    whole = {f"schedule_{name}": value for name, value in span.items()}
    talk.ask("GET", SCHEDULE, params=whole)
    talk.ask("GET", SCHEDULE, params=whole | {"limit": 1, "page": 2})
    talk.ask("GET", SCHEDULE)
    for path in (f"{SCHEDULE}/customers/ok-a", "/subscribe/customers/ok-a/schedules"):
        talk.ask("GET", path, params=span | {"schedule-status": "revoked"})
        talk.ask("GET", path)


def moved_schedules(talk: Talk) -> None:
    later = {"schedule_at": talk.now() + 7200}
    for uid, body in (("s3", later), ("s3", {}), ("s1", later), ("none", later)):
        talk.ask("PUT", f"{SCHEDULE}/{uid}", json=body)
    for uid, body in (("s1", later), ("run-decline-limit", later), ("run-ok", later), ("none", later)):
        talk.ask("POST", f"{SCHEDULE}/{uid}/reschedule", json=body)
    for uid in ("s2", "s3", "run-ok", "none"):
        talk.ask("POST", f"{SCHEDULE}/{uid}/retry")
    for uid in ("s1", "none"):
        talk.ask("GET", f"{SCHEDULE}/{uid}")


def refused_everywhere(talk: Talk) -> None:
    """Every call with a token that is none, and with a body that is none."""
    for name in OPERATIONS:
        method, path = name.split(" ")
        path = quote(path.replace("{", "").replace("}", ""))
        talk.ask(method, path, headers={"Authorization": "no-token"})
        if method in ("POST", "PUT"):
            talk.ask(method, path, content=b"{no json")
