"""An import in which no customer is lost: what contradicts, what a spreadsheet changed, and what staff export."""

import csv
import io
import json
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Command
from rich.console import Console
from sqlalchemy import create_engine, text

from billing_worker.cli import import_rows, output
from billing_worker.cli.import_columns import CHANGED, COLUMNS
from billing_worker.cli.import_file import Row
from billing_worker.cli.import_rows import Became, Importer
from billing_worker.usecases.subscription import enroll
from tests.support.world import World

HEADER = "customer_uid,pg_provider,plan_id,customer,start,buyer_name,buyer_email,buyer_tel"
JANUARY, FEBRUARY = "2099-01-05T09:00:00+09:00", "2099-02-15T09:00:00+09:00"
Counted = Callable[[], dict[str, int]]


@pytest.fixture
def imported(billing: Command, here: Path, plan_id: str) -> Callable[..., Any]:
    """Import lines (with @PLAN@ for the plan): counts, and the rejected rows by line."""

    def run(*lines: str, header: str = HEADER, words: Sequence[str] = (), encoding: str = "utf-8-sig") -> Any:
        content = "\r\n".join([header, *lines, ""]).replace("@PLAN@", plan_id)
        (here / "customers.csv").write_bytes(content.encode(encoding))
        said = billing("import", "csv", "customers.csv", "--json", *words)
        assert said.err == ""
        told = json.loads(said.out)
        assert said.status == (3 if told["rejected"] else 0)
        told["problems"] = {row["line"]: (row["field"], row["problem"]) for row in told["rejected_rows"]}
        return told

    return run


def test_two_customers_under_one_number_that_a_spreadsheet_rounded_are_both_told(imported: Any) -> None:
    told = imported(
        f"1.23457E+15,nice_v2,@PLAN@,user-901,{JANUARY},,,1012345678",
        f"1.23457E+15,nice_v2,@PLAN@,user-902,{JANUARY},,,1087654321",
        f"4.20E+05,nice_v2,@PLAN@,user-903,{JANUARY},,,2123456789",
    )
    assert (told["imported"], told["skipped"], told["rejected"]) == (0, 0, 3)
    assert all(field == "customer_uid" and CHANGED in problem for field, problem in told["problems"].values())


@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
@pytest.mark.parametrize("mark", ["1.23457E+15", "4.20E+05", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "####"])
def test_what_a_spreadsheet_does_to_data_is_refused_in_any_column(imported: Any, column: str, mark: str) -> None:
    cells = {"customer_uid": "ok-1", "pg_provider": "nice_v2", "plan_id": "@PLAN@", "customer": "user-1"} | {
        column: mark
    }
    told = imported(",".join(cells.values()), header=",".join(cells), words=["--dry-run"])
    assert (told["imported"], told["rejected"]) == (0, 1)
    field, problem = told["problems"][2]
    assert field == column
    assert CHANGED in problem


@pytest.mark.parametrize(
    ("number", "is_whole"),
    [
        ("1012345678", False),
        ("2123456789", False),
        ("212345678", False),
        ("311234567", False),
        ("50712345678", False),
        ("010-1234-5678", True),
        ("01012345678", True),
        ("15881234", True),
        ("+821012345678", True),
        ("821012345678", True),
    ],
)
def test_a_telephone_without_its_leading_0_is_refused(imported: Any, number: str, is_whole: bool) -> None:  # noqa: FBT001
    told = imported(f"ok-1,nice_v2,@PLAN@,user-1,,,,{number}")
    assert told["imported"] == is_whole
    if not is_whole:
        assert told["problems"][2][0] == "buyer_tel"
        assert "has lost its leading 0" in told["problems"][2][1]


FIRST = f"ok-1,nice_v2,@PLAN@,user-1,{JANUARY},Hong,a@example.com,010-1234-5678"
OTHER = {
    "customer": (FIRST.replace("user-1", "user-2"), "is user-2 here, but user-1 in {}"),
    "start": (FIRST.replace(JANUARY, FEBRUARY), f"is {FEBRUARY} here, but {JANUARY} in {{}}"),
    "pg_provider": (FIRST.replace("nice_v2", "kcp"), "is kcp here, but nice_v2 in {}"),
    "buyer_name": (FIRST.replace("Hong", "Kim"), "is Kim here, but Hong in {}"),
    "buyer_email": (FIRST.replace("a@", "b@"), "is b@example.com here, but a@example.com in {}"),
    "buyer_tel": (FIRST.replace("5678", "9999"), "is 010-1234-9999 here, but 010-1234-5678 in {}"),
}


@pytest.mark.parametrize("column", OTHER)
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_row_that_contradicts_an_earlier_line_names_it(imported: Any, column: str, words: Sequence[str]) -> None:
    line, problem = OTHER[column]
    told = imported(FIRST, line, FIRST, words=words)
    assert (told["imported"], told["skipped"], told["rejected"]) == (1, 1, 1)
    assert told["problems"] == {3: (column, f"{column}: {problem.format('line 2')}")}


@pytest.mark.parametrize("column", OTHER)
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_row_that_contradicts_what_is_stored_names_both_values(
    imported: Any, column: str, words: Sequence[str]
) -> None:
    assert imported(FIRST)["imported"] == 1
    line, problem = OTHER[column]
    told = imported(line, words=words)
    assert (told["imported"], told["skipped"], told["rejected"]) == (0, 0, 1)
    field, said = told["problems"][2]
    assert field == column
    assert said.startswith(f"{column}: {problem.format('')}")
    assert imported(FIRST, words=words)["skipped"] == 1


def test_another_plan_is_a_contradiction_unless_the_row_says_that_it_is_meant(
    imported: Any, billing: Command, plan_id: str, counted: Counted
) -> None:
    other = billing("plan", "create", "Other", "--amount", "100", "--interval", "month", "--json").json["id"]
    assert imported("ok-1,nice_v2,@PLAN@,user-1,,,,")["imported"] == 1
    told = imported(f"ok-1,nice_v2,{other},user-1,,,,")
    assert told["problems"][2][1].startswith(f"plan_id: is {other} here, but {plan_id} in subscription ")
    meant = (f"ok-1,nice_v2,{other},user-1,yes",)
    short = "customer_uid,pg_provider,plan_id,customer,allow_duplicate"
    assert imported(*meant, header=short)["imported"] == 1
    assert imported(*meant, header=short)["skipped"] == 1
    assert (counted()["billing_keys"], counted()["subscriptions"]) == (1, 2)


def test_one_new_card_may_be_for_two_plans_in_one_file(imported: Any, billing: Command, counted: Counted) -> None:
    other = billing("plan", "create", "Other", "--amount", "100", "--interval", "month", "--json").json["id"]
    lines = ("ok-1,nice_v2,@PLAN@,user-1,", f"ok-1,nice_v2,{other},user-1,yes")
    header = "customer_uid,pg_provider,plan_id,customer,allow_duplicate"
    for words, counts in ((("--dry-run",), (2, 0)), ((), (2, 0)), ((), (0, 2))):
        told = imported(*lines, header=header, words=words)
        assert (told["imported"], told["skipped"]) == counts
    assert (counted()["billing_keys"], counted()["subscriptions"]) == (1, 2)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_one_customer_with_two_cards_on_a_plan_is_not_subscribed_twice_by_accident(
    imported: Any, words: Sequence[str]
) -> None:
    told = imported("ok-1,nice_v2,@PLAN@,user-1,,,,", "ok-2,nice_v2,@PLAN@,user-1,,,,", words=words)
    assert (told["imported"], told["rejected"]) == (1, 1)
    assert "with ok-1 in line 2" in told["problems"][3][1]


def test_an_old_file_does_not_subscribe_a_customer_again_whose_card_was_replaced(
    imported: Any, billing: Command, plan_id: str, subscription_id: str
) -> None:
    card = billing("key", "register", "nice-ok-kim-2", "--pg", "nice_v2", "--json").json["id"]
    assert billing("subscription", "set-key", subscription_id, card).status == 0
    told = imported("nice-ok-kim-1,nice_v2,@PLAN@,kim,,,,")
    assert (told["imported"], told["rejected"]) == (0, 1)
    assert f"kim is already on plan {plan_id}, with another card in subscription {subscription_id}" in str(told)
    billing("subscription", "cancel", subscription_id)
    assert "was canceled on" in imported("nice-ok-kim-1,nice_v2,@PLAN@,kim,,,,")["problems"][2][1]


def test_the_card_of_a_customer_who_left_is_not_taken_for_another_customers(
    imported: Any, billing: Command, subscription_id: str
) -> None:
    billing("subscription", "cancel", subscription_id)
    told = imported(f"nice-ok-kim-1,nice_v2,@PLAN@,lee,{FEBRUARY},,,")
    expected = f"customer: is lee here, but kim in subscription {subscription_id}, which was canceled"
    assert told["problems"] == {2: ("customer", expected)}


def test_the_number_of_a_card_is_repeated_nowhere_but_in_the_row(imported: Any, here: Path) -> None:
    imported("ok-1,nice_v2,@PLAN@,user-1,,,,")
    told = imported("4111111111111111,nice_v2,@PLAN@,user-1,,,,", words=["--report", "report.csv"])
    assert "looks like a card number" in told["problems"][2][1]
    assert "4111" not in str(told) + (here / "report.csv").read_text("utf-8-sig")


def test_a_customer_stored_in_an_older_spelling_is_the_same_customer(
    imported: Any, database_url: str, counted: Counted
) -> None:
    line = "ok-1,nice_v2,@PLAN@,홍길동,,,,"
    assert imported(line)["imported"] == 1
    engine = create_engine(database_url)
    with engine.begin() as connection:
        older = {"older": unicodedata.normalize("NFD", "홍길동")}
        connection.execute(text("UPDATE subscriptions SET customer = :older"), older)
    engine.dispose()
    assert imported(line)["skipped"] == 1
    assert "홍길동 is already on plan" in imported("ok-2,nice_v2,@PLAN@,홍길동,,,,")["problems"][2][1]
    assert counted()["subscriptions"] == 1


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (f"sep=,\r\n{HEADER}", f"ok-1,nice_v2,@PLAN@,user-1,{JANUARY},,,"),
        (f"sep=;\r\n{HEADER}".replace(",", ";"), "ok-1;nice_v2;@PLAN@;user-1;;;;"),
        (HEADER.replace(",", ";"), "ok-1;nice_v2;@PLAN@;user-1;;;;"),
        (HEADER.replace(",", "\t"), "ok-1\tnice_v2\t@PLAN@\tuser-1\t\t\t\t"),
        ("고객키,PG사,요금제,고객번호,시작일", "ok-1,nice_v2,@PLAN@,user-1,"),
        ("빌링키;결제사;플랜 ID;회원 번호", "ok-1;nice_v2;@PLAN@;user-1"),
        (unicodedata.normalize("NFD", "고객키,PG사,요금제,고객번호"), "ok-1,nice_v2,@PLAN@,user-1"),
    ],
)
def test_what_a_spreadsheet_in_korea_writes_is_read(imported: Any, header: str, line: str) -> None:
    assert imported(line, header=header)["imported"] == 1


def test_a_line_number_counts_the_line_that_names_the_separator(imported: Any, here: Path) -> None:
    told = imported("ok-1;nice_v2;nope;user-1", header="sep=;\r\n고객키;PG사;요금제;고객번호")
    assert list(told["problems"]) == [3]
    assert (here / "customers.rejected.csv").read_text("utf-8-sig").startswith("고객키,PG사,요금제,고객번호,reason")


def test_invisible_characters_are_named_or_turned_into_what_was_meant(imported: Any) -> None:
    told = imported(
        "ok-i1\u200b,nice_v2,@PLAN@,user-951,,,,",
        "ok-i2\u00a0 ,nice_v2,@PLAN@,user-952,,,,",
        "ok-i3\ufeff,nice_v2,@PLAN@,user-953,,,,",
        f"{unicodedata.normalize('NFD', '회원')}-1,nice_v2,@PLAN@,user-954,,,,",
        "회원-1,nice_v2,@PLAN@,user-955,,,,",
        "OK-I6,nice_v2,@PLAN@,user-956,,,,",
        "ok-i6,nice_v2,@PLAN@,user-957,,,,",
        "ok-i7,nice_v2,@PLAN@,user-958\u200b,,,,",
        'ok-i8,nice_v2,@PLAN@,user-959,,"Hong\r\nGildong",,',
    )
    assert (told["imported"], told["skipped"]) == (3, 0)
    said = {line: problem for line, (_, problem) in told["problems"].items()}
    assert said[2].startswith("customer_uid: has ZERO WIDTH SPACE (U+200B) at place 6; take it out")
    assert said[4].startswith("customer_uid: has ZERO WIDTH NO-BREAK SPACE (U+FEFF) at place 6; take it out")
    assert "HANGUL SYLLABLE HOE (U+D68C) at place 1" in said[6]
    assert said[9].startswith("customer: has ZERO WIDTH SPACE (U+200B) at place 9; take it out")
    assert said[10].startswith("buyer_name: has CARRIAGE RETURN (U+000D) at place 5; take it out")
    assert "control character" not in str(said)


@pytest.mark.parametrize(
    "start", ["2027-01-05 9:00", "46392.375", "2027. 1. 5 오전 9:00:00", "2027-01-05", "2027-13-05T09:00:00+09:00"]
)
def test_a_start_that_is_no_time_with_a_zone_is_refused(imported: Any, start: str) -> None:
    assert imported(f"ok-1,nice_v2,@PLAN@,user-1,{start},,,")["problems"][2][0] == "start"


def test_each_run_has_its_own_file_of_rejected_rows(imported: Any, here: Path, billing: Command) -> None:
    for number in ("", "-2", "-3"):
        told = imported("ok-1,nice_v2,nope,user-1,,,,")
        assert told["rejects_file"] == f"customers.rejected{number}.csv"
    assert billing("import", "csv", "customers.rejected-2.csv").status == 3
    assert sorted(path.name for path in here.glob("*.csv")) == [
        "customers.csv",
        "customers.rejected-2.csv",
        "customers.rejected-3.csv",
        "customers.rejected-4.csv",
        "customers.rejected.csv",
    ]


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_the_report_has_every_row_and_what_became_of_it(
    imported: Any, here: Path, billing: Command, words: Sequence[str]
) -> None:
    first = "ok-1,nice_v2,@PLAN@,user-1,,,,"
    imported(first, first, "", "ok-2,nice_v2,nope,user-2,,,,", words=["--report", "report.csv", *words])
    with (here / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    done = "would be imported" if words else "imported"
    assert [(row["line"], row["became"]) for row in rows] == [("2", done), ("3", "in already"), ("5", "rejected")]
    assert rows[1]["detail"] == "line 2"
    assert rows[2]["field"] == "plan_id"
    assert rows[0]["subscription_id"].startswith("sub_") is not bool(words)
    billing("import", "csv", "customers.csv", "--report", "report.csv").refuses(
        2, "--report: cannot be written: File exists"
    )


def test_one_row_that_fails_ends_no_other(
    imported: Any, monkeypatch: pytest.MonkeyPatch, counted: Counted, here: Path
) -> None:
    real = enroll.store

    def store(ports: Any, uow: Any, now: Any, enrolments: Sequence[enroll.Enrolment]) -> None:
        if any(each.subscription.customer == "user-3" for each in enrolments):
            raise ZeroDivisionError
        real(ports, uow, now, enrolments)

    monkeypatch.setattr(enroll, "store", store)
    lines = [f"ok-{number},nice_v2,@PLAN@,user-{number},,,," for number in range(6)]
    told = imported(*lines, lines[3])
    assert (told["imported"], told["rejected"]) == (5, 2)
    assert list(told["problems"]) == [5, 8]
    assert "could not be stored (ZeroDivisionError)" in told["problems"][5][1]
    assert (counted()["billing_keys"], counted()["subscriptions"], counted()["outbox"]) == (5, 5, 5)
    monkeypatch.undo()
    monkeypatch.chdir(here)


def test_a_batch_that_fails_is_judged_again_row_by_row(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = enroll.store, []

    def store(ports: Any, uow: Any, now: Any, enrolments: Sequence[enroll.Enrolment]) -> None:
        calls.append(len(enrolments))
        if len(enrolments) > 1:
            raise ZeroDivisionError
        real(ports, uow, now, enrolments)

    monkeypatch.setattr(enroll, "store", store)
    same = "ok-1,nice_v2,@PLAN@,user-1,,,,"
    told = imported(same, same, "ok-1,nice_v2,@PLAN@,user-2,,,,", "ok-3,nice_v2,@PLAN@,user-3,,,,")
    assert calls == [2, 1, 1]
    assert (told["imported"], told["skipped"], told["rejected"]) == (2, 1, 1)
    assert told["problems"] == {4: ("customer", "customer: is user-2 here, but user-1 in line 2")}


def test_one_file_imported_by_two_at_once_subscribes_each_customer_once(world: World) -> None:
    plan = world.plan()
    rows = [
        Row(
            line,
            [],
            {"customer_uid": f"ok-{line}", "pg_provider": "nice_v2", "plan_id": plan.id, "customer": f"u{line}"},
            None,
        )
        for line in range(2, 42)
    ]
    start = threading.Barrier(2)

    def run(importer: Importer) -> list[Became]:
        start.wait()
        return [outcome.became for at in range(0, len(rows), 8) for outcome in importer.take(rows[at : at + 8])]

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(run, [Importer(world.ports, dry_run=False) for _ in range(2)]))
    for pair in zip(*done, strict=True):
        assert sorted(pair) == [Became.IMPORTED, Became.IN_ALREADY]
    assert world.rows("SELECT count(*) AS n FROM subscriptions") == [{"n": len(rows)}]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_bar_with_rows_a_second(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:  # noqa: FBT001
    shown = io.StringIO()
    monkeypatch.setattr(output, "console_for", lambda _: Console(file=shown, force_terminal=terminal, width=100))
    with output.advancing(10, "Importing") as advance:
        advance(4)
        advance(6)
    assert ("10/10" in shown.getvalue()) is terminal
    assert ("rows/s" in shown.getvalue()) is terminal


def test_many_rows_share_a_transaction(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = enroll.store, []

    def store(ports: Any, uow: Any, now: Any, enrolments: Sequence[enroll.Enrolment]) -> None:
        calls.append(len(enrolments))
        real(ports, uow, now, enrolments)

    monkeypatch.setattr(enroll, "store", store)
    monkeypatch.setattr(import_rows, "TOGETHER", 20)
    assert imported(*(f"ok-{n},nice_v2,@PLAN@,user-{n},,,," for n in range(50)))["imported"] == 50
    assert calls == [20, 20, 10]
