"""More is due than two slow workers can serve: their pace holds, and no queue grows.

The pace is counted in charges per second of the workers' CPU, so that a busy machine changes nothing in it.
A window that is faster than the others is no fault: each is compared with the one in the middle.
"""

import sys
import time
from itertools import pairwise
from statistics import median

import pytest
import redis

from billing_worker.domain.queues import Queue
from billing_worker.usecases.jobs import ROUND
from tests.support.quota import cpu_seconds, held_to
from tests.support.stack import Running, Stack
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

SHARE = 0.1
WINDOW = 1.5
"""CPU seconds of both workers: 7.5 seconds of a quiet machine."""
WINDOWS = 6
WARM_UP = 1
"""Windows before the first one that counts: a worker may still load code and open its connections in it."""
BEGUN = 100
"""Charges before the first window: how much CPU a start takes depends on the machine, and says nothing of the pace."""
LIMIT = 200
LONGEST = 500.0
OVERLOAD = {
    "BILLING_SCAN_LIMIT": str(LIMIT),
    "BILLING_CATCH_UP_RATE": "0",
    "BILLING_CLAIM": "5",
    "BILLING_HTTP_DEADLINE": "10",
    "BILLING_LEASE": "20",
    "BILLING_RESOLVE_FIRST": "2",
}
"""Beat rings fifty scans a second, and a late answer is soon looked up."""


def much_is_due(world: World) -> None:
    """Far more than the workers can charge in time: 300 subscriptions with 90 periods each."""
    plan = world.plan(interval="day")
    for _ in range(300):
        world.subscribe(plan=plan)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE subscriptions SET anchor = anchor - interval '90 days',"
            " next_period_start = next_period_start - interval '90 days'"
        )


def used(workers: list[Running]) -> float:
    return sum(cpu_seconds(worker.process.pid) for worker in workers)


def tell_of_payments(world: World, told: int) -> int:
    """One webhook for each payment, as PortOne sends them; returns how many payments there are."""
    rows = world.rows(
        "SELECT imp_uid, merchant_uid FROM payment_attempts WHERE imp_uid IS NOT NULL"
        " ORDER BY closed_at OFFSET :told LIMIT 200",
        told=told,
    )
    for row in rows:
        world.webhook(row["imp_uid"], row["merchant_uid"])
    return told + len(rows)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the CPU time of a process from /proc")
def test_an_overloaded_worker_slows_down_and_never_stops(world: World, stack: Stack) -> None:
    stack.settings |= OVERLOAD
    workers = [stack.worker(), stack.worker()]
    longest = dict.fromkeys(Queue, 0)
    much_is_due(world)
    marks: list[tuple[float, int]] = []
    deadline, told = time.monotonic() + LONGEST, 0
    with (
        held_to(SHARE, [worker.process.pid for worker in workers]),
        redis.Redis.from_url(stack.settings["BILLING_BROKER_URL"]) as client,
    ):
        stack.beat()
        next_mark = 0.0
        while len(marks) <= WARM_UP + WINDOWS:
            assert time.monotonic() < deadline, f"the workers got too little CPU; so far {marks}"
            told = tell_of_payments(world, told)
            for queue in Queue:
                longest[queue] = max(longest[queue], client.llen(f"billing:{queue}"))
            if (cpu := used(workers)) >= next_mark:
                paid = world.rows("SELECT count(*) AS n FROM invoices WHERE status = 'paid'")[0]["n"]
                if marks or paid >= BEGUN:
                    marks.append((cpu, paid))
                    next_mark = cpu + WINDOW
            time.sleep(0.1)
    pace = [round((paid - before) / (cpu - since)) for (since, before), (cpu, paid) in pairwise(marks)]
    charged = pace[WARM_UP:]
    print(pace, longest)  # noqa: T201 - pytest shows it beside a failure
    stops = world.rows("SELECT cause, reason, opened_at, closed_at FROM stops")
    assert min(charged) >= median(charged) / 2, (pace, longest, stops)
    assert longest[Queue.SCANS] <= 3 * ROUND, longest
    assert max(longest[Queue.LOOKUPS], longest[Queue.NOTICES], longest[Queue.CHARGES]) <= 2 * LIMIT, longest
    rows = world.money()
    assert len({row["merchant_uid"] for row in rows}) == len(rows)
