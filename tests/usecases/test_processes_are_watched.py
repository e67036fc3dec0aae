"""Silent processes, queues that none takes, and work that none begins: each is told once, by whoever looks."""

import threading
from collections.abc import Callable

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.presence import FORGOTTEN_AFTER, Role, Sign
from billing_worker.domain.queues import Queue
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.usecases.control.stop_charging import stop_charging
from billing_worker.usecases.control.watch import attend, count_refused, leave, watch
from billing_worker.usecases.reading.operation import obstacles, operation
from tests.support.world import World

pytestmark = pytest.mark.long

EVERY = 10
QUEUES = tuple(queue.value for queue in Queue)
WORKER = "celery@one"


class Installation:
    """Processes that give signs while time passes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queues = QUEUES
        self.alive = {"web@one": Role.WEB, WORKER: Role.WORKER, "beat@one": Role.BEAT}
        self.rings = True

    def pass_by(self, seconds: int) -> None:
        """Let time pass; each process gives its signs and looks at the others."""
        for _ in range(seconds // EVERY):
            self.world.clock.advance(seconds=EVERY)
            for name, role in self.alive.items():
                rung = 1.0 if self.rings and role is Role.BEAT else None
                attend(self.world.ports, Sign(name, role, rung=rung, queues=self.queues if role is Role.WORKER else ()))

    def forget(self) -> None:
        """Let more than an hour pass at once, and then three minutes."""
        self.world.clock.advance(seconds=FORGOTTEN_AFTER.total_seconds())
        self.pass_by(180)

    def told(self) -> dict[str, str]:
        """Open alerts: kind and subject."""
        return {alert.kind: alert.subject_id for alert in self.world.alerts()}


@pytest.fixture
def installation(world: World) -> Installation:
    """A web process, a worker and a beat, watched for two minutes."""
    made = Installation(world)
    made.pass_by(120)
    assert made.told() == {}
    return made


def test_where_all_work_nothing_is_told_and_each_is_known(installation: Installation) -> None:
    found = operation(installation.world.ports)
    assert found.troubles == []
    assert {each.name: each.role for each in found.observed.processes} == installation.alive
    assert obstacles(installation.world.ports).troubles == []


def test_a_frozen_beat_is_told_by_name_and_the_alert_closes_when_it_rings_again(installation: Installation) -> None:
    del installation.alive["beat@one"]
    installation.pass_by(70)
    (alert,) = installation.world.alerts()
    assert (alert.kind, alert.facts["case"], alert.facts["beats"]) == ("not_rung", "silent", "beat@one")  # type: ignore[index]
    assert [each.kind for each in obstacles(installation.world.ports).troubles] == [AlertKind.NOT_RUNG]
    installation.alive["beat@one"] = Role.BEAT
    installation.pass_by(20)
    assert installation.told() == {}


def test_a_beat_whose_rings_are_lost_is_no_frozen_beat(installation: Installation) -> None:
    installation.rings = False
    installation.pass_by(70)
    (alert,) = installation.world.alerts()
    assert (alert.kind, alert.facts["case"]) == ("not_rung", "lost")  # type: ignore[index]


def test_a_beat_without_a_database_is_known_by_what_workers_hear(world: World) -> None:
    for number in range(20):
        world.clock.advance(seconds=EVERY)
        rung = 1.0 + EVERY * max(0, number - 11)
        attend(world.ports, Sign(WORKER, Role.WORKER, rung=rung, queues=QUEUES))
        if number == 12:
            assert world.alerts() == []
    (alert,) = world.alerts()
    assert (alert.kind, alert.facts["case"]) == ("not_rung", "missing")  # type: ignore[index]


def test_a_worker_whose_queue_was_cancelled_is_told_with_the_queue(installation: Installation) -> None:
    installation.queues = ("lookups", "notices", "scans")
    installation.pass_by(20)
    assert installation.told() == {"queue_unserved": "charges"}
    assert [each.subject for each in obstacles(installation.world.ports).troubles] == ["charges"]
    installation.queues = QUEUES
    installation.pass_by(20)
    assert installation.told() == {}


def test_a_queue_without_charges_does_not_stop_charging(installation: Installation) -> None:
    installation.queues = ("charges", "notices", "scans")
    installation.pass_by(20)
    assert installation.told() == {"queue_unserved": "lookups"}
    assert obstacles(installation.world.ports).troubles == []


def test_without_a_worker_one_alert_names_the_last_of_them(installation: Installation) -> None:
    del installation.alive[WORKER]
    installation.pass_by(70)
    assert installation.told() == {"no_worker": "worker"}
    assert installation.world.alerts()[0].facts["workers"] == WORKER  # type: ignore[index]
    installation.forget()
    (alert,) = installation.world.alerts()
    assert alert.facts["case"] == "missing", "its row is deleted, and the trouble stays"  # type: ignore[index]


def test_one_of_two_workers_is_told_as_silent_until_it_is_forgotten(installation: Installation) -> None:
    installation.alive["celery@two"] = Role.WORKER
    installation.pass_by(20)
    del installation.alive["celery@two"]
    installation.pass_by(70)
    assert installation.told() == {"process_silent": "celery@two"}
    assert obstacles(installation.world.ports).troubles == []
    installation.forget()
    assert installation.told() == {}
    assert len(operation(installation.world.ports).observed.processes) == 3


def test_a_process_that_takes_leave_is_not_missed(installation: Installation) -> None:
    del installation.alive["web@one"]
    leave(installation.world.ports, "web@one")
    installation.pass_by(120)
    assert installation.told() == {}


def test_after_a_pause_of_the_database_no_process_is_called_silent(installation: Installation) -> None:
    installation.world.clock.advance(minutes=10)
    watch(installation.world.ports)
    assert installation.told() == {}
    installation.pass_by(120)
    assert installation.told() == {}


def test_due_work_that_none_begins_is_told_whatever_the_cause(installation: Installation) -> None:
    world = installation.world
    world.subscribe()
    installation.pass_by(50)
    assert installation.told() == {}
    installation.pass_by(30)
    assert installation.told() == {"work_waits": "charges"}
    assert world.alerts()[0].facts["count"] == 1  # type: ignore[index]
    world.settle()
    installation.pass_by(20)
    assert installation.told() == {}
    assert len(world.money()) == 1


def test_work_that_a_stop_holds_waits_for_the_operator_and_not_for_a_worker(installation: Installation) -> None:
    world = installation.world
    world.subscribe()
    stop_charging(world.ports, ALL, StopCause.PERSON, "a test")
    installation.pass_by(120)
    assert "work_waits" not in installation.told()
    assert [stop.scope for stop in obstacles(world.ports).stops] == [ALL]


def test_a_slow_drain_is_no_standstill(installation: Installation) -> None:
    world = installation.world
    for _ in range(4):
        world.subscribe()
    world.renew()
    *begun, last = [row["id"] for row in world.rows("SELECT id FROM invoices ORDER BY id")]
    for invoice_id in begun:
        installation.pass_by(40)
        assert installation.told() == {}
        world.charge(world.now_of_id(invoice_id))
    assert world.now_of_id(last).status is InvoiceStatus.OPEN
    installation.pass_by(80)
    assert installation.told() == {"work_waits": "charges"}


def test_two_processes_that_look_at_the_same_time_open_one_alert(
    installation: Installation, another_process: Callable[[], World]
) -> None:
    worlds = [installation.world, another_process(), another_process()]
    installation.queues = ("lookups", "notices", "scans")
    installation.world.clock.advance(seconds=EVERY)
    attend(installation.world.ports, Sign(WORKER, Role.WORKER, queues=installation.queues))
    installation.world.clock.advance(seconds=EVERY)
    looking = [threading.Thread(target=watch, args=[each.ports]) for each in worlds]
    for each in looking:
        each.start()
    for each in looking:
        each.join()
    count = "SELECT count(*) AS n FROM alerts WHERE kind = 'queue_unserved'"
    assert installation.world.rows(count)[0]["n"] == 1


def test_webhooks_that_never_came_are_told_with_the_charges(installation: Installation) -> None:
    world = installation.world
    for _ in range(3):
        world.subscribe()
    world.settle()
    world.clock.advance(minutes=5)
    installation.pass_by(80)
    assert "no_notifications" not in installation.told(), "they may still come"
    world.clock.advance(minutes=5)
    installation.pass_by(80)
    assert installation.told() == {"no_notifications": "portone"}
    (alert,) = world.alerts()
    assert alert.facts == {"case": "none", "paid": 3}
    count_refused(world.ports, {("portone", "forbidden"): 7, ("portone", "malformed"): 2})
    installation.pass_by(20)
    (alert,) = world.alerts()
    assert alert.facts == {"case": "refused", "paid": 3, "refused": 9, "reason": "forbidden"}
    world.webhook("imp_1", "m1")
    installation.pass_by(20)
    assert installation.told() == {}


def test_a_flood_of_refused_notifications_is_a_row_an_hour_and_reason(world: World) -> None:
    for _ in range(50):
        count_refused(world.ports, {("portone", "forbidden"): 1000, ("paymentwall", "signature_invalid"): 1})
    assert operation(world.ports).refused == [
        ("portone", "forbidden", 50_000),
        ("paymentwall", "signature_invalid", 50),
    ]
    assert world.rows("SELECT count(*) AS n FROM refused_notifications")[0]["n"] == 2
    world.clock.advance(days=8)
    count_refused(world.ports, {("portone", "malformed"): 1})
    assert operation(world.ports).refused == [("portone", "malformed", 1)]
    assert world.rows("SELECT count(*) AS n FROM refused_notifications")[0]["n"] == 1
