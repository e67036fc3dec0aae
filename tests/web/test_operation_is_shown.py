"""What a watcher sees of the processes: readiness and metrics; and what the receiver refused, counted by reason."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from web_calls import HINT, assert_problem
from web_helpers import Web, running

from billing_worker.domain.presence import Role, Sign
from billing_worker.domain.queues import Queue
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.ports.presence import Refusals as Counts
from billing_worker.usecases.control.stop_charging import stop_charging
from billing_worker.usecases.control.watch import attend, count_refused
from billing_worker.web.errors import ErrorType
from billing_worker.web.refusals import Refusals

QUEUES = tuple(queue.value for queue in Queue)


def pass_by(web: Web, *signs: Sign) -> None:
    """Two minutes, in which these processes give signs."""
    for _ in range(12):
        web.clock.advance(seconds=10)
        for sign in signs:
            attend(web.ports, sign)


def metrics(web: Web) -> dict[str, float]:
    found = text_string_to_metric_families(web.api.get("/metrics").text)
    samples = [sample for family in found for sample in family.samples]
    return {"/".join([each.name, *(each.labels[name] for name in sorted(each.labels))]): each.value for each in samples}


def test_it_is_not_ready_where_charging_cannot_go_on_and_the_receiver_is(web: Web) -> None:
    beat = Sign("beat@one", Role.BEAT, rung=1.0)
    worker = Sign("celery@one", Role.WORKER, rung=1.0, worked=3.0, queues=QUEUES)
    pass_by(web, beat, worker)
    assert web.api.get("/readyz").status_code == 200
    pass_by(web, beat)
    assert "No worker works" in assert_problem(web.api.get("/readyz"), 503)
    assert "celery@one" not in web.api.get("/readyz").text, "the address is open"
    assert web.api.get("/readyz", params={"part": "receiver"}).status_code == 200
    assert_problem(web.api.get("/readyz", params={"part": "all"}), 422)
    pass_by(web, beat, worker)
    assert web.api.get("/readyz").status_code == 200
    stop_charging(web.ports, ALL, StopCause.PERSON, "a test")
    assert "charging is stopped (person)" in assert_problem(web.api.get("/readyz"), 503)


def test_the_reasons_are_in_one_language(database_url: str) -> None:
    with running(database_url, language="ko") as web:
        pass_by(web, Sign("beat@one", Role.BEAT, rung=1.0))
        stop_charging(web.ports, ALL, StopCause.PERSON, "a test")
        detail = assert_problem(web.api.get("/readyz"), 503)
    assert "No worker works" in detail
    assert detail.isascii()


def test_the_metrics_show_processes_rings_work_and_refusals(web: Web) -> None:
    empty = metrics(web)
    assert empty["billing_last_ring_age_seconds"] == empty["billing_last_work_age_seconds"] == float("inf")
    pass_by(web, Sign("beat@one", Role.BEAT, rung=1.0))
    pass_by(web, Sign("celery@one", Role.WORKER, rung=9.0, worked=3.0, queues=("charges", "scans")))
    count_refused(web.ports, {("portone", "forbidden"): 5})
    seen = metrics(web)
    assert (seen["billing_processes_alive/worker"], seen["billing_processes_silent/worker"]) == (1, 0)
    assert (seen["billing_processes_alive/beat"], seen["billing_processes_silent/beat"]) == (0, 1)
    assert (seen["billing_queue_workers/charges"], seen["billing_queue_workers/lookups"]) == (1, 0)
    assert (seen["billing_last_ring_age_seconds"], seen["billing_last_work_age_seconds"]) == (9, 3)
    assert seen["billing_notifications_refused_day/forbidden/portone"] == 5
    assert seen["billing_payments_without_notification/portone"] == 0
    assert seen["billing_work_unstarted"] == 0


@pytest.fixture
def refused(database_url: str) -> dict[tuple[str, str], int]:
    """What a process with a list of senders wrote down of refused notifications, filled when the process has ended."""
    counts: dict[tuple[str, str], int] = {}
    with running(database_url, attends=True) as web:
        for _ in range(3):
            web.api.post("/webhooks/portone", content=b"{", headers={"Content-Type": "application/json"})
        web.api.post("/webhooks/portone", content=b"x" * 9000, headers={"Content-Type": "application/json"})
        web.api.post("/iamport-callback/schedule", content=b"x", headers={"Content-Type": "text/plain"})
        web.api.get("/webhooks/paymentwall", params={"uid": "u", "goodsid": "g", "type": "0", "ref": "r", "sig": "no"})
        web.api.post("/v1/plans", json={})
        assert web.api.post("/webhooks/portone", json=HINT).status_code == 200
    engine = create_engine(database_url)
    with engine.connect() as connection:
        for row in connection.execute(text("SELECT source, reason, count FROM refused_notifications")):
            counts[row.source, row.reason] = row.count
        counts["processes", ""] = connection.execute(text("SELECT count(*) FROM processes")).scalar_one()
    engine.dispose()
    return counts


def test_refused_notifications_are_counted_by_sender_and_reason(refused: dict[tuple[str, str], int]) -> None:
    assert refused == {
        ("portone", "malformed"): 3,
        ("portone", "too_large"): 1,
        ("portone", "unsupported_media_type"): 1,
        ("paymentwall", "signature_invalid"): 1,
        ("processes", ""): 0,  # the process took leave
    }


def test_counts_that_could_not_be_stored_are_counted_again() -> None:
    refusals = Refusals()
    refusals.add("portone", ErrorType.FORBIDDEN)
    taken: Counts = refusals.taken()
    refusals.add("portone", ErrorType.FORBIDDEN)
    refusals.give_back(taken)
    assert refusals.taken() == {("portone", "forbidden"): 2}
    assert refusals.taken() == {}
