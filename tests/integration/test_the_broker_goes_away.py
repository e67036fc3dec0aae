"""Redis goes down at the worst moments: work is postponed, and no alert opens."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from tests.chaos.proxy import Fault, Proxy, Toxic
from tests.support.stack import eventually, settings_for, stack_of
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.mark.fm("B1")
def test_a_scan_that_cannot_hand_out_what_it_claimed_is_put_off_without_an_alarm(
    world: World, broker_url: str, tmp_path: Path
) -> None:
    subscription = world.subscribe(start=world.clock.now() + timedelta(days=1))
    world.backdate(subscription, world.clock.now() - timedelta(minutes=1))
    broker = urlsplit(broker_url)
    with Proxy() as proxy:
        through = f":{proxy.add('redis', broker.port or 0)}/"
        url = broker_url.replace(f":{broker.port}/", through)
        with stack_of(settings_for(world.database_url, url, world.sandbox.url, world.environment), tmp_path) as stack:
            worker = stack.worker()
            with world.engine.begin() as connection:
                connection.execute(text("LOCK TABLE subscriptions IN ACCESS EXCLUSIVE MODE"))
                beat = stack.beat()
                # Others wait for the table, too; this scan must, before the broker goes.
                waits = (
                    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
                    " AND relation = 'subscriptions'::regclass"
                    " AND strpos(query, 'UPDATE subscriptions SET lease_until') > 0"
                )
                eventually(lambda: world.rows(waits), "a scan waits for the table")
                beat.kill()
                proxy.set("redis", Toxic(Fault.REFUSE))
            eventually(lambda: "event=put_off task=billing.renew_due" in worker.output, "the scan is put off")
            proxy.set("redis", None)
            stack.beat()
            paid = "SELECT FROM invoices WHERE status = 'paid'"
            eventually(lambda: world.rows(paid), "what was claimed and not handed out is offered again", 60)
            assert worker.alive
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("B1")
def test_beat_tells_of_a_broker_that_is_away_in_one_line_and_rings_on_when_it_is_back(
    world: World, broker_url: str, tmp_path: Path
) -> None:
    broker = urlsplit(broker_url)
    with Proxy() as proxy:
        url = broker_url.replace(f":{broker.port}/", f":{proxy.add('redis', broker.port or 0)}/")
        with stack_of(settings_for(world.database_url, url, world.sandbox.url, world.environment), tmp_path) as stack:
            worker, beat = stack.worker(), stack.beat()
            eventually(lambda: beat.alive and "ready" in worker.output, "up")
            proxy.set("redis", Toxic(Fault.REFUSE))
            eventually(lambda: "event=broker.away" in beat.output, "beat tells of it")
            rounds = "rings_lost"
            proxy.set("redis", None)
            eventually(lambda: "event=broker.back" in beat.output, "beat tells that it is back", 60)
            told = [line for line in beat.output.splitlines() if "broker." in line]
            assert beat.alive
            assert len(told) == 2
            assert rounds in told[1]
            assert "Traceback" not in beat.output
            assert "Message Error" not in beat.output
