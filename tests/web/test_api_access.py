"""Who is served: the holder of the token, or, where none is set, a program on this machine that means it."""

from collections.abc import Callable

import httpx
import pytest
from web_calls import HINT, PLAN, SECRET, TOKEN, asked_from, assert_problem, eventually, pingback
from web_helpers import Web, settings

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.web.security import Access
from billing_worker.web.sources import Sources

GUARDED = ("/v1/plans", "/%761/plans", "/v1/report", "/v1/why/sub_1", "/v1/nothing", "/v1", "/metrics")
OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_guarded_address_wants_the_token(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    for path in GUARDED:
        answer = web.api.get(path)
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
    assert_problem(web.api.post(f"/v1/plans?token={TOKEN}", json=PLAN), 401)
    assert web.count("plans") == 0


def test_an_unread_body_does_not_confuse_the_next_request_on_the_line(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    for _ in range(3):
        assert_problem(web.api.post("/v1/plans", json=PLAN), 401)
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


def test_without_a_token_only_this_machine_is_served(web: Web) -> None:
    assert web.api.get("/v1/plans").status_code == 200
    for path in GUARDED:
        assert asked_from(web.app, "203.0.113.9", "GET", path) == 403
        assert asked_from(web.app, "::ffff:10.0.0.7", "GET", path) == 403
        assert asked_from(web.app, "2001:db8::1", "GET", path) == 403
    for here in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert asked_from(web.app, here, "GET", "/v1/plans") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": "0.0.0.0"},  # noqa: S104 - some browsers take it for this machine
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_without_a_token_no_other_web_site_and_no_proxy_is_served(web: Web, headers: dict[str, str]) -> None:
    answer = web.api.post("/v1/plans", json=PLAN, headers=headers)
    assert "BILLING_API_TOKEN" in assert_problem(answer, 403)
    assert web.count("plans") == 0


def test_without_a_token_our_own_docs_page_and_programs_are_served(web: Web) -> None:
    port = web.url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", f"[::1]:{port}", "LOCALHOST"):
        names = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert web.api.get("/v1/plans", headers=names).status_code == 200
    assert web.api.get("/v1/plans", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_no_answer_lets_another_site_read_it(web: Web) -> None:
    names = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (web.api.options("/v1/plans", headers=names), web.api.get("/healthz", headers=names)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_token_is_refused_at_start(empty: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: is empty"):
        Access.of(settings(api_token=empty))


def test_a_token_that_was_read_from_a_file_with_a_line_break_still_lets_its_holder_in(
    web_with: Callable[..., Web],
) -> None:
    web = web_with(api_token=f"{TOKEN}\n")
    assert web.api.get("/v1/plans", headers=bearer(TOKEN)).status_code == 200
    assert_problem(web.api.get("/v1/plans"), 401)


@pytest.mark.parametrize("wrong", ["52.78.100", "example.com", "10.0.0.1/8", "52.78.100.19;10.0.0.1"])
def test_a_source_that_is_no_address_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_WEBHOOK_ALLOWED_IPS: "):
        Sources.of(settings(webhook_allowed_ips=wrong))


def test_no_secret_shows_in_what_the_application_says_about_itself() -> None:
    access = Access.of(settings(api_token=TOKEN))
    assert TOKEN not in repr(access)
    assert SECRET not in repr(settings(api_token=TOKEN))


def test_many_wrong_tokens_at_once_leave_the_service_answering(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    with httpx.Client(base_url=web.url, trust_env=False) as http:
        assert {http.get("/v1/plans", headers=bearer(str(n))).status_code for n in range(200)} == {401}
    eventually(lambda: web.api.get("/healthz").status_code == 200)
