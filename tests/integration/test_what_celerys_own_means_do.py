"""`-c`, rate limits and revoking, on real workers: docs/rooms/charge.md says what each of them still means."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
import redis
from celery import Celery

from billing_worker.usecases.jobs import CHUNK
from tests.support.stack import Stack, eventually
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

SLOW = 2.0


@contextmanager
def celery_of(stack: Stack) -> Iterator[Celery]:
    """A client, as an operator's `celery -A tasks control` is."""
    options = {"global_keyprefix": "billing:"}
    with Celery("operator", broker=stack.settings["BILLING_BROKER_URL"], broker_transport_options=options) as app:
        yield app


def many_due(world: World, count: int) -> None:
    """So many subscriptions whose first period is due now."""
    plan = world.plan()
    for _ in range(count):
        world.subscribe(plan=plan)


def count(world: World, status: str) -> int:
    (row,) = world.rows("SELECT count(*) AS n FROM payment_attempts WHERE status = :status", status=status)
    return int(row["n"])


def test_one_thread_has_many_calls_under_way(world: World, stack: Stack) -> None:
    world.sandbox.rule("slow-answer", times=None, delay=SLOW)
    many_due(world, CHUNK)
    stack.worker(BILLING_WORKER_CONCURRENCY="1")
    stack.beat()
    eventually(lambda: count(world, "in_flight") > 1, "one thread has several calls under way")
    eventually(lambda: count(world, "approved") == CHUNK, "all are paid")
    assert len(world.money()) == CHUNK


def test_a_rate_limit_counts_chunks(world: World, stack: Stack) -> None:
    stack.settings["BILLING_CLAIM"] = "60"
    stack.worker()
    with celery_of(stack) as app:
        said = app.control.rate_limit("billing.renew", "12/m", reply=True, timeout=10)
        assert "ok" in str(said)
        many_due(world, 3 * CHUNK)
        stack.beat()
        eventually(lambda: count(world, "approved") == 3 * CHUNK, "all are paid", 90)
    begun = [row["at"] for row in world.rows("SELECT started_at AS at FROM payment_attempts ORDER BY 1")]
    pauses = [after - before for before, after in pairwise(begun)]
    long = [place + 1 for place, pause in enumerate(pauses) if pause > timedelta(seconds=2)]
    assert long == [CHUNK, 2 * CHUNK], "five seconds lie between two chunks, and nothing between the calls of one"
    assert len(world.money()) == 3 * CHUNK


def test_what_a_revoked_message_asked_for_is_charged_nevertheless(world: World, stack: Stack) -> None:
    many_due(world, 3)
    stack.start("scans", "worker", "-Q", "scans", "--hostname", "scans@test")
    stack.beat()
    server = stack.start("charges", "worker", "--loglevel", "INFO", "-Q", "notices", "--hostname", "charges@test")
    eventually(lambda: "ready." in server.output, "the other worker takes work")
    with celery_of(stack) as app, redis.Redis.from_url(stack.settings["BILLING_BROKER_URL"]) as client:
        waiting = eventually(lambda: client.lrange("billing:charges", 0, -1), "the work is in the queue")
        ids = [json.loads(message)["headers"]["id"] for message in waiting]
        app.control.revoke(ids, destination=["charges@test"], reply=True, timeout=10)
        app.control.add_consumer("charges", destination=["charges@test"], reply=True, timeout=10)
        eventually(lambda: count(world, "approved") == 3, "claimed again, and charged")
    assert len(world.money()) == 3
