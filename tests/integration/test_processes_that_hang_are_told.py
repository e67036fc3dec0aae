"""A frozen beat, a frozen and a killed worker, a queue cancelled by Celery's own broadcast: an alert tells each.

The web process looks, which takes from no queue; beat looks where the web process is the one that hangs.
"""

import json
import signal
from collections.abc import Iterator

import httpx
import pytest
from celery import Celery

from billing_worker.runtime import free_port
from tests.support.stack import Running, Stack, eventually
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1200)]

SILENT_AFTER = 6
TOKEN = "a-token-for-the-metrics"
LONG = 90


@pytest.fixture
def web(stack: Stack) -> Iterator[httpx.Client]:
    """A web process of its own, which watches."""
    port = str(free_port())
    stack.settings |= {"BILLING_SILENT_AFTER": str(SILENT_AFTER), "BILLING_API_TOKEN": TOKEN, "BILLING_WEB_PORT": port}
    stack.program("web", "billing_worker", "web")
    header = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=header, timeout=60, trust_env=False) as client:
        yield client


def ready(web: httpx.Client, part: str = "charging") -> int:
    try:
        return web.get("/readyz", params={"part": part}).status_code
    except httpx.TransportError:
        return 0


def told(world: World) -> dict[str, str]:
    return {alert.kind: alert.subject_id for alert in world.alerts()}


def freeze(process: Running) -> None:
    process.process.send_signal(signal.SIGSTOP)


def thaw(process: Running) -> None:
    process.process.send_signal(signal.SIGCONT)


def watched(world: World) -> bool:
    """Whether the processes were looked at for long enough."""
    return bool(
        world.rows(f"SELECT FROM process_watches WHERE seen_at - since > interval '{SILENT_AFTER} seconds'")
        and len(world.rows("SELECT FROM processes")) == 3
        and not told(world)
    )


def test_frozen_and_killed_processes_are_told_and_charging_is_not_ready(
    world: World, stack: Stack, web: httpx.Client
) -> None:
    worker, beat = stack.worker(), stack.beat()
    eventually(lambda: watched(world) and ready(web) == 200, "all work", LONG)

    freeze(beat)
    eventually(lambda: told(world) == {"not_rung": "beat"}, "a frozen beat is told", LONG)
    assert ready(web) == 503
    assert "Beat does not ring" in web.get("/readyz").json()["detail"]
    assert ready(web, "receiver") == 200
    thaw(beat)
    eventually(lambda: told(world) == {} and ready(web) == 200, "it rings again", LONG)

    freeze(worker)
    eventually(lambda: told(world).get("no_worker") == "worker", "a frozen worker is told", LONG)
    assert ready(web) == 503
    assert 'billing_processes_silent{role="worker"} 1.0' in web.get("/metrics").text
    doctor = stack.program("doctor", "billing_worker", "doctor", "--json")
    assert doctor.wait() == 1
    checks = {each["check"]: each for each in json.loads(doctor.output)["checks"]}
    assert (checks["workers"]["verdict"], "worker" in checks["workers"]["detail"]) == ("fail", True)
    assert "celery -A tasks worker" in checks["workers"]["way_out"]
    assert checks["broker messages"]["verdict"] == checks["transaction"]["verdict"] == "ok"
    thaw(worker)
    eventually(lambda: told(world) == {}, "it works again", LONG)

    worker.kill()
    eventually(lambda: told(world).get("no_worker") == "worker", "a killed worker is told", LONG)
    assert worker.name in world.alerts()[0].facts["workers"]  # type: ignore[index,operator]
    other = stack.worker()
    eventually(lambda: "no_worker" not in told(world), "another one works", LONG)
    assert other.stop() == 0
    eventually(lambda: "no_worker" in told(world), "none is left", LONG)
    names = [row["name"] for row in world.rows("SELECT name FROM processes WHERE role = 'worker'")]
    assert names == [f"{worker.name}@test"], "only the killed one left without a farewell"


def test_a_queue_that_a_broadcast_cancelled_is_told_and_named(world: World, stack: Stack, web: httpx.Client) -> None:
    stack.worker()
    stack.beat()
    eventually(lambda: watched(world) and ready(web) == 200, "all work", LONG)
    options = {"global_keyprefix": "billing:"}
    with Celery("operator", broker=stack.settings["BILLING_BROKER_URL"], broker_transport_options=options) as app:
        app.control.cancel_consumer("charges", reply=True, timeout=10)
        world.subscribe()
        eventually(lambda: told(world).get("queue_unserved") == "charges", "the queue is told", LONG)
        eventually(lambda: told(world).get("work_waits") == "charges", "the work that waits is told, too", LONG)
        assert ready(web) == 503
        assert 'billing_queue_workers{queue="charges"} 0.0' in web.get("/metrics").text
        opened = [row["kind"] for row in world.rows("SELECT kind FROM alerts ORDER BY id")]
        assert (opened.count("queue_unserved"), opened.count("work_waits")) == (1, 1)
        app.control.add_consumer("charges", reply=True, timeout=10)
        eventually(lambda: told(world) == {}, "both close", LONG)
    assert len(world.money()) == 1


def test_a_web_process_that_hangs_is_told_by_the_others(world: World, stack: Stack, web: httpx.Client) -> None:
    stack.worker()
    stack.beat()
    eventually(lambda: watched(world) and ready(web) == 200, "all work", LONG)
    hanging = next(each for each in stack.processes if each.name == "web")
    freeze(hanging)
    eventually(lambda: "process_silent" in told(world), "beat or a worker tells of it", LONG)
    assert told(world)["process_silent"].startswith("web@")
