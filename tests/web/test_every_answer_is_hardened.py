"""Headers of every answer, also of those that are refused early; nothing of our inside shows."""

import httpx
import pytest
from web_calls import HINT, pingback
from web_helpers import Web

from tests.support.plain_http import WITHOUT_TLS

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
ASKED = [
    ("GET", "/", {}),
    ("GET", "/docs", {}),
    ("GET", "/docs/swagger-ui.css", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/healthz", {}),
    ("GET", "/nothing/here", {}),
    ("GET", "/docs/../etc/passwd", {}),
    ("TRACE", "/v1/plans", {}),
    ("PUT", "/webhooks/portone", {"json": HINT}),
    ("POST", "/webhooks/portone", {"json": HINT}),
    ("POST", "/webhooks/portone", {"content": b"{" * 100}),
    ("POST", "/webhooks/portone", {"content": b"x" * 9000}),
    ("POST", "/webhooks/portone", {"content": b"x", "headers": {"Content-Type": "text/xml"}}),
    ("GET", "/webhooks/paymentwall", {}),
    ("GET", f"/webhooks/paymentwall?{pingback()}", {}),
    ("GET", "/v1/plans/none", {}),
    ("POST", "/v1/plans", {"json": {"name": 1}}),
    ("GET", "/v1/plans", {"headers": {"X-Forwarded-For": "1.2.3.4"}}),
]


@pytest.mark.parametrize(("method", "path", "more"), ASKED)
def test_every_answer_has_the_headers_and_tells_nothing_of_our_inside(
    web: Web, method: str, path: str, more: dict
) -> None:
    with httpx.Client(base_url=web.url, verify=WITHOUT_TLS, timeout=60, trust_env=False) as http:
        answer = http.request(method, path, **more)
    assert answer.status_code < 500
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] in ("no-store", "public, max-age=86400")
    assert not {"server", "x-powered-by", "via"} & set(answer.headers)
    for inner in ("traceback", "site-packages", "uvicorn", "starlette", "sqlalchemy"):
        assert inner not in answer.text[:20_000].lower() or path.startswith(("/docs", "/openapi"))
