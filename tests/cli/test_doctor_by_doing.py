"""`doctor` does what a worker does: a server that answers a ping may still refuse that, or hang."""

import json
import socket
from datetime import timedelta
from typing import Any

import pytest
import redis
from cli_helpers import Command, Said
from sqlalchemy import text

from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.domain.presence import Role, Sign
from billing_worker.domain.queues import Queue
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.watch import attend, count_refused
from tests.support.clock import RunningClock
from tests.support.sandbox import Sandbox
from tests.support.world import World

QUEUES = tuple(queue.value for queue in Queue)


def findings(said: Said) -> dict[str, Any]:
    return {each["check"]: each for each in json.loads(said.out)["checks"]}


@pytest.fixture
def now(world: World) -> Ports:
    """Ports on the time that the command lines see."""
    return world.with_ports(clock=RunningClock()).ports


def test_a_broker_that_hangs_is_told_and_the_doctor_ends(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()  # it takes connections, and never answers
        monkeypatch.setenv("BILLING_BROKER_URL", f"redis://127.0.0.1:{hanging.getsockname()[1]}/0")
        monkeypatch.setattr("billing_worker.bootstrap.BROKER_SECONDS", 0.2)
        said = billing("doctor", "--json")
    assert said.status == 1
    assert findings(said)["broker"]["verdict"] == "fail"
    assert "BILLING_BROKER_URL" in findings(said)["broker"]["detail"]


def test_a_broker_that_answers_and_takes_nothing_is_told_with_the_way_out(
    billing: Command, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_BROKER_URL", broker_url)
    with redis.Redis.from_url(broker_url) as client:
        well = findings(billing("doctor", "--json"))
        assert well["broker messages"]["verdict"] == "ok"
        assert client.keys("billing:doctor:*") == []
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        try:
            said = billing("doctor", "--json")
        finally:
            client.config_set("maxmemory", "0")
    found = findings(said)
    assert said.status == 1
    assert found["broker"]["verdict"] == "ok", "it answers a ping"
    assert found["broker messages"]["verdict"] == "fail"
    assert "maxmemory" in found["broker messages"]["way_out"]


def test_a_lock_that_a_session_holds_is_told_and_the_rehearsal_leaves_nothing(billing: Command, world: World) -> None:
    assert findings(billing("doctor", "--json"))["transaction"]["verdict"] == "ok"
    assert world.rows("SELECT FROM process_watches") == []
    with world.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.CHARGING.value})
        said = billing("doctor", "--json")
    found = findings(said)["transaction"]
    assert said.status == 1
    assert (found["verdict"], "pg_stat_activity" in found["way_out"]) == ("fail", True)


def test_missing_and_silent_processes_are_named(billing: Command, now: Ports) -> None:
    found = findings(billing("doctor", "--json"))
    assert (found["workers"]["verdict"], "no worker runs" in found["workers"]["detail"]) == ("warn", True)
    attend(now, Sign("celery@one", Role.WORKER, rung=2.0, worked=5.0, queues=QUEUES))
    attend(now, Sign("beat@one", Role.BEAT, rung=1.0))
    found = findings(billing("doctor", "--json"))
    assert {found[name]["verdict"] for name in ("workers", "beat", "processes", "due work")} == {"ok"}
    assert "beat: 1" in found["processes"]["detail"]
    attend(now, Sign("celery@one", Role.WORKER, seen=300.0, rung=300.0, worked=305.0, queues=QUEUES))
    attend(now, Sign("beat@one", Role.BEAT, seen=300.0, rung=300.0))
    said = billing("doctor", "--json")
    found = findings(said)
    assert said.status == 1
    assert (found["workers"]["verdict"], "celery@one" in found["workers"]["detail"]) == ("fail", True)
    assert (found["beat"]["verdict"], "beat@one" in found["beat"]["detail"]) == ("fail", True)


def test_the_doctor_speaks_korean_of_a_queue_that_none_takes(
    billing: Command, now: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend(now, Sign("celery@one", Role.WORKER, rung=1.0, queues=("lookups", "notices", "scans")))
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    found = findings(billing("doctor", "--json"))
    assert found["workers"]["verdict"] == "fail"
    assert "charges 큐의 일을 받는 워커가 없습니다" in found["workers"]["detail"]


def test_a_webhook_that_never_came_and_what_was_refused_are_told(
    billing: Command, world: World, now: Ports, with_gateway: Sandbox
) -> None:
    assert with_gateway
    for _ in range(4):
        world.subscribe()
    world.settle()
    count_refused(now, {("portone", "forbidden"): 12, ("paymentwall", "signature_invalid"): 1})
    with world.engine.begin() as connection:
        an_hour_ago = {"at": RunningClock().now() - timedelta(hours=1)}
        connection.execute(text("UPDATE payment_attempts SET started_at = :at, closed_at = :at"), an_hour_ago)
    found = findings(billing("doctor", "--json"))
    told = found["notifications"]
    assert told["verdict"] == "warn"
    assert "portone" in told["detail"]
    assert "4 paid charges" in told["detail"]
    assert "12 were refused, most of them as forbidden" in told["detail"]
    assert "portone forbidden 12, paymentwall signature_invalid 1" in found["refused notifications"]["detail"]
