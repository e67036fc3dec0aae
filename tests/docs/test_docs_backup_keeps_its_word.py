"""The page on backups: its commands run as they stand, and after a restore no period is paid twice and none is lost."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker import bootstrap
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.config import load_settings
from billing_worker.domain.order_number import read_merchant_uid
from billing_worker.runtime import wait_until
from tests.docs.markdown import ROOT, blocks
from tests.support.clock import LinkedClock
from tests.support.invariants import violations
from tests.support.pooler import needs_debian
from tests.support.restoring import SECONDS, Site, site
from tests.support.sandbox import IMP_KEY, IMP_SECRET, running_sandbox
from tests.support.world import World

pytestmark = [needs_debian, pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(1200)]

PAGE = ROOT / "docs" / "backup.md"
A_DAY = timedelta(days=1)
CUSTOMERS = 7
DUMP = ("Make a dump", "Test a dump", "Restore a dump")
LOG = ("Make a base backup, and keep the log", "Restore to the last moment")


@pytest.fixture
def server() -> Iterator[Site]:
    with site() as made:
        yield made


@pytest.fixture
def world(server: Site) -> Iterator[World]:
    """Seven customers of a daily plan who were charged for two days."""
    url = server.environment["DATABASE"].replace("postgresql:", "postgresql+psycopg:")
    engine = open_engine(url, pool_size=1, application="test")
    upgrade(engine)
    engine.dispose()
    with running_sandbox() as sandbox, World.built(url, sandbox, clock=LinkedClock(sandbox.hold_clock)) as built:
        settings = load_settings(
            database_url=url, portone_api_url=sandbox.url, portone_imp_key=IMP_KEY, portone_imp_secret=IMP_SECRET
        )
        made = built.with_ports(account=bootstrap.account_of(settings))
        plan = made.plan(interval="day")
        for _ in range(CUSTOMERS):
            made.subscribe(plan=plan)
        made.run_until(made.clock.now() + A_DAY)
        server.variables = {
            "BILLING_ENVIRONMENT": made.environment,
            "BILLING_PORTONE_API_URL": sandbox.url,
            "BILLING_PORTONE_IMP_KEY": IMP_KEY,
            "BILLING_PORTONE_IMP_SECRET": IMP_SECRET,
        }
        yield made


def section(title: str) -> list[str]:
    """The commands below a heading of the page, block by block."""
    text = PAGE.read_text()
    begin = text.index(f"\n## {title}\n")
    end = text.find("\n## ", begin + 1)
    lines = (text[:begin].count("\n") + 1, text[: end if end > 0 else None].count("\n") + 1)
    found = [block.text for block in blocks(PAGE, "sh") if lines[0] <= block.line <= lines[1]]
    assert found, title
    return found


def test_each_block_of_the_page_is_in_a_section_that_a_test_here_runs() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert set(titles) == {*DUMP, *LOG, "After a restore"}
    assert sum(len(section(title)) for title in titles) == len(blocks(PAGE, "sh"))


@contextmanager
def restored(world: World, server: Site, url: str) -> Iterator[World]:
    """After the steps of the page, the same merchant on the restored database."""
    stands_still = f"{world.clock.now().isoformat()} x1 @{datetime.now(UTC).isoformat()} until "
    # The clock of the commands stands where that of the test stands.
    told = {
        "BILLING_DATABASE_URL": url,
        "BILLING_TIME_MACHINE": stands_still + (world.clock.now() + timedelta(seconds=1)).isoformat(),
    }
    look, compare, claim = section("After a restore")
    assert "the claimed one" not in server.run(look, **told)
    with pytest.raises(AssertionError, match=r"Compare both books \(reconcile\)"):
        server.run(claim, **told)
    world.clock.advance(seconds=1)
    server.run(compare, **told)
    server.run(claim, **told)
    made = world.elsewhere(url.replace("postgresql:", "postgresql+psycopg:"))
    made.clock = world.clock
    try:
        yield made.with_ports(clock=world.clock, account=world.ports.account)
    finally:
        made.close()


def paid(world: World) -> dict[int, int]:
    """How many payments hold money at the gateway, by period."""
    numbers = [read_merchant_uid(row["merchant_uid"]) for row in world.money()]
    return dict(sorted(Counter(number.period_index for number in numbers if number is not None).items()))


def go_on_and_judge(made: World) -> None:
    """Two more days: nothing that was paid is asked for again, and every period is paid once."""
    asked = len(made.sandbox.requests("/subscribe/payments/again"))
    made.resolve(minutes=10)
    assert len(made.sandbox.requests("/subscribe/payments/again")) == asked
    made.run_until(made.clock.now() + 2 * A_DAY)


@pytest.mark.fm("G2")
def test_a_dump_of_two_days_ago_is_made_tested_and_restored(world: World, server: Site) -> None:
    make, test, restore = ("".join(section(title)) for title in DUMP)
    server.run(make)
    said = server.run(test, BILLING_ENVIRONMENT=world.environment)
    assert re.search(r"newest_attempt.*2026-02-01", said, re.DOTALL)
    assert set(re.findall(r"^(I\d+) +(?:sub|inv|att)_", said, re.MULTILINE)) == {"I4"}
    world.run_until(world.clock.now() + 2 * A_DAY)
    late = world.subscribe()
    world.settle()
    lost = world.invoice(late).merchant_uid
    assert paid(world) == {0: CUSTOMERS + 1, 1: CUSTOMERS, 2: CUSTOMERS, 3: CUSTOMERS}
    world.engine.dispose()
    server.run('dropdb --force --maintenance-db="$SERVER" billing')
    server.run(restore)
    with restored(world, server, server.environment["RESTORED"]) as made:
        assert [(alert.kind, alert.facts["order"]) for alert in made.alerts()] == [("orphan_payment", lost)]
        go_on_and_judge(made)
        assert paid(made) == {0: CUSTOMERS + 1} | dict.fromkeys(range(1, 6), CUSTOMERS)
        orphan = [row["imp_uid"] for row in made.money() if row["merchant_uid"] == lost]
        broken = [line for line in violations(made.books()) if orphan[0] not in line]
        assert broken == []


@pytest.mark.fm("G2")
def test_the_log_brings_back_everything_to_the_last_commit(world: World, server: Site) -> None:
    slot, receive, base = section(LOG[0])
    server.run(slot)
    with server.beside(receive):
        wait_until(server.has_received_all, SECONDS, "the receiver of the log")
        server.run(base)
        world.run_until(world.clock.now() + 2 * A_DAY)
        late = world.subscribe(plan=world.plan(interval="day"))
        world.settle()
        before = world.rows("SELECT * FROM payment_attempts ORDER BY id")
        events = world.rows("SELECT * FROM outbox ORDER BY id")
        world.engine.dispose()
        wait_until(server.has_received_all, SECONDS, "the last commit to be received")
        server.kill()
    server.run("".join(section(LOG[1])))
    with restored(world, server, server.environment["DATABASE"]) as made:
        assert made.rows("SELECT * FROM payment_attempts ORDER BY id") == before
        kept = {row["id"]: row for row in made.rows("SELECT * FROM outbox")}
        assert all(row["id"] in kept for row in events)
        assert made.alerts() == []
        go_on_and_judge(made)
        assert len(made.invoices(late)) == 3
        assert paid(made) == {0: CUSTOMERS + 1, 1: CUSTOMERS + 1, 2: CUSTOMERS + 1} | dict.fromkeys(
            range(3, 6), CUSTOMERS
        )
        made.assert_books_agree()
