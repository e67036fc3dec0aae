"""Tokens from the command line; the token that is made where none is set; and who did what."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_helpers import Command

from billing_worker.cli.api_token import FILE, with_token
from billing_worker.cli.session import whoami
from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid


def settings(folder: Path, **given: object) -> Settings:
    return Settings(_env_file=None, var_dir=folder / "var", **given)  # type: ignore[arg-type, call-arg] # pydantic's own


def token_of(made: Settings) -> str:
    assert made.api_token is not None
    return made.api_token.get_secret_value()


def test_where_no_token_is_set_one_is_made_kept_and_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = token_of(with_token(settings(tmp_path)))
    path = tmp_path / "var" / FILE
    assert len(made) >= 43
    assert path.read_text() == made + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made in capsys.readouterr().out
    assert token_of(with_token(settings(tmp_path))) == made
    assert capsys.readouterr().out == ""


def test_of_two_processes_that_start_at_once_both_use_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = {token_of(each) for each in pool.map(lambda _: with_token(settings(tmp_path)), range(8))}
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "var").iterdir()] == [FILE]


def test_what_a_start_that_crashed_left_behind_does_not_block_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / f".{FILE}.{os.getpid()}").write_text("half of a tok")
    assert len(token_of(with_token(settings(tmp_path)))) >= 43


def test_a_file_that_holds_no_text_is_one_line(tmp_path: Path) -> None:
    with_token(settings(tmp_path))
    (tmp_path / "var" / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: .* holds no text; remove it"):
        with_token(settings(tmp_path))


def test_a_token_that_is_set_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert token_of(with_token(settings(tmp_path, api_token="mine"))) == "mine"
    assert not (tmp_path / "var").exists()


def test_a_file_that_others_may_read_or_that_is_empty_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with_token(settings(tmp_path))
    path = tmp_path / "var" / FILE
    path.chmod(0o644)
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: others may read .*; run: chmod 600 "):
        with_token(settings(tmp_path))
    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: .* is empty; remove it"):
        with_token(settings(tmp_path))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("no folder")
    with pytest.raises(SettingsInvalid, match=r"^BILLING_API_TOKEN: is not set, and a new one cannot be stored in "):
        with_token(settings(tmp_path))


def test_a_token_is_created_shown_once_listed_and_revoked(billing: Command) -> None:
    made = billing("token", "create", "shop", "--scope", "write", "--json").json
    assert made["token"].startswith("bwt_")
    assert (made["name"], made["scope"], made["created_by"]) == ("shop", "write", f"cli:{whoami()}")
    listed = billing("token", "list", "--json")
    assert made["token"] not in listed.out
    assert [each["name"] for each in listed.json] == ["shop"]
    revoked = billing("token", "revoke", "shop", "--json").json
    assert revoked["revoked_by"] == f"cli:{whoami()}"


def test_slips_with_tokens_are_one_line(billing: Command) -> None:
    billing("token", "create", "shop", "--scope", "read")
    billing("token", "create", "shop", "--scope", "read").refuses(1, "already exists", "revoke it first")
    billing("token", "create", "My Shop", "--scope", "read").refuses(2, "name", "a-z")
    billing("token", "create", "desk", "--scope", "all").refuses(2, "scope")
    billing("token", "revoke", "nobody").refuses(1, "no token", "token list")


def test_who_did_what_is_kept_and_found(billing: Command, subscription_id: str, plan_id: str) -> None:
    billing("subscription", "cancel", subscription_id)
    billing("breaker", "trip", "--all", "--reason", "checking")
    number = billing("breaker", "list", "--json").json[0]["id"]
    billing("breaker", "clear", str(number), "--note", "fine")
    me = f"cli:{whoami()}"
    done = billing("action", "list", "--actor", me, "--all", "--json").json
    verbs = [(each["verb"], each["subject_id"]) for each in done]
    assert verbs[:3] == [
        ("stop.cleared", f"stop:{number}"),
        ("stop.opened", f"stop:{number}"),
        ("subscription.canceled", subscription_id),
    ]
    assert ("plan.created", plan_id) in verbs
    told = billing("why", subscription_id).out
    assert f"{me}: subscription.canceled {subscription_id}" in told
    assert billing("action", "list", "--subject", subscription_id, "--verb", "subscription.created", "--json").json
    assert "No action matches." in billing("action", "list", "--actor", "token:none").out
