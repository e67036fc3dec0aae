"""What PortOne would say, and a gateway that talks to a scripted server."""

import json
from typing import Any

from scripted_server import Script, ScriptedServer, Seen, Wire

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Evidence

IMP_KEY = "1234-imp-key"
IMP_SECRET = "5678-imp-secret"
TOKEN = "a" * 40
UNAUTHORIZED = {"code": -1, "message": "Unauthorized", "response": None}
NO_PAYMENT = {"code": 1, "message": "존재하지 않는 결제정보입니다.", "response": None}
AGAIN = "/subscribe/payments/again"

REQUEST = ChargeRequest(
    merchant_uid="test1sub1p1g1",
    customer_uid="card_1",
    money=Money(9900, "KRW"),
    name="월간 구독",
    pg_provider="nice_v2",
)


def payment(**changes: Any) -> dict[str, Any]:
    """A payment as PortOne shows it after REQUEST was approved."""
    row = {
        "imp_uid": "imps_123456789012",
        "merchant_uid": REQUEST.merchant_uid,
        "customer_uid": REQUEST.customer_uid,
        "amount": 9900,
        "cancel_amount": 0,
        "currency": "KRW",
        "status": "paid",
        "sandbox": False,
        "pg_provider": "nice_v2",
        "fail_reason": None,
        "started_at": 1735689600,
        "paid_at": 1735689601,
        "failed_at": 0,
    }
    return row | changes


def envelope(response: Any, code: Any = 0, message: Any = None) -> dict[str, Any]:
    return {"code": code, "message": message, "response": response}


def body(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def keep(raw: bytes) -> Evidence:
    return Evidence("portone", "a test", 200, raw.decode("utf-8", "replace"))


def token_answer(value: str = TOKEN, life: int = 1800, now: int = 1_500_000_000) -> dict[str, Any]:
    return envelope({"access_token": value, "now": now, "expired_at": now + life})


def with_token(script: Script) -> Script:
    """The script, with getToken answered as always."""

    def both(seen: Seen, wire: Wire) -> None:
        if seen.path == "/users/getToken":
            wire.answer(200, token_answer())
        else:
            script(seen, wire)

    return both


def always(status: int, document: Any, *headers: str) -> Script:
    return with_token(lambda _, wire: wire.answer(status, document, *headers))


def gateway_to(server: ScriptedServer, **options: Any) -> PortOneGateway:
    return PortOneGateway(server.url, IMP_KEY, IMP_SECRET, **({"total_deadline": 60.0} | options))
