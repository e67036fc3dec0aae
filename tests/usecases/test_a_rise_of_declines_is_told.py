"""The night in which 24 of 25 charges are declined: the operator hears of it, and of its end."""

from dataclasses import asdict
from datetime import timedelta

import pytest

from billing_worker.domain.language import Language
from billing_worker.texts import alerts as texts
from billing_worker.usecases.incoming import tidy
from billing_worker.usecases.reading.report import report_in
from tests.support.world import World

pytestmark = pytest.mark.long

KIND = "declines_rise"


def open_rises(world: World) -> list[str]:
    tidy.tidy(world.ports, tidy.INBOX)
    return [alert.subject_id for alert in world.alerts() if alert.kind == KIND]


def told(world: World, kind: str) -> int:
    return int(world.rows("SELECT count(*) AS n FROM outbox WHERE type = :kind", kind=kind)[0]["n"])


def charge(world: World, declined: int, approved: int, *, pg: str = "nice_v2") -> None:
    """So many first tries at this moment."""
    plan = world.plan(1000)
    for behaviour, count in (("decline-limit", declined), ("ok", approved)):
        for _ in range(count):
            world.subscribe(plan=plan, key=world.key(behaviour, pg=pg))
    world.settle()


def test_a_night_of_declines_opens_an_alert_and_its_end_closes_it(world: World) -> None:
    charge(world, 4, 32)
    world.clock.advance(days=2)
    world.settle()
    assert open_rises(world) == [], "a usual week, and a day of retries"
    charge(world, 3, 0)
    assert open_rises(world) == [], "three of three say nothing"
    charge(world, 21, 1)
    assert open_rises(world) == ["nice_v2"]
    (alert,) = [each for each in world.alerts() if each.kind == KIND]
    shown = texts.shown(alert, Language.EN)
    assert "24 of 25 first tries at nice_v2 were declined within 1 h; 11% is usual" in shown.detail
    assert told(world, "alert.opened") == 1
    assert open_rises(world) == ["nice_v2"]
    assert told(world, "alert.opened") == 1, "it is told once"
    world.clock.advance(hours=3)
    charge(world, 1, 24)
    assert open_rises(world) == []
    assert told(world, "alert.closed") == 1


def test_the_end_of_a_night_is_told_beside_its_retries(world: World) -> None:
    """The cards that were declined are tried again on the dunning days, in vain: no news."""
    charge(world, 24, 1)
    assert open_rises(world) == ["nice_v2"]
    for _ in range(8):
        world.clock.advance(days=1)
        charge(world, 1, 12)
        assert open_rises(world) == []
    retried = world.rows("SELECT count(*) AS n FROM payment_attempts WHERE try_kind = 'retry' AND status = 'declined'")
    assert retried[0]["n"] > 24


def test_the_report_shows_the_day_beside_the_week(world: World) -> None:
    charge(world, 2, 18)
    world.clock.advance(days=2)
    world.settle()
    charge(world, 3, 1)
    view = report_in(world.ports, "UTC", Language.EN)
    (first,) = [asdict(each) for each in view.outcomes if each.kind == "first"]
    assert first == {
        "pg": "nice_v2",
        "kind": "first",
        "approved": 1,
        "declined": 3,
        "failed": 0,
        "unknown": 0,
        "declined_share": 0.75,
        "week_approved": 18,
        "week_declined": 2,
        "week_failed": 0,
        "week_unknown": 0,
        "week_declined_share": 0.1,
    }


def test_a_fresh_installation_hears_of_its_first_night(world: World) -> None:
    charge(world, 24, 1)
    assert open_rises(world) == ["nice_v2"]
    world.clock.advance_to(world.clock.now() + timedelta(hours=26))
    assert open_rises(world) == [], "nothing declines any more"
