"""A gateway that puts everything that must not be kept into every answer it gives."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 4.0
"""Longer than the deadline of a charge in tests with real processes."""


@dataclass
class Leaky:
    """What it says and what it was asked."""

    words: str
    """All canaries in one text."""
    token: str
    url: str = ""
    asked: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    """Bodies that came to /events: what the merchant is told."""
    paid: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, path: str, raw: bytes) -> tuple[int, bytes]:  # noqa: PLR0911 - one a path
        """Status and body for a call."""
        self.asked.append(path)
        if path.startswith("/events"):
            self.received.append(raw.decode())
            return 200, b"{}"
        if path.startswith("/users/getToken"):
            now = int(time.time())
            return 200, self._told({"access_token": self.token, "now": now, "expired_at": now + 1800})
        if path.startswith("/subscribe/payments/again"):
            return self._charged(json.loads(raw))
        if path.startswith("/subscribe/payments/onetime"):
            return self._charged({"customer_uid": ""} | json.loads(raw))
        if path.startswith("/subscribe/customers/"):
            customer_uid = path.split("/")[3]
            return self._issued(customer_uid, json.loads(raw)) if raw else self._stored(customer_uid)
        if path.startswith("/payments/status/all"):
            return 200, self._told(
                {"total": len(self.paid), "previous": 0, "next": 0, "list": list(self.paid.values())}
            )
        found = [row for row in self.paid.values() if row["merchant_uid"] in path or row["imp_uid"] in path]
        if not found:
            return 404, self._told(None, code=1)
        rows = {"total": len(found), "previous": 0, "next": 0, "list": found}
        return 200, self._told(rows if "findAll" in path else found[0])

    def _charged(self, fields: dict[str, Any]) -> tuple[int, bytes]:  # noqa: PLR0911 - one a kind
        row = self._row(fields)
        match fields["customer_uid"].partition("-")[0]:
            case "ok":
                self.paid[row["merchant_uid"]] = row
                return 200, self._told(row)
            case "decline":
                return 200, self._told(row | {"status": "failed", "fail_reason": f"한도초과 {self.words}"})
            case "refuse":
                return 200, self._told(None, code=-1)
            case "html":
                return 502, f"<html>{self.words}</html>".encode()
            case "garbage":
                escaped = "".join(f"\\u{ord(char):04x}" for char in self.words)
                return 200, f'{{"code":0,"message":"{escaped}","response":{{"status":"{self.words[:200]}'.encode()
            case "unauthorized":
                return 401, self._told(None, code=-1)
        time.sleep(HANG_SECONDS)
        return 500, self.words.encode()

    def _issued(self, customer_uid: str, fields: dict[str, Any]) -> tuple[int, bytes]:
        kind = customer_uid.partition("-")[0]
        if kind == "ok":
            row = fields | {"customer_uid": customer_uid, "card_name": self.words, "card_code": self.words}
            return 200, self._told(row)
        if kind == "decline":
            self.words = f"카드정보 인증 및 빌키 발급에 실패하였습니다. [F113] {self.words}"
            return 200, self._told(None, code=-1)
        return self._charged(fields | {"customer_uid": customer_uid, "merchant_uid": "none"})

    def _stored(self, customer_uid: str) -> tuple[int, bytes]:
        if not customer_uid.endswith("-canary"):
            return 404, self._told(None, code=1)
        return 200, self._told({"customer_uid": customer_uid, "pg_provider": "nice_v2", "card_name": self.words})

    def _row(self, fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {
            "imp_uid": f"imps_{len(self.asked):012d}",
            "status": "paid",
            "cancel_amount": 0,
            "pg_provider": "nice_v2",
            "card_number": self.words,
            "card_name": self.words,
            "receipt_url": f"https://pg.example/?{self.words}",
            "fail_reason": None,
            "started_at": int(time.time()),
            "paid_at": int(time.time()),
            "failed_at": 0,
        }

    def _told(self, response: Any, code: int = 0) -> bytes:
        return json.dumps({"code": code, "message": self.words, "response": response}, ensure_ascii=False).encode()


@contextmanager
def leaking(words: str, token: str) -> Iterator[Leaky]:
    """A leaky gateway on a free port."""
    leaky = Leaky(words, token)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = leaky.answer(self.path, raw)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - its base's name

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        leaky.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield leaky
        finally:
            server.shutdown()
            thread.join()


def spelt(canaries: Sequence[str]) -> str:
    """All of them in one text, each by itself."""
    return " | ".join(canaries)
