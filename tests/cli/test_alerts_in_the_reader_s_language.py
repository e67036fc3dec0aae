"""One alert, shown as the setting says: English, or Korean."""

import pytest
from cli_helpers import Command

from billing_worker.domain.alerts import AlertKind
from tests.support.world import World


@pytest.fixture
def opened(world: World) -> World:
    with world.ports.database.transaction() as uow:
        facts = {"registered": "g***@example.com", "issued": "h***@example.com"}
        uow.alerts.open(AlertKind.KEY_EMAIL, "key_1", facts, world.clock.moment())
        uow.commit()
    return world


def number(billing: Command) -> str:
    (listed,) = billing("alert", "list", "--json").json
    return str(listed["id"])


def test_an_alert_is_shown_with_its_ways_out_in_english(billing: Command, opened: World) -> None:
    assert opened
    out = billing("alert", "show", number(billing)).out
    assert "Billing key with another e-mail" in out
    assert "- set the e-mail of the issuing payment: billing-worker key set-email key_1 --email ADDRESS" in out
    (listed,) = billing("alert", "list", "--json").json
    assert [each["action"] for each in listed["actions"]] == ["set_key_email", "issue_key_again"]
    assert (listed["severity"], listed["facts"]["issued"]) == ("warning", "h***@example.com")


def test_the_setting_makes_it_korean_everywhere(
    billing: Command, opened: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    out = billing("alert", "show", number(billing)).out
    assert "이메일이 다른 빌링키" in out
    assert "- 발급 결제의 이메일로 바꾸십시오: billing-worker key set-email key_1 --email ADDRESS" in out
    for words in (("alert", "list"), ("report",)):
        assert "key_1 빌링키에 등록된 이메일은 g***@example.com이고" in billing(*words).out


def test_a_language_that_there_is_not_is_refused(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_LANGUAGE", "de")
    said = billing("alert", "list")
    assert said.status != 0
    assert "BILLING_LANGUAGE" in said.err
