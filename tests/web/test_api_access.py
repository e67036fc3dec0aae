"""Who is served: the holder of a token, on every interface, and what its scope covers."""

from collections.abc import Callable

import httpx
import pytest
from web_calls import HINT, PLAN, SECRET, TOKEN, asked_from, assert_problem, eventually, pingback
from web_helpers import Web, settings

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.web.security import Access
from billing_worker.web.sources import Sources
from tests.support.plain_http import WITHOUT_TLS

GUARDED = ("/v1/plans", "/%761/plans", "/v1/report", "/v1/why/sub_1", "/v1/nothing", "/v1", "/metrics")
OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def bearer_of(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


NOBODY = {"Authorization": ""}
"""No token."""


def test_every_guarded_address_wants_the_token(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    for path in GUARDED:
        answer = web.api.get(path, headers=NOBODY)
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert web.api.get(path, headers=bearer(TOKEN)).status_code != 401
    assert web.api.get("/v1/plans", headers=bearer(TOKEN)).status_code == 200
    assert web.api.get("/v1/plans", headers={"Authorization": f"bearer  {TOKEN}"}).status_code == 200


def test_whatever_is_not_exactly_the_token_is_refused_and_changes_nothing(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    wrong = [
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN} x",
    ]
    for value in wrong:
        assert_problem(web.api.post("/v1/plans", json=PLAN, headers={"Authorization": value}), 401)
    raw = {b"Authorization": "Bearer 토큰\xff".encode("utf-8", "surrogateescape")}
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers=raw), 401)
    twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers=twice), 401)
    assert_problem(web.api.post(f"/v1/plans?token={TOKEN}", json=PLAN, headers=NOBODY), 401)
    assert web.count("plans") == 0


def test_an_unread_body_does_not_confuse_the_next_request_on_the_line(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    for _ in range(3):
        assert_problem(web.api.post("/v1/plans", json=PLAN, headers=bearer("x")), 401)
        assert web.api.get("/v1/plans", headers=bearer(TOKEN)).json()["data"] == []


def test_the_receiver_and_the_health_checks_need_no_token(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    for path in OPEN:
        assert web.api.get(path).status_code == 200
    assert web.api.post("/webhooks/portone", json=HINT).status_code == 200
    assert web.api.get(f"/webhooks/paymentwall?{pingback()}").content == b"OK"
    assert asked_from(web.app, "203.0.113.9", "GET", "/healthz") == 200


def test_with_a_token_the_api_is_served_to_any_address_and_through_proxies(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    names = {"authorization": f"Bearer {TOKEN}", "x_forwarded_for": "203.0.113.9", "origin": "https://admin.example"}
    assert asked_from(web.app, "203.0.113.9", "GET", "/v1/plans", **names) == 200
    assert asked_from(web.app, "203.0.113.9", "GET", "/v1/plans") == 401


def test_without_the_token_no_client_is_served_from_any_address(web: Web) -> None:
    for path in GUARDED:
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "203.0.113.9", "2001:db8::1"):
            assert asked_from(web.app, peer, "GET", path) == 401
            assert asked_from(web.app, peer, "POST", path, x_forwarded_for="127.0.0.1") == 401
    assert asked_from(web.app, "203.0.113.9", "GET", "/v1/plans", **bearer_of(TOKEN)) == 200


def test_no_answer_lets_another_site_read_it(web: Web) -> None:
    names = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (web.api.options("/v1/plans", headers=names), web.api.get("/healthz", headers=names)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_token_is_refused_at_start(web: Web, empty: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: is empty"):
        Access(web.ports, settings(api_token=empty))


def test_a_token_that_was_read_from_a_file_with_a_line_break_still_lets_its_holder_in(
    web_with: Callable[..., Web],
) -> None:
    web = web_with(api_token=f"{TOKEN}\n")
    assert web.api.get("/v1/plans", headers=bearer(TOKEN)).status_code == 200
    assert_problem(web.api.get("/v1/plans", headers=NOBODY), 401)


@pytest.mark.parametrize("wrong", ["52.78.100", "example.com", "10.0.0.1/8", "52.78.100.19;10.0.0.1"])
def test_a_source_that_is_no_address_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_WEBHOOK_ALLOWED_IPS: "):
        Sources.of(settings(webhook_allowed_ips=wrong))


def test_no_secret_shows_in_what_the_application_says_about_itself(web: Web) -> None:
    access = Access(web.ports, settings(api_token=TOKEN))
    assert TOKEN not in repr(access)
    assert SECRET not in repr(settings(api_token=TOKEN))


def test_many_wrong_tokens_at_once_leave_the_service_answering(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    with httpx.Client(base_url=web.url, verify=WITHOUT_TLS, trust_env=False) as http:
        assert {http.get("/v1/plans", headers=bearer(str(n))).status_code for n in range(200)} == {401}
    eventually(lambda: web.api.get("/healthz").status_code == 200)
