"""The hourly totals say what a count of all attempts says, in whatever order sessions charge, fold and die."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from billing_worker.domain.latency import BOUNDS_MS, bucket_of
from billing_worker.domain.outcome_counts import FOUND, HOUR, KEPT_FOR, OutcomeCount, hour_of
from billing_worker.domain.payment import Unknown
from billing_worker.domain.try_kind import TryKind
from billing_worker.ports.calls import Answered
from billing_worker.ports.hourly import Counted, Measure
from billing_worker.usecases.charge.begin import begin_renewals
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.incoming import tidy
from billing_worker.usecases.settle.record import record_answers
from tests.builders import EVIDENCE
from tests.support.world import InTurn, World

pytestmark = pytest.mark.long

COUNTED = text("""
    SELECT k.pg_provider AS pg, a.status AS outcome, count(*) AS count,
           CASE WHEN a.found THEN 'found' ELSE coalesce(a.try_kind, 'first') END AS kind
    FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id
    WHERE a.status NOT IN ('in_flight', 'unknown') GROUP BY 1, 2, 4
""")
TOOK = text("SELECT took_ms FROM payment_attempts WHERE took_ms IS NOT NULL")
BEHAVIOURS = ["ok", "decline-limit-1x", "decline-stolen", "ok", "decline-limit"]


def counts(world: World, measure: Measure = Measure.CHARGE) -> Sequence[Counted]:
    with world.ports.database.transaction() as uow:
        return [each for each in uow.books.hourly.all_time() if each.measure == measure]


def assert_exact(world: World) -> None:
    with world.engine.connect() as connection:
        wanted = {(row.pg, row.kind, row.outcome): row.count for row in connection.execute(COUNTED)}
        took = [row.took_ms for row in connection.execute(TOOK)]
    found = {(e.subject, e.kind, e.outcome): e.counted for e in counts(world) if e.outcome != "unknown"}
    assert found == wanted
    calls = counts(world, Measure.CALL)
    assert Counter({each.bucket: each.counted for each in calls}) == Counter(bucket_of(each) for each in took)
    assert sum(each.total_ms for each in calls) == sum(took)
    with world.ports.database.transaction() as uow:
        since = hour_of(world.clock.now()) - KEPT_FOR
        by_hour = [each for kind in (*TryKind, FOUND) for each in uow.books.hourly.outcomes(since, kind)]
        assert uow.books.hourly.sums(since, since + KEPT_FOR + HOUR) == summed_up(by_hour, since)
    summed = Counter[tuple[str, str, str]]()
    for each in by_hour:
        summed[each.pg, each.kind, each.outcome] += each.count if each.outcome != "unknown" else 0
    assert +summed == wanted, "each hour that is kept says the same as all of them"


def summed_up(counts: Sequence[OutcomeCount], since: datetime) -> list[OutcomeCount]:
    summed = Counter[tuple[str, str, str]]()
    for each in counts:
        summed[each.pg, each.kind, each.outcome] += each.count
    return [OutcomeCount(since, *key, count) for key, count in sorted(summed.items())]


def charged(world: World) -> None:
    """A week of first tries and retries."""
    plan = world.plan(1000, interval="month")
    for behaviour in BEHAVIOURS:
        world.subscribe(behaviour, plan=plan)
    world.run_until(world.clock.now() + timedelta(days=8))


def test_outcomes_kinds_and_times_are_counted_as_they_are_known(world: World) -> None:
    charged(world)
    assert_exact(world)
    kinds = {(each.kind, each.outcome) for each in counts(world)}
    assert {("first", "approved"), ("first", "declined"), ("retry", "approved"), ("retry", "declined")} <= kinds
    assert sum(each.counted for each in counts(world) if each.kind == "first") == len(BEHAVIOURS)
    waits = counts(world, Measure.WAIT)
    attempts = world.rows("SELECT count(*) AS n FROM payment_attempts")[0]["n"]
    assert sum(each.counted for each in waits) == attempts
    before = counts(world), counts(world, Measure.CALL), waits
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.rows("SELECT * FROM hourly_deltas") == []
    assert (counts(world), counts(world, Measure.CALL), counts(world, Measure.WAIT)) == before
    assert_exact(world)


def test_a_retry_by_hand_is_a_kind_of_its_own(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    (invoice,) = world.invoices(subscription)
    retry_now(world.ports, invoice.id)
    world.settle()
    assert {(each.kind, each.counted) for each in counts(world)} == {("first", 1), ("by_hand", 1)}


def test_an_unclear_answer_counts_then_and_its_outcome_later_and_its_call_once(world: World) -> None:
    subscription = world.subscribe()
    (intent,) = begin_renewals(world.ports, [subscription.id]).intents
    world.ports.gateway.charge(intent.request)
    took = timedelta(milliseconds=2_400)
    record_answers(world.ports, [Answered(intent.attempt_id, intent.fence, Unknown("lost", EVIDENCE), took)])
    assert [(each.outcome, each.counted) for each in counts(world)] == [("unknown", 1)]
    world.clock.advance(hours=1)
    world.settle()
    assert {(each.outcome, each.counted) for each in counts(world)} == {("approved", 1), ("unknown", 1)}
    (call,) = counts(world, Measure.CALL)
    assert (call.bucket, call.counted, call.total_ms) == (bucket_of(2_400), 1, 2_400)
    (wait,) = counts(world, Measure.WAIT)
    assert wait.counted == 1
    recount(world.engine)
    assert {(each.outcome, each.counted) for each in counts(world)} == {("approved", 1), ("unknown", 1)}


def test_what_is_rolled_back_counts_nothing(world: World) -> None:
    """A worker that dies between the answer and its commit leaves the attempt open, and nothing counted."""
    subscription = world.subscribe()
    (intent,) = begin_renewals(world.ports, [subscription.id]).intents
    with world.engine.connect() as connection:
        connection.execute(text("UPDATE payment_attempts SET status = 'unknown', took_ms = 5"))
        assert connection.execute(text("SELECT count(*) FROM hourly_deltas")).scalar_one() > 0
        connection.rollback()
    assert counts(world) == counts(world, Measure.CALL) == counts(world, Measure.WAIT) == []
    outcome = world.ports.gateway.charge(intent.request)
    record_answers(world.ports, [Answered(intent.attempt_id, intent.fence, outcome)])
    assert_exact(world)


def test_a_chunk_is_counted_by_few_rows(world: World) -> None:
    plan = world.plan(1000)
    members = [world.subscribe(plan=plan).id for _ in range(20)]
    change(world.engine, "TRUNCATE hourly_deltas")
    begun = begin_renewals(world.ports, members)
    assert world.rows("SELECT * FROM hourly_deltas") == [], "an attempt that begins has no outcome"
    answers = [
        Answered(each.attempt_id, each.fence, world.ports.gateway.charge(each.request), timedelta(milliseconds=300))
        for each in begun.intents
    ]
    record_answers(world.ports, answers)
    rows = world.rows("SELECT measure, counted FROM hourly_deltas ORDER BY measure")
    assert rows == [{"measure": name, "counted": 20} for name in ("call", "charge", "wait")]
    assert_exact(world)


def test_folding_beside_answers_loses_and_doubles_nothing(world: World) -> None:
    """Two that fold and one that records, all at once; every view between must be exact."""
    plan = world.plan(1000)
    for _ in range(40):
        world.subscribe(plan=plan)
    together = replace(world.ports, calls=InTurn(world.ports.gateway))
    members = [row["id"] for row in world.rows("SELECT id FROM subscriptions ORDER BY id")]

    def charge() -> None:
        for member in members:
            begun = begin_renewals(together, [member])
            for intent in begun.intents:
                outcome = together.gateway.charge(intent.request)
                record_answers(together, [Answered(intent.attempt_id, intent.fence, outcome, timedelta(seconds=1))])

    def fold() -> None:
        while not charging.done():
            with world.ports.database.transaction() as uow:
                uow.books.hourly.fold(3)
                uow.commit()

    with ThreadPoolExecutor(3) as pool:
        charging = pool.submit(charge)
        folding = [pool.submit(fold) for _ in range(2)]
        while not charging.done():
            with world.engine.connect() as connection:
                seen = connection.execute(SEEN_AT_ONCE).one()
            assert seen.kept == seen.counted
        for work in (charging, *folding):
            work.result()
    assert_exact(world)


SEEN_AT_ONCE = text("""
    SELECT (SELECT count(*) FROM payment_attempts WHERE status <> 'in_flight') AS counted,
           (SELECT coalesce(sum(counted), 0) FROM (
               SELECT measure, counted FROM hourly_totals WHERE hour = 'epoch'
               UNION ALL SELECT measure, counted FROM hourly_deltas) k WHERE measure = 'charge') AS kept
""")


def recount(engine: Engine) -> None:
    change(engine, "SELECT recount_outcomes()")


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("folded", [True, False])
def test_a_recount_adds_what_is_missing_and_nothing_else(world: World, *, folded: bool) -> None:
    charged(world)
    if folded:
        tidy.tidy(world.ports, tidy.INBOX)
    before = deltas(world)
    recount(world.engine)
    assert deltas(world) == before, "nothing was missing"
    change(world.engine, "TRUNCATE hourly_deltas")
    change(world.engine, "DELETE FROM hourly_totals WHERE kind = 'retry' OR measure = 'wait'")
    recount(world.engine)
    assert_exact(world)
    tidy.tidy(world.ports, tidy.INBOX)
    assert_exact(world)
    recount(world.engine)
    assert deltas(world) == 0


def deltas(world: World) -> int:
    return int(world.rows("SELECT count(*) AS n FROM hourly_deltas")[0]["n"])


def test_hours_end_and_the_totals_of_all_time_stay(world: World) -> None:
    charged(world)
    tidy.tidy(world.ports, tidy.INBOX)
    all_time = counts(world)
    world.clock.advance(days=KEPT_FOR.days + 1)
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.rows("SELECT * FROM hourly_totals WHERE hour > 'epoch'") == []
    assert counts(world) == all_time
    recount(world.engine)
    tidy.tidy(world.ports, tidy.INBOX)
    assert counts(world) == all_time


def test_a_notification_is_counted_when_it_is_applied(world: World) -> None:
    world.subscribe()
    world.settle()
    (paid,) = world.money()
    world.webhook(paid["imp_uid"], paid["merchant_uid"])
    assert counts(world, Measure.NOTIFICATION) == [], "what says nothing new waits for nothing"
    world.sandbox.control("/operator/cancel", imp_uid=paid["imp_uid"], amount=300)
    world.webhook(paid["imp_uid"], paid["merchant_uid"], "cancelled")
    world.settle()
    (applied,) = counts(world, Measure.NOTIFICATION)
    assert (applied.subject, applied.counted) == ("portone", 1)


def test_the_bounds_of_the_database_are_those_of_the_code(world: World) -> None:
    edges = sorted({0, *BOUNDS_MS, *(each + 1 for each in BOUNDS_MS), *(each - 1 for each in BOUNDS_MS)})
    subscription = world.subscribe()
    world.settle()
    attempt = world.attempt(world.invoice(subscription)).id
    for edge in edges:
        change(world.engine, f"UPDATE payment_attempts SET took_ms = NULL WHERE id = '{attempt}'")  # noqa: S608
        change(world.engine, "TRUNCATE hourly_deltas")
        change(world.engine, f"UPDATE payment_attempts SET took_ms = {edge} WHERE id = '{attempt}'")  # noqa: S608
        (call,) = counts(world, Measure.CALL)
        assert (call.bucket, call.total_ms) == (bucket_of(edge), edge)


def test_the_upgrade_counts_what_is_there(world: World) -> None:
    """The first count of an installation that charged before: the triggers had counted nothing."""
    charged(world)
    change(world.engine, "TRUNCATE hourly_deltas, hourly_totals")
    recount(world.engine)
    assert_exact(world)
