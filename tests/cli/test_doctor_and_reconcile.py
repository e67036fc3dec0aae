import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from cli_helpers import Command, Said

from tests.support.sandbox import Sandbox
from tests.support.world import World

pytestmark = pytest.mark.long


def findings(said: Said) -> dict[str, Any]:
    return {each["check"]: each for each in json.loads(said.out)["checks"]}


def test_the_doctor_finds_nothing_wrong_where_all_is_well(
    billing: Command, broker_url: str, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    monkeypatch.setenv("BILLING_BROKER_URL", broker_url)
    said = billing("doctor", "--json")
    assert said.status == 0, said
    found = findings(said)
    assert {each["verdict"] for each in found.values()} <= {"ok", "warn"}
    assert found["gateway"]["verdict"] == found["database"]["verdict"] == found["broker"]["verdict"] == "ok"
    assert "ok" in billing("doctor").out


@pytest.mark.fm("B8")
def test_the_doctor_warns_of_a_redis_that_drops_messages_or_forgets_them(
    billing: Command, broker_url: str, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    monkeypatch.setenv("BILLING_BROKER_URL", broker_url)
    with redis.Redis.from_url(broker_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        client.config_set("save", "")
        try:
            said = billing("doctor", "--json")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    found = findings(said)
    assert said.status == 0
    assert found["broker memory"]["verdict"] == "warn"
    assert "noeviction" in found["broker memory"]["way_out"]
    assert found["broker persistence"]["verdict"] == "warn"


def test_the_doctor_names_every_server_that_does_not_answer(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DATABASE_URL", "postgresql://billing:hidden-word@127.0.0.1:1/billing")
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://:hidden-word@127.0.0.1:1/0")
    monkeypatch.setenv("BILLING_PORTONE_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("BILLING_PORTONE_IMP_KEY", "k")
    monkeypatch.setenv("BILLING_PORTONE_IMP_SECRET", "s")
    said = billing("doctor", "--json")
    assert said.status == 1
    found = findings(said)
    assert [found[name]["verdict"] for name in ("database", "broker", "gateway")] == ["fail"] * 3
    assert "BILLING_DATABASE_URL" in found["database"]["detail"]
    assert "BILLING_BROKER_URL" in found["broker"]["detail"]
    assert "hidden-word" not in said.out + said.err


def test_the_doctor_tells_wrong_keys_from_a_gateway_that_is_away(
    billing: Command, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    monkeypatch.setenv("BILLING_PORTONE_IMP_SECRET", "wrong-secret")
    found = findings(billing("doctor", "--json"))
    assert found["gateway"]["verdict"] == "fail"
    assert "BILLING_PORTONE_IMP_SECRET" in found["gateway"]["way_out"]
    assert "wrong-secret" not in str(found)


def test_the_doctor_sees_a_missing_migration_a_token_that_others_may_read_and_a_time_machine(
    billing: Command, here: Path, empty_database_url: str, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    monkeypatch.setenv("BILLING_DATABASE_URL", empty_database_url)
    assert "var/api-token" in findings(billing("doctor", "--json"))["API"]["detail"]
    (here / "var").mkdir()
    token = here / "var" / "api-token"
    token.write_text("known to all\n")
    token.chmod(0o644)
    monkeypatch.setenv("BILLING_TIME_MACHINE", "2026-01-01T00:00:00Z x60 @2026-01-01T00:00:00Z")
    found = findings(billing("doctor", "--json"))
    assert "billing-worker db upgrade" in found["database"]["detail"]
    assert (found["API"]["verdict"], found["time"]["verdict"]) == ("fail", "warn")
    assert "chmod 600" in found["API"]["detail"]
    assert "known to all" not in str(found)


class Anybody(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.mark.fm("H7")
def test_the_doctor_sees_a_flower_that_answers_everybody_and_clocks_that_differ(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Anybody) as flower:
        thread = threading.Thread(target=flower.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("BILLING_FLOWER_PORT", str(flower.server_address[1]))
            monkeypatch.setattr("billing_worker.cli.checks._own_addresses", lambda: {"127.0.0.1"})
            monkeypatch.setattr("billing_worker.cli.checks.LARGEST_SKEW", -1.0)
            found = findings(billing("doctor", "--json"))
        finally:
            flower.shutdown()
            thread.join()
    assert found["Flower"]["verdict"] == "fail"
    assert "FLOWER_BASIC_AUTH" in found["Flower"]["way_out"]
    assert (found["clock"]["verdict"], "NTP" in found["clock"]["way_out"]) == ("warn", True)


@pytest.mark.fm("E26")
def test_the_doctor_says_from_where_webhooks_are_taken(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(allowed: str, proxies: str) -> dict[str, Any]:
        monkeypatch.setenv("BILLING_WEBHOOK_ALLOWED_IPS", allowed)
        monkeypatch.setenv("BILLING_TRUSTED_PROXIES", proxies)
        return dict(findings(billing("doctor", "--json"))["webhook sources"])

    assert seen("", "")["verdict"] == "ok"
    assert "52.78.48.223" in seen("", "")["detail"]
    unsaid = seen("52.78.100.19", "")
    assert (unsaid["verdict"], "BILLING_TRUSTED_PROXIES" in unsaid["detail"]) == ("fail", True)
    assert "behind 10.0.0.5/32" in seen("52.78.100.19", "10.0.0.5")["detail"]
    assert "without a proxy" in seen("52.78.100.19", "none")["detail"]
    assert seen("52.78.100.19,10.0.0.5", "none")["verdict"] == "warn"


@pytest.mark.fm("J5")
def test_the_doctor_says_which_setting_is_wrong(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_WEB_PORT", "70000")
    said = billing("doctor", "--json")
    assert said.status == 1
    assert "BILLING_WEB_PORT" in findings(said)["settings"]["detail"]


def test_a_lost_answer_is_found_by_reconcile(billing: Command, world: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    world.subscribe(key=world.key("drop-after-charge"))
    world.renew()
    world.collect()
    [attempt] = billing("reconcile", "--json").json["attempts"]
    assert (attempt["was"], attempt["became"]) == ("unknown", "approved")
    assert [invoice["status"] for invoice in billing("invoice", "list", "--json").json] == ["paid"]
    assert billing("reconcile", "--json").json["attempts"] == []
    said = billing("reconcile")
    assert "No attempt is open" in said.out
    assert "Both books agree" in said.out


def test_a_command_writes_the_times_of_its_calls(billing: Command, world: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    billing("reconcile")
    counted = world.rows("SELECT DISTINCT subject FROM hourly_deltas WHERE measure = 'request' ORDER BY subject")
    assert {row["subject"] for row in counted} >= {"list"}


@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_another_test_paid_is_in_no_books_of_this_one(
    billing: Command, with_gateway: Sandbox, turn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    assert billing("reconcile").status == 0, f"the {turn} on one sandbox"
    monkeypatch.setenv("BILLING_CARD_ENTRY", "true")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"card_number": "4242424242424242", "expiry": "2031-04"}'))
    words = ("payment", "by-card", "--pg", "nice_v2", "--amount", "500", "--card-from-stdin", "--json")
    assert billing(*words).json["status"] == "paid"
    assert billing("reconcile").status == 0


def test_reconcile_compares_both_books_and_leaves_the_rest_to_an_operator(
    billing: Command, world: World, with_gateway: Sandbox
) -> None:
    fine = billing("reconcile", "--json")
    assert fine.json["findings"] == []
    until = fine.json["compared_until"]
    row = with_gateway.control(
        "/operator/pay",
        merchant_uid=f"{world.environment}0123456789abcdefp00000g01",
        customer_uid=world.uid(),
        amount=9,
    )
    said = billing("reconcile", "--json", "--since", "2026-01-01")
    assert said.status == 0, "another environment's number is no affair of ours"
    world.key()
    shop = with_gateway.control(
        "/operator/pay", merchant_uid=f"shop-{world.environment}", customer_uid=world.key().customer_uid, amount=9900
    )
    first, second = billing("reconcile", "--days", "2"), billing("reconcile", "--json")
    assert (first.status, second.status) == (1, 1), "the alert is still open"
    assert "foreign_payment" in first.out
    assert row["imp_uid"] not in first.out
    answer = json.loads(second.out)
    assert answer["findings"] == []
    assert answer["compared_until"] > until
    [alert] = billing("alert", "list", "--json").json
    assert "refund it there" in alert["proposal"]
    shown = billing("alert", "show", str(alert["id"]), "--json").json
    assert (shown["kind"], shown["subject_id"]) == ("foreign_payment", shop["imp_uid"])
    assert shop["merchant_uid"] in shown["evidence"]["body"]
    assert "The gateway's answer" in billing("alert", "show", str(alert["id"])).out
    billing("alert", "close", str(alert["id"]))
    assert billing("reconcile").status == 0
    assert billing("alert", "show", str(alert["id"]), "--json").json["closed_at"] is not None


def test_reconcile_says_what_could_not_be_compared(billing: Command, with_gateway: Sandbox) -> None:
    with with_gateway.outage("error503", "read"):
        said = billing("reconcile")
    assert said.status == 1
    assert "Not compared as a whole" in said.out
    assert billing("reconcile").status == 0


TAKEN_OVER = """
    CREATE FUNCTION taken_over() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.status := 'running'; NEW.tries := 1; NEW.next_try_at := now() + interval '1 hour'; RETURN NEW; END $$;
    CREATE TRIGGER taken_over BEFORE INSERT ON comparisons FOR EACH ROW EXECUTE FUNCTION taken_over();
"""


def test_reconcile_does_not_say_that_books_agree_which_another_worker_still_reads(
    billing: Command, world: World, with_gateway: Sandbox
) -> None:
    assert with_gateway
    with world.engine.begin() as connection:
        connection.exec_driver_sql(TAKEN_OVER)
    try:
        said = billing("reconcile", "--days", "1")
        as_json = billing("reconcile", "--days", "1", "--json")
    finally:
        with world.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER taken_over ON comparisons; DROP FUNCTION taken_over")
    assert (said.status, as_json.status) == (1, 1)
    assert "agree" not in said.out
    assert "Not compared as a whole" in said.out
    assert "a worker is already reading a part of it" in json.loads(as_json.out)["trouble"][0]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--since", "yesterday"), "is not a time"),
        (("--since", "2026-02-30"), "is not a day"),
        (("--since", "2199-01-01"), "must lie in the past"),
        (("--since", "1980-01-01"), "at most 3650 days ago"),
        (("--since", "2026-01-01", "--days", "7"), "together with --since"),
        (("--days", "0"), "--days"),
    ],
)
def test_reconcile_refuses_a_time_that_makes_no_sense(
    billing: Command, with_gateway: Sandbox, words: tuple[str, ...], problem: str
) -> None:
    assert with_gateway
    billing("reconcile", *words).refuses(2, problem)


def test_the_doctor_says_until_when_both_books_were_compared(
    billing: Command, with_gateway: Sandbox, world: World
) -> None:
    assert with_gateway
    found = findings(billing("doctor", "--json"))["books"]
    assert (found["verdict"], "billing-worker reconcile" in found["way_out"]) == ("warn", True)
    billing("reconcile")
    assert findings(billing("doctor", "--json"))["books"]["verdict"] == "ok"
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE comparisons SET starts_at = starts_at - interval '9 days', ends_at = ends_at - interval '3 hours'"
        )
    late = findings(billing("doctor", "--json"))["books"]
    assert (late["verdict"], "minutes ago" in late["detail"]) == ("warn", True)


def test_reconcile_needs_the_gateways_keys(billing: Command) -> None:
    billing("reconcile").refuses(2, "BILLING_PORTONE_IMP_KEY")
