"""What the sandbox tests share: a merchant's client, a webhook receiver, a process, and waiting with a deadline."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.support.plain_http import WITHOUT_TLS
from tests.support.portone_description import Said, complaints_about

DEADLINE = 60.0
PAYMENTWALL_BUYER = {"buyer_email": "kim@example.com", "buyer_name": "Gildong Hong", "browser_ip": "203.0.113.9"}


def eventually(probe: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """Return the first true answer of a probe; fail after the deadline."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if answer := probe():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {deadline} seconds")


def described(answer: httpx.Response) -> None:
    """Whatever a sandbox answers in these tests, PortOne's description has no complaint, but for what is known."""
    path = answer.request.url.path
    if path.startswith("/_sandbox"):
        return
    said = Said(answer.request.method, path, answer.status_code, answer.read())
    found = [one for one in complaints_about(said) if not one.endswith(("not JSON", "is not described"))]
    assert not found, found


@dataclass
class Caller:
    """A merchant's HTTP client, with a token."""

    url: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, verify=WITHOUT_TLS, timeout=60, trust_env=False)
        self.http.headers["Authorization"] = self.token()["access_token"]
        self.http.event_hooks = {"response": [described]}

    def token(self) -> dict[str, Any]:
        keys = {"imp_key": "imp_key_sandbox", "imp_secret": "imp_secret_sandbox"}
        return self.http.post("/users/getToken", json=keys).json()["response"]

    def again(self, customer_uid: str, merchant_uid: str, **fields: Any) -> httpx.Response:
        body = {"customer_uid": customer_uid, "merchant_uid": merchant_uid, "amount": 8900, "name": "plan"} | fields
        return self.http.post("/subscribe/payments/again", json=body)

    def paid(self, customer_uid: str, merchant_uid: str, **fields: Any) -> dict[str, Any]:
        answer = self.again(customer_uid, merchant_uid, **fields).json()
        assert answer["code"] == 0, answer
        assert answer["response"]["status"] == "paid"
        return answer["response"]

    def refused(self, answer: httpx.Response, http: int = 200) -> dict[str, Any]:
        body = answer.json()
        assert answer.status_code == http, body
        assert body["code"] != 0
        assert body["response"] is None
        return body

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(path, params=query).json()["response"]

    def control(self, path: str, **fields: Any) -> Any:
        answer = self.http.post(f"/_sandbox{path}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ledger(self, **query: Any) -> list[dict[str, Any]]:
        return self.http.get("/_sandbox/ledger", params=query).json()["list"]

    def summary(self) -> dict[str, Any]:
        return self.http.get("/_sandbox/ledger/summary").json()


@dataclass
class Received:
    """One request that the sandbox sent."""

    method: str
    path: str
    content_type: str
    body: str
    at: float

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))


@dataclass
class Receiver:
    """A merchant's webhook endpoint; `answers` are used up one by one, then it is 200 OK."""

    url: str
    got: list[Received] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def wait(self, count: int) -> list[Received]:
        eventually(lambda: len(self.got) >= count)
        return self.got


@dataclass
class Process:
    """A sandbox in a process of its own."""

    popen: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(DEADLINE)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(DEADLINE)
