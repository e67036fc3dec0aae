import re
from pathlib import Path

from billing_worker.sandbox.command import parser
from billing_worker.sandbox.texts import CHANNELS
from billing_worker.sandbox.world.behaviour_docs import markdown_table
from billing_worker.sandbox.world.choosing import chosen, spelled

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text()


def test_the_page_has_the_table_of_behaviours_as_it_is():
    assert markdown_table() in PAGE


def test_the_page_names_only_flags_and_endpoints_that_exist(sandbox):
    described = parser().format_help()
    for flag in set(re.findall(r"--[a-z][a-z0-9-]+", PAGE)):
        assert flag in described
    served = set(re.findall(r"/_sandbox(?:/[a-z]+)*", PAGE))
    caller = sandbox()
    # A known path refuses the method; only an unknown one is not found.
    assert {path: caller.http.options(path).status_code for path in served} == dict.fromkeys(served, 405)
    assert len(served) > 15


def test_every_channel_of_the_page_exists():
    assert all(f"`{token}`" in PAGE for token in CHANNELS)


def test_the_longest_name_of_a_behaviour_wins_and_a_name_must_end_at_a_hyphen():
    assert chosen("error500-charged-kim", "", 0).name == "error500-charged"
    assert chosen("error500-kim", "", 0).name == "error500"
    assert chosen("late-approval-days-kim", "", 0).name == "late-approval-days"
    assert spelled("okay-kim") == (None, ())
    assert spelled("kcp") == (None, ())
    assert spelled("kcp-kim")[0] == "kcp_billing"
