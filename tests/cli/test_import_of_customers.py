import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Command

from billing_worker.cli import import_rows
from billing_worker.domain.errors import Unavailable
from billing_worker.usecases.subscription import enroll

HEADER = "customer_uid,pg_provider,plan_id,customer,start,buyer_name,buyer_email,buyer_tel"
Counted = Callable[[], dict[str, int]]


def file_of(
    folder: Path, *lines: str, header: str = HEADER, name: str = "customers.csv", encoding: str = "utf-8"
) -> str:
    path = folder / name
    path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
    return str(path)


def rejects(folder: Path) -> list[dict[str, str]]:
    with (folder / "customers.rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_become_keys_and_subscriptions_and_the_same_file_can_be_run_again(
    billing: Command, here: Path, plan_id: str, counted: Counted
) -> None:
    file = file_of(
        here,
        f"nice-ok-1,nice_v2,{plan_id},김철수,2099-01-31T09:00:00+09:00,Kim,kim@example.com,010-1234-5678",
        f'nice-ok-2,nice_v2,{plan_id},"Lee, Yuna",,,,',
        "",
    )
    done = billing("import", "csv", file, "--json").json
    assert (done["imported"], done["skipped"], done["rejected"], done["rejects_file"]) == (2, 0, 0, None)
    customers = {each["customer"]: each for each in billing("subscription", "list", "--json").json}
    assert set(customers) == {"김철수", "Lee, Yuna"}
    assert customers["김철수"]["start"] == "2099-01-31T00:00:00Z"
    again = billing("import", "csv", file, "--json").json
    assert (again["imported"], again["skipped"]) == (0, 2)
    assert (counted()["billing_keys"], counted()["subscriptions"]) == (2, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_may_stand_in_any_order_and_optional_ones_be_left_out(
    encoding: str, billing: Command, here: Path, plan_id: str
) -> None:
    header = "Customer, plan_id ,customer_uid,pg_provider"
    file = file_of(here, f"kim,{plan_id},nice-ok-1,nice_v2", header=header, encoding=encoding)
    assert billing("import", "csv", file, "--json").json["imported"] == 1


def test_a_broken_row_is_told_with_line_field_and_way_out_and_the_others_are_imported(
    billing: Command, here: Path, plan_id: str, counted: Counted
) -> None:
    file = file_of(
        here,
        f"nice-ok-1,nice_v2,{plan_id},kim,,,,",
        "nice-ok-2,nice_v2,plan_x,lee,,,,",
        f"{'x' * 81},nice_v2,{plan_id},park,,,,",
        f"nice-ok-4,nice_v2,{plan_id},choi,2099-01-31,,,",
        f"nice-ok-5,nice_v2,{plan_id},,,,,",
        f"nice-ok-6,nice_v2,{plan_id},short",
        f"pw-8,paymentwall,{plan_id},shin,,,,",
        f"nice-ok-9,nice_v2,{plan_id},yoon,,,,",
    )
    said = billing("import", "csv", file, "--json")
    assert (said.status, said.err) == (3, "")
    assert counted()["billing_keys"] == counted()["subscriptions"] == 2
    written = rejects(here)
    fields = [
        (3, "plan_id", "billing-worker plan list"),
        (4, "customer_uid", "1 to 80"),
        (5, "start", "needs a time zone"),
        (6, "customer", "is needed"),
        (7, "line", "must have 8 fields"),
        (8, "buyer_name", "must be 'First Last'"),
    ]
    told = json.loads(said.out)["rejected_rows"]
    assert [(row["line"], row["field"]) for row in told] == [(line, field) for line, field, _ in fields]
    for (line, _, way_out), row, kept in zip(fields, told, written, strict=True):
        assert way_out in row["problem"]
        assert kept["reason"].startswith(f"line {line}: ")


def test_the_file_of_rejected_rows_is_corrected_and_imported(billing: Command, here: Path, plan_id: str) -> None:
    said = billing("import", "csv", file_of(here, "nice-ok-1,nice_v2,plan_x,김,,,,"))
    assert said.status == 3
    assert "customers.rejected.csv" in said.out
    rejected = here / "customers.rejected.csv"
    rejected.write_text(rejected.read_text("utf-8-sig").replace("plan_x,", f"{plan_id},"), "utf-8-sig")
    assert billing("import", "csv", str(rejected), "--json").json["imported"] == 1


def test_a_dry_run_says_the_same_and_changes_nothing(
    billing: Command, here: Path, plan_id: str, counted: Counted
) -> None:
    row = f"nice-ok-1,nice_v2,{plan_id},kim,,,,"
    said = billing("import", "csv", file_of(here, row, row, "nice-ok-2,nice_v2,plan_x,lee,,,,"), "--dry-run", "--json")
    assert said.status == 3
    assert '"imported": 1' in said.out
    assert '"skipped": 1' in said.out
    assert '"rejected": 1' in said.out
    assert counted() == {"plans": 1, "billing_keys": 0, "subscriptions": 0, "invoices": 0, "outbox": 0}
    assert not (here / "customers.rejected.csv").exists()


def test_a_dry_run_refuses_a_second_pg_of_a_key_as_the_import_does(billing: Command, here: Path, plan_id: str) -> None:
    other = billing("plan", "create", "Other", "--amount", "9900", "--interval", "month", "--json").json["id"]
    rows = [f"nice-ok-1,{pg},{plan},kim,,,," for pg, plan in (("nice_v2", plan_id), ("kcp", plan_id), ("kcp", other))]
    file = file_of(here, *rows)
    tried, done = (billing("import", "csv", file, "--json", *words) for words in (("--dry-run",), ()))
    assert (tried.status, done.status) == (3, 3)
    told = [{**json.loads(said.out), "dry_run": None, "rejects_file": None} for said in (tried, done)]
    assert told[0] == told[1]
    assert (told[0]["imported"], told[0]["rejected"]) == (1, 2)
    assert "pg_provider: is kcp here, but nice_v2 in line 2" in told[0]["rejected_rows"][0]["problem"]


def test_a_key_that_is_known_without_a_subscription_is_completed(
    billing: Command, here: Path, plan_id: str, key_id: str
) -> None:
    file = file_of(here, f"nice-ok-kim-1,nice_v2,{plan_id},kim,,,,")
    assert billing("import", "csv", file, "--json").json["imported"] == 1
    [made] = billing("subscription", "list", "--json").json
    assert made["billing_key_id"] == key_id


def test_a_canceled_customer_is_not_in_already_and_not_charged_again_by_an_old_file(
    billing: Command, here: Path, plan_id: str, subscription_id: str
) -> None:
    billing("subscription", "cancel", subscription_id)
    said = billing("import", "csv", file_of(here, f"nice-ok-kim-1,nice_v2,{plan_id},kim,,,,"))
    assert said.status == 3
    assert f"subscription {subscription_id} of this customer was canceled on" in said.out
    assert "give the row a start after that" in said.out
    back = file_of(here, f"nice-ok-kim-1,nice_v2,{plan_id},kim,2099-01-31T09:00:00+09:00,,,", name="back.csv")
    assert billing("import", "csv", back, "--json").json["imported"] == 1
    assert billing("import", "csv", back, "--json").json["skipped"] == 1


def test_a_known_key_of_another_pg_is_refused(billing: Command, here: Path, plan_id: str, key_id: str) -> None:
    assert key_id
    said = billing("import", "csv", file_of(here, f"nice-ok-kim-1,kcp_billing,{plan_id},kim,,,,"))
    assert said.status == 3
    assert "pg_provider: is kcp_billing here, but nice_v2 in billing key" in said.out


def test_a_refused_subscription_takes_its_key_with_it(
    billing: Command, here: Path, plan_id: str, counted: Counted
) -> None:
    assert billing("import", "csv", file_of(here, f"nice-ok-1,nice_v2,{plan_id},{'x' * 121},,,,")).status == 3
    assert (counted()["billing_keys"], counted()["subscriptions"], counted()["outbox"]) == (0, 0, 0)


def test_a_start_long_ago_is_an_anchor_and_nothing_is_charged_for_the_past(
    billing: Command, here: Path, plan_id: str
) -> None:
    file = file_of(here, f"nice-ok-1,nice_v2,{plan_id},kim,2020-01-31T09:00:00+09:00,,,")
    assert billing("import", "csv", file, "--json").json["imported"] == 1
    (subscription,) = billing("subscription", "list", "--json").json
    assert datetime.fromisoformat(subscription["next_period_start"]) > datetime.now(UTC)


def test_when_the_database_goes_away_what_is_in_is_in_and_the_same_command_goes_on(
    billing: Command, here: Path, plan_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = enroll.store, []

    def store(*values: Any) -> None:
        calls.append(values)
        if len(calls) == 2:
            raise Unavailable("the database does not answer")
        real(*values)

    monkeypatch.setattr(enroll, "store", store)
    monkeypatch.setattr(import_rows, "TOGETHER", 3)
    rows = [f"nice-ok-{number},nice_v2,{plan_id},c{number},,,," for number in range(4)]
    file = file_of(here, "nice-ok-x,nice_v2,plan_x,lee,,,,", *rows)
    billing("import", "csv", file).refuses(1, "2 rows were imported before", "run the same command again")
    assert len(rejects(here)) == 1
    said = billing("import", "csv", file, "--json")
    assert '"imported": 2' in said.out
    assert '"skipped": 2' in said.out


UNREADABLE = {
    "an empty file": (b"", "is empty"),
    "no header": (b"nice-ok-1,nice_v2\r\n", "unknown column"),
    "a missing column": (b"customer_uid,pg_provider,plan_id\r\n", "lacks the column customer;"),
    "a misspelt column": (HEADER.replace("buyer_tel", "buyer_tell").encode(), "did you mean buyer_tel?"),
    "a column twice": (f"{HEADER},start".encode(), "has the column start twice"),
    "Excel's Korean encoding": (f"{HEADER}\r\na,b,c,김".encode("cp949"), "cp949; save it as 'CSV UTF-8"),
    "something else without any comma": (b"A" * 200_000, "its first line is not CSV"),
    "a space after a quote": (b'"customer_uid" ,' + HEADER[13:].encode() + b"\r\na,b,c,d,,,,\r\n", "not CSV"),
    "UTF-16": (HEADER.encode("utf-16"), "is not UTF-8"),
}


@pytest.mark.parametrize(("content", "way_out"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_line(content: bytes, way_out: str, billing: Command, here: Path) -> None:
    (here / "customers.csv").write_bytes(content)
    billing("import", "csv", "customers.csv").refuses(2, "file: ", way_out)


def test_a_missing_file_is_one_line(billing: Command, here: Path) -> None:
    billing("import", "csv", "nowhere.csv").refuses(2, "file: ", "No such file", "nowhere.csv")
    billing("import", "csv", str(here)).refuses(2, "file: ", "directory")


def test_a_quote_that_never_ends_rejects_the_rest_of_the_file(billing: Command, here: Path, plan_id: str) -> None:
    file = file_of(here, f"nice-ok-1,nice_v2,{plan_id},kim,,,,", f'nice-ok-2,nice_v2,{plan_id},"lee,,,,')
    said = billing("import", "csv", file, "--json")
    assert said.status == 3
    assert '"imported": 1' in said.out
    assert "is not CSV" in said.out
