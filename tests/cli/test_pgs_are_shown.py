"""`pg list` and `pg show`, and the refusal of an unknown PG where keys are registered."""

import json
from pathlib import Path

import pytest
from cli_helpers import Command

from billing_worker.domain.pgs.facts import FLOWS
from billing_worker.domain.pgs.table import PGS


def test_every_pg_is_listed_with_both_names_and_its_flows(billing: Command) -> None:
    said = billing("pg", "list").out
    rows = billing("pg", "list", "--json").json
    assert [each["code"] for each in rows] == list(PGS)
    for row in rows:
        pg = PGS[row["code"]]
        assert (row["korean"], row["english"]) == (pg.korean, pg.english)
        assert pg.korean in said
        assert {flow: row[flow] for flow in FLOWS} == {flow: pg.has(flow) for flow in FLOWS}


def test_only_those_with_a_flow_are_listed_on_demand(billing: Command) -> None:
    rows = billing("pg", "list", "--has", "onetime", "--json").json
    assert {each["code"] for each in rows} >= {"kcp", "ksnet"}
    assert {each["onetime"] for each in rows} == {"yes"}
    billing("pg", "list", "--has", "everything").refuses(2, "everything", "onetime")


@pytest.mark.parametrize("code", PGS)
def test_a_pg_is_shown_with_its_flows_facts_and_sources(billing: Command, code: str) -> None:
    shown = billing("pg", "show", code, "--json").json
    assert [each["flow"] for each in shown["flows"]] == list(FLOWS)
    assert all(each["sources"] for each in [*shown["flows"], *shown["facts"]])
    said = billing("pg", "show", code).out
    assert PGS[code].korean in said
    assert all(fact["text"] in said for fact in shown["facts"])
    assert all(way["note"] in said for way in shown["flows"])


def test_an_unknown_pg_is_not_shown_and_the_closest_one_is_named(billing: Command) -> None:
    billing("pg", "show", "kakao_pay").refuses(2, "is kakaopay (카카오페이) meant?")
    billing("pg", "show", "stripe").refuses(1, "no PG 'stripe'", "billing-worker pg list")


def test_pgs_are_shown_without_a_database(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert "NHN KCP" in billing("pg", "list").out


def test_a_key_of_an_unknown_pg_is_refused_by_name(billing: Command) -> None:
    billing("key", "register", "u-1", "--pg", "nice_v3").refuses(
        2, "'nice_v3'", "is nice_v2 (나이스페이먼츠 (신모듈)) meant?"
    )
    refused = billing("key", "register", "u-1", "--pg", "tosspay", "--json")
    assert json.loads(refused.err)["error"]["field"] == "pg_provider"
    assert billing("key", "list", "--json").json == []


def test_a_row_of_an_import_with_an_unknown_pg_is_rejected_by_name(billing: Command, here: Path, plan_id: str) -> None:
    file = here / "customers.csv"
    file.write_text(
        f"customer_uid,pg_provider,plan_id,customer\nu-1,nice_v3,{plan_id},kim\nu-2,nice_v2,{plan_id},lee\n"
    )
    said = billing("import", "csv", str(file), "--json")
    done = json.loads(said.out)
    assert (said.status, done["imported"], done["rejected"]) == (3, 1, 1)
    assert done["rejected_rows"][0]["field"] == "pg_provider"
    rejected = (here / "customers.rejected.csv").read_text("utf-8-sig")
    assert "is no PG of PortOne V1" in rejected
    assert "nice_v3" in rejected
