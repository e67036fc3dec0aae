"""Dunning policies from the command line: made, shown, previewed and attached."""

import json
import re
from pathlib import Path

import pytest
from cli_helpers import Command

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "dunning.md").read_text()
PAYDAYS = '{"steps": ["1d paydays 10:00", "1d paydays 10:00", "3d"], "quiet": "21:00-08:00"}'


def test_a_policy_is_created_once_and_again_as_its_next_version(billing: Command, tmp_path: Path) -> None:
    made = billing("dunning", "create", "paydays", "--definition", PAYDAYS, "--json").json
    assert (made["id"], made["definition"]["quiet"]) == ("paydays@1", "21:00-08:00")
    file = tmp_path / "policy.json"
    file.write_text(PAYDAYS)
    assert billing("dunning", "create", "paydays", "--file", str(file), "--json").json == made
    file.write_text('{"steps": []}')
    assert billing("dunning", "create", "paydays", "--file", str(file), "--json").json["version"] == 2
    listed = billing("dunning", "list", "--name", "paydays", "--json").json
    assert {each["id"] for each in listed} == {"paydays@1", "paydays@2"}
    assert billing("dunning", "show", "paydays", "--json").json["id"] == "paydays@2"
    assert billing("dunning", "show", "paydays", "--version", "1", "--json").json == made


def test_the_preview_shows_the_dates_that_the_page_names(billing: Command) -> None:
    (shown,) = re.findall(r"dunning create paydays --definition '(.*)'", PAGE)
    billing("dunning", "create", "paydays", "--definition", shown)
    asked = ("--declined-at", "2026-03-31T09:00:00+09:00", "--category", "balance", "--json")
    dates = [each["at"] for each in billing("dunning", "preview", "paydays", *asked).json]
    assert "10 April, 15 April and 18 April 2026, each at 10:00 in Seoul" in PAGE
    assert dates == [f"2026-04-{day}T01:00:00Z" for day in (10, 15, 18)]


def test_the_names_that_the_page_gives_are_there_before_any_plan_has_them(billing: Command, plan_id: str) -> None:
    asked = ("--declined-at", "2026-03-31T09:00:00+09:00", "--json")
    assert len(billing("dunning", "preview", "days-1-3-5-7", *asked).json) == 4
    assert billing("dunning", "preview", "none", *asked).json == []
    advised = billing("dunning", "advise", "kcp", "[CC10]잔액부족", "--policy", "none", "--json").json
    assert (advised["why"], advised["dunning_policy"]) == ("used_up", "none")
    assert billing("dunning", "list", "--name", "none", "--json").json == []
    for name in ("none", "days-1-3", "default"):
        assert billing("plan", "set-dunning", plan_id, name, "--json").json["dunning_policy"] == name
    assert billing("dunning", "show", "days-1-3", "--json").json["definition"]["steps"] == ["1d", "3d"]
    refused = billing("plan", "set-dunning", plan_id, "days-1-99")
    assert refused.status == 2
    assert "1 to 60 whole days" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("dunning", "show", "unheard-of"),
        ("dunning", "show", "default", "--version", "7"),
        ("payment", "show", "inv_0000000000000000"),
        ("subscription", "remove-fallback", "SUBSCRIPTION", "--key", "key_0000000000000000"),
    ],
)
def test_what_is_not_there_is_one_line(billing: Command, subscription_id: str, words: tuple[str, ...]) -> None:
    said = billing(*(subscription_id if word == "SUBSCRIPTION" else word for word in words))
    assert said.status == 1
    assert said.err.startswith("billing-worker: no ")
    assert "; see: billing-worker " in said.err


def test_a_preview_ends_with_the_try_to_win_back(billing: Command) -> None:
    written = json.dumps({"steps": ["2h"], "win_back": "30d daily 12:00", "paid_hour": True})
    billing("dunning", "create", "back", "--definition", written)
    asked = ("--declined-at", "2026-03-31T09:00:00+09:00", "--paid-hour", "20", "--json")
    tries = billing("dunning", "preview", "back", *asked).json
    assert [each["at"] for each in tries] == ["2026-03-31T11:00:00Z", "2026-05-01T03:00:00Z"]
    assert tries[1]["step"] == "win_back 30d daily 12:00"


def test_a_policy_is_attached_to_plans_and_subscriptions(billing: Command, key_id: str) -> None:
    billing("dunning", "create", "paydays", "--definition", PAYDAYS)
    words = ("Basic", "--amount", "9900", "--interval", "month", "--dunning-policy", "paydays", "--json")
    plan = billing("plan", "create", *words).json
    assert plan["dunning_policy"] == "paydays"
    own = ("--plan", plan["id"], "--key", key_id, "--customer", "user-1", "--json")
    subscription = billing("subscription", "create", *own).json
    assert subscription["dunning_policy"] is None
    billing("dunning", "create", "patient", "--definition", '{"steps": ["9d"]}')
    changed = billing("subscription", "set-dunning", subscription["id"], "patient", "--json").json
    assert changed["dunning_policy"] == "patient"
    back = billing("subscription", "set-dunning", subscription["id"], "--as-plan", "--json").json
    assert back["dunning_policy"] is None
    assert billing("plan", "set-dunning", plan["id"], "patient", "--json").json["dunning_policy"] == "patient"


def test_the_page_shows_the_refusal_as_it_is(billing: Command) -> None:
    ten = json.dumps({"steps": ["1h"] * 10})
    (told,) = re.findall(r"^steps: (could try .*)$", PAGE, re.MULTILINE)
    billing("dunning", "create", "hasty", "--definition", ten).refuses(2, told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("dunning", "create", "x"), "either --file or --definition"),
        (("dunning", "create", "x", "--definition", "{"), "is not JSON"),
        (("dunning", "create", "x", "--definition", "[]"), "is an object"),
        (("dunning", "create", "days-1", "--definition", PAYDAYS), "stands for plain days"),
        (("subscription", "set-dunning", "sub_1"), "--as-plan"),
        (("plan", "create", "B", "--amount", "1", "--interval", "day", "--dunning-policy", "no"), "no such policy"),
    ],
)
def test_a_mistake_is_one_line(billing: Command, words: tuple[str, ...], told: str) -> None:
    billing(*words).refuses(2, told)
