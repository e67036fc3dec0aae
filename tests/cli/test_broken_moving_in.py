"""What a stranger and a newcomer meet on the command line of schedules and of moving in."""

from pathlib import Path
from uuid import uuid4

import pytest
from cli_helpers import Command

from tests.support.sandbox import Sandbox


def test_the_dry_run_says_who_is_charged_when(billing: Command, with_gateway: Sandbox, here: Path) -> None:
    uid = f"ok-{uuid4().hex[:12]}"
    with_gateway.register(uid, "nice_v2")
    plan = billing("plan", "create", "A", "--amount", "9900", "--interval", "month", "--json").json["id"]
    (here / "m.csv").write_text(f"customer_uid,customer,start\n{uid},kim,2036-03-01T09:00:00+09:00\n")
    said = billing("import", "portone", "m.csv", "--plan", plan)
    assert "next charge of" in said.out
    assert "2036-03-01" in said.out


@pytest.mark.usefixtures("with_gateway")
def test_mistakes_are_one_line_each(billing: Command, here: Path) -> None:
    (here / "m.csv").write_text("customer_uid,customer\nx,kim\n")
    (here / "e.csv").write_text("customer_uid\nx\n")
    for words in (
        ("schedule", "use", "worker"),
        ("schedule", "use", "paper", "--all"),
        ("schedule", "show", "sch_none"),
        ("import", "portone", "none.csv"),
        ("import", "portone", "e.csv"),
        ("import", "portone", "m.csv", "--plan", "plan_none"),
        ("import", "portone", "m.csv"),
        ("schedule", "compare"),
        ("import", "customers.csv"),
        ("subscription", "set-collection", "sub_none", "worker"),
    ):
        said = billing(*words)
        assert len(said.err.splitlines()) <= 2, (words, said)
        assert "Traceback" not in said.err
        assert "mistake" not in said.err
