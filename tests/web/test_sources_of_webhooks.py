"""Who may send webhooks where addresses are listed: the peer, or whom a trusted proxy names."""

from collections.abc import Callable

import pytest
from web_calls import HINT, asked_from, assert_problem
from web_helpers import Web, settings

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.web.server import server_for
from billing_worker.web.sources import LONGEST_CHAIN, Sources

PATHS = ("/webhooks/portone", "/iamport-callback/schedule")
PORTONE, STRANGER, PROXY, OUTER = "52.78.100.19", "203.0.113.9", "10.0.0.5", "10.1.7.7"
SIX = "2001:db8:7::1"


def sources(allowed: str = f"{PORTONE}, 52.78.48.0/24, {SIX}", proxies: str = f"{PROXY}, 10.1.0.0/16, ::1") -> Sources:
    return Sources.of(settings(webhook_allowed_ips=allowed, trusted_proxies=proxies))


def asked(peer: str | None, *headers: str) -> dict[str, object]:
    """A request from this peer with these X-Forwarded-For headers."""
    sent = [(b"x-forwarded-for", text.encode("latin-1")) for text in headers]
    return {"type": "http", "client": None if peer is None else (peer, 4000), "headers": sent}


@pytest.mark.fm("E26")
def test_only_named_addresses_may_send_where_some_are_named(web_with: Callable[..., Web]) -> None:
    stranger = web_with(webhook_allowed_ips=f"{PORTONE}, 52.78.48.0/24", trusted_proxies="none")
    for path in PATHS:
        assert_problem(stranger.api.post(path, json=HINT), 403)
        assert_problem(stranger.api.post(path, json=HINT, headers={"X-Forwarded-For": PORTONE}), 403)
        assert asked_from(stranger.app, "52.78.48.223", "POST", path) == 415
        assert asked_from(stranger.app, f"::ffff:{PORTONE}", "POST", path) == 415
        assert asked_from(stranger.app, "52.78.5.241", "POST", path) == 403
    assert stranger.count("inbox") == 0
    friend = web_with(webhook_allowed_ips="127.0.0.1", trusted_proxies="none")
    assert friend.api.post(PATHS[0], json=HINT).status_code == 200


@pytest.mark.fm("E26")
def test_behind_a_trusted_proxy_its_header_decides(web_with: Callable[..., Web]) -> None:
    web = web_with(webhook_allowed_ips=PORTONE, trusted_proxies="127.0.0.0/8")
    assert web.api.post(PATHS[0], json=HINT, headers={"X-Forwarded-For": PORTONE}).status_code == 200
    for claimed in (STRANGER, f"{PORTONE}, {STRANGER}", "unknown", ""):
        assert_problem(web.api.post(PATHS[0], json=HINT, headers={"X-Forwarded-For": claimed}), 403)
    assert_problem(web.api.post(PATHS[0], json=HINT), 403)
    assert web.rows("SELECT deliveries FROM inbox") == [{"deliveries": 1}]


@pytest.mark.fm("E26")
@pytest.mark.parametrize(
    "headers",
    [
        [PORTONE],
        [f"{STRANGER}, {PORTONE}"],
        [f"unknown, <script>, 999.1.1.1, {PORTONE}"],
        [f"{PORTONE}, {OUTER}"],
        [PORTONE, OUTER],
        [f"{PORTONE}:4711"],
        [f"{PORTONE}:4711 , {OUTER}:80"],
        [f"::ffff:{PORTONE}"],
        [f"[::ffff:{PORTONE}]:443"],
        [SIX],
        [f"[{SIX}]"],
        [f"[{SIX}]:443, ::1"],
        ["2001:0DB8:7:0::1"],
        [f"{STRANGER}," * 200 + PORTONE],
    ],
)
def test_the_rightmost_address_that_is_no_proxy_of_ours_is_the_sender(headers: list[str]) -> None:
    assert sources().allow(asked(PROXY, *headers))
    assert sources().allow(asked(f"::ffff:{PROXY}", *headers))
    assert not sources(proxies="none").allow(asked(PROXY, *headers)), "without a trusted proxy no header is read"
    assert not sources().allow(asked(STRANGER, *headers)), "a stranger's header is not read"


@pytest.mark.fm("E26")
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [","],
        [f"{PORTONE},"],
        ["unknown"],
        [f"{PORTONE}, unknown"],
        [f"{PORTONE}, _hidden"],
        [f"{PORTONE}, {STRANGER}"],
        [PORTONE, STRANGER],
        [f"{PORTONE}, {STRANGER}, {OUTER}"],
        [f"{PORTONE};{OUTER}"],
        [f"{PORTONE}, 52.78.100.019"],
        [f"{PORTONE}:port"],
        [f"{PORTONE}:"],
        [f"[{PORTONE}"],
        [f"{SIX}:443:extra"],
        [f"for={PORTONE}"],
        [f"{PORTONE}\x00"],
        ["\u00b2.78.100.19"],
        [OUTER],
        [f"{PORTONE}," + f"{OUTER}," * LONGEST_CHAIN + OUTER],
    ],
)
def test_a_header_that_names_no_proxy_or_a_foreign_one_is_refused(headers: list[str]) -> None:
    assert not sources().allow(asked(PROXY, *headers))


@pytest.mark.fm("E26")
def test_a_listed_sender_that_passes_no_proxy_is_let_in_and_a_connection_without_an_address_is_not() -> None:
    assert sources().allow(asked(PORTONE, STRANGER))
    assert not sources().allow(asked(None, PORTONE))
    assert sources(allowed="", proxies="").allow(asked(None))


@pytest.mark.fm("E26")
def test_a_list_needs_a_word_about_proxies_and_the_error_tells_both_ways_out() -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_TRUSTED_PROXIES: .*BILLING_WEBHOOK_ALLOWED_IPS.*'none'"):
        sources(proxies="")
    for wrong in ("proxy.example.com", "10.0.0.5/8", "none,10.0.0.5"):
        with pytest.raises(SettingsInvalid, match=r"^BILLING_TRUSTED_PROXIES: "):
            sources(proxies=wrong)
    assert sources(allowed=f"::ffff:{PORTONE}/128").allow(asked(PORTONE))


@pytest.mark.fm("E26")
def test_the_server_itself_believes_no_header(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert not server_for(web.app).config.proxy_headers
