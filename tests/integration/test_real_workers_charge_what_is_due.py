"""`celery -A tasks worker` and `celery -A tasks beat` as processes, on real servers, against the sandbox's ledger."""

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis
from celery import Celery
from celery.events.receiver import EventReceiver

from billing_worker.domain.subscription import Subscription
from tests.support.servers import Servers
from tests.support.stack import Stack, eventually, settings_for, stack_of
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]

KEY_PREFIX = {"global_keyprefix": "billing:"}


def due_since(world: World, days: int, behaviour: str = "ok", **more: Any) -> Subscription:
    """A daily subscription that began so many days ago: one period more than days is due now."""
    start = world.clock.now() + timedelta(days=1)  # not before it is backdated
    subscription = world.subscribe(behaviour, plan=world.plan(interval="day"), start=start, **more)
    world.backdate(subscription, world.clock.now() - timedelta(days=days, minutes=1))
    return subscription


def paid(world: World, subscription: Subscription, periods: int) -> bool:
    return [invoice.status for invoice in world.invoices(subscription)].count("paid") == periods


def all_paid(world: World, count: int, seconds: float = 60) -> None:
    """Wait until so many invoices are paid and none is open."""

    def probe() -> bool:
        (row,) = world.rows("SELECT count(*) AS n, count(*) FILTER (WHERE status = 'paid') AS paid FROM invoices")
        return row["n"] == row["paid"] == count

    eventually(probe, f"{count} invoices are paid", seconds)


def each_charged_once(world: World) -> None:
    rows = world.money()
    assert len(rows) == len({row["merchant_uid"] for row in rows})
    world.assert_books_agree()


@contextmanager
def listening(broker_url: str, kind: str) -> Iterator[list[dict[str, Any]]]:
    """Collect Celery events of a kind, as Flower does."""
    app = Celery("listener", broker=broker_url, broker_transport_options=KEY_PREFIX)
    got: list[dict[str, Any]] = []
    ready = threading.Event()

    class Listener(EventReceiver):
        def on_consume_ready(self, *arguments: Any, **more: Any) -> None:
            super().on_consume_ready(*arguments, **more)
            ready.set()

    with app.connection_for_read() as connection:
        receiver = Listener(connection, handlers={kind: got.append}, app=app)

        def capture() -> None:
            while not receiver.should_stop:
                with suppress(TimeoutError):  # nothing came for a second
                    for _ in receiver.consume(limit=None, timeout=1, safety_interval=0.2):
                        if receiver.should_stop:
                            break

        thread = threading.Thread(target=capture)
        thread.start()
        try:
            assert ready.wait(15)
            yield got
        finally:
            receiver.should_stop = True
            thread.join(15)
    app.close()


def test_due_subscriptions_are_charged_end_to_end_and_an_unlock_is_a_celery_event(world: World, stack: Stack) -> None:
    ordinary = [due_since(world, 1) for _ in range(3)]
    customer_uid, key, _ = world.paymentwall_key()
    waiting = due_since(world, 0, key=key)
    stack.worker()
    stack.beat()
    eventually(lambda: all(paid(world, one, 2) for one in ordinary), "the ordinary ones are paid")
    assert world.invoice(waiting).status == "open"
    with listening(stack.settings["BILLING_BROKER_URL"], "billing-key-activated") as events:
        world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
        world.pingback(customer_uid)
        eventually(lambda: paid(world, waiting, 1), "what waited for the key is paid")
        eventually(lambda: events, "the unlock is told")
    assert key is not None
    assert [event["billing_key_id"] for event in events] == [key.id]
    each_charged_once(world)


def test_a_worker_tells_with_its_heartbeat_what_its_charges_came_to(world: World, stack: Stack) -> None:
    stack.worker()
    with listening(stack.settings["BILLING_BROKER_URL"], "billing-charges") as events:
        subscriptions = [due_since(world, 0) for _ in range(3)]
        stack.beat()
        eventually(lambda: all(paid(world, one, 1) for one in subscriptions), "all are paid")
        eventually(lambda: sum(event["approved"] for event in events) == len(subscriptions), "all are told")
    assert {event["declined"] + event["failed"] + event["unknown"] for event in events} == {0}
    assert all(event["rate"] >= 0 and event["under_way"] >= 0 for event in events)
    each_charged_once(world)


@pytest.mark.fm("B4")
@pytest.mark.fm("C2")
@pytest.mark.fm("C7")
@pytest.mark.fm("D1")
@pytest.mark.parametrize("behaviour", ["slow", "slow-answer"])
def test_a_worker_that_is_killed_during_the_call_leaves_one_payment(world: World, stack: Stack, behaviour: str) -> None:
    """`slow` charges after the worker died, `slow-answer` before."""
    due_since(world, 0)
    victim = world.key()
    world.sandbox.rule(behaviour, customer_uid=victim.customer_uid, delay=1.5)
    worker = stack.worker()
    stack.beat()
    eventually(world.money, "something is paid, for control reads")
    subscription = due_since(world, 0, key=victim)
    open_attempt = "SELECT * FROM payment_attempts WHERE status = 'in_flight' AND billing_key_id = :key"
    eventually(lambda: world.rows(open_attempt, key=victim.id), "the call is on its way")
    eventually(lambda: not world.sandbox.rules(), "the gateway has the request, and does not answer yet")
    worker.kill()
    stack.worker()
    eventually(lambda: paid(world, subscription, 1), "the killed worker's charge is resolved")
    assert len(world.ledger(victim)) == 1
    each_charged_once(world)


@pytest.mark.fm("B6")
@pytest.mark.fm("B1")
def test_a_redis_that_forgets_everything_again_and_again_costs_no_period(world: World, stack: Stack) -> None:
    for _ in range(8):
        due_since(world, 4)
    stack.worker()
    stack.beat()
    with redis.Redis.from_url(stack.settings["BILLING_BROKER_URL"]) as client:
        for share in (5, 15, 25):
            eventually(lambda share=share: len(world.money()) >= share, f"{share} are paid")
            client.flushdb()
    all_paid(world, 40)
    each_charged_once(world)


@pytest.mark.fm("A4")
def test_two_beats_and_two_workers_charge_each_period_once(world: World, stack: Stack) -> None:
    for behaviour in ("ok", "ok", "webhook-never", "drop-after-charge-1x", "amount-string", "garbled-1x"):
        for _ in range(2):
            due_since(world, 2, behaviour)
    for _ in range(2):
        stack.beat()
        stack.worker(ready=False)
    all_paid(world, 36)
    each_charged_once(world)


@pytest.mark.fm("B7")
def test_a_worker_outlives_a_redis_that_restarts_while_a_charge_is_on_its_way(
    world: World, servers: Servers, tmp_path: Path
) -> None:
    with servers.redis() as server:
        settings = settings_for(world.database_url, server.start(), world.sandbox.url, world.environment)
        with stack_of(settings, tmp_path) as stack:
            worker = stack.worker()
            stack.beat()
            slow = world.key()
            world.sandbox.rule("slow-answer", customer_uid=slow.customer_uid, delay=2)
            first = due_since(world, 0, key=slow)
            eventually(lambda: world.money(slow), "the call is on its way")
            server.stop()
            server.start()
            eventually(lambda: paid(world, first, 1), "the charge on its way is recorded")
            second = due_since(world, 1)
            eventually(lambda: paid(world, second, 2), "the worker goes on", 60)
            assert worker.alive
    each_charged_once(world)


@pytest.mark.fm("J1")
@pytest.mark.fm("C36")
def test_a_worker_that_is_asked_to_stop_ends_its_charge_first(world: World, stack: Stack) -> None:
    slow = world.key()
    world.sandbox.rule("slow-answer", customer_uid=slow.customer_uid, delay=1)
    worker = stack.worker()
    stack.beat()
    subscription = due_since(world, 0, key=slow)
    eventually(lambda: world.money(slow), "the call is on its way")
    assert worker.stop() == 0
    assert paid(world, subscription, 1)


def send(stack: Stack, messages: list[tuple[bytes, str, str]]) -> None:
    """Put messages into the queue of charges, as an attacker with access to Redis: (body, content type, task)."""
    broker = kombu.Connection(stack.settings["BILLING_BROKER_URL"], transport_options=KEY_PREFIX)
    with broker as connection, connection.Producer() as producer:
        for number, (body, kind, task) in enumerate(messages):
            headers = {"lang": "py", "task": task, "id": f"forged-{number}", "root_id": None, "parent_id": None}
            producer.publish(body, content_type=kind, content_encoding="utf-8", headers=headers, routing_key="charges")


def goes_on(world: World, stack: Stack) -> None:
    """The worker takes all messages out of the queue, and charges what is due."""
    stack.beat()
    subscription = due_since(world, 0)
    eventually(lambda: paid(world, subscription, 1), "the worker goes on")
    with redis.Redis.from_url(stack.settings["BILLING_BROKER_URL"]) as client:
        eventually(lambda: client.llen("billing:charges") == 0, "the forged messages are gone")
    assert len(world.ledger()) == 1


@pytest.mark.fm("B11")
@pytest.mark.fm("B13")
@pytest.mark.fm("B14")
def test_pickled_and_forged_messages_are_refused_and_the_worker_lives(
    world: World, stack: Stack, tmp_path: Path
) -> None:
    worker, canary = stack.worker(), tmp_path / "executed"
    json = "application/json"
    messages = [
        (pickle.dumps(Opens(str(canary))), "application/x-python-serialize", "billing.collect"),
        (b"!!python/object/apply:os.system ['true']", "application/x-yaml", "billing.collect"),
        (b"{not json", json, "billing.collect"),
        (b'[["inv_0000000000000000"], {}, {}]', json, "billing.collect"),
        (b'[["inv_x", 1, 2, 3], {"amount": 1}, {}]', json, "billing.collect"),
        (b'[[{"$ne": null}], {}, {}]', json, "billing.collect"),
        (b'[["sub_x"], {}, {}]', json, "billing.renew"),
        (b'[["notanumber"], {}, {}]', json, "billing.apply"),
        (b"[[], {}, {}]", json, "os.system"),
    ]
    send(stack, messages)
    goes_on(world, stack)
    assert worker.alive
    assert not canary.exists()


@pytest.mark.fm("B12")
def test_messages_whose_body_is_no_call_of_a_task_are_thrown_away_and_the_worker_lives(
    world: World, stack: Stack
) -> None:
    """Unrefused, each of them ends a celery 5.7.0 worker, returns to the queue, and ends the next one."""
    worker = stack.worker()
    bodies = [b"[]", b"7", b"null", b'"text"', b"[1, 2, 3]", b'{"args": 1}', b'[[], [], "x"]']
    send(stack, [(body, "application/json", "billing.collect") for body in bodies])
    goes_on(world, stack)
    assert worker.alive


class Opens:
    """What a forger would send: reading it back runs a program."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


# -- wrong settings


@pytest.mark.fm("J5")
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"BILLING_SCAN_INTERVAL": "often"}, "BILLING_SCAN_INTERVAL"),
        ({"BILLING_SCAN_INTERVALL": "3"}, "did you mean BILLING_SCAN_INTERVAL?"),
        ({"BILLING_HTTP_DEADLINE": "60"}, "BILLING_HTTP_DEADLINE"),
        ({"BILLING_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/none"}, "BILLING_DATABASE_URL"),
        ({"BILLING_DATABASE_URL": "mysql://u@127.0.0.1/none"}, "only PostgreSQL"),
        ({"BILLING_DATABASE_URL": ""}, "BILLING_DATABASE_URL"),
        ({"BILLING_BROKER_URL": "redis://:hunter2@127.0.0.1:1/0"}, "BILLING_BROKER_URL"),
        ({"BILLING_BROKER_URL": "amqp://127.0.0.1"}, "only Redis"),
        ({"BILLING_BROKER_URL": ""}, "BILLING_BROKER_URL"),
        ({"BILLING_PORTONE_IMP_SECRET": ""}, "BILLING_PORTONE_IMP_SECRET"),
        ({"BILLING_PORTONE_IMP_KEY": "", "BILLING_PORTONE_IMP_SECRET": ""}, "BILLING_PORTONE_IMP_KEY"),
        (
            {
                "BILLING_TIME_MACHINE": "2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z",
                "BILLING_PORTONE_API_URL": "https://api.iamport.kr",
            },
            "BILLING_TIME_MACHINE",
        ),
    ],
)
def test_a_worker_with_a_wrong_setting_ends_with_one_clear_line(
    stack: Stack, wrong: dict[str, str], named: str
) -> None:
    ends_with_one_line(stack, wrong, named)


def test_a_worker_on_a_database_without_tables_ends_with_the_way_out(stack: Stack, empty_database_url: str) -> None:
    ends_with_one_line(stack, {"BILLING_DATABASE_URL": empty_database_url}, "billing-worker db upgrade")


def ends_with_one_line(stack: Stack, wrong: dict[str, str], named: str) -> None:
    running = stack.worker(ready=False, **wrong)
    status = running.wait()
    lines = [line for line in running.output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("billing-worker: ")]
    assert status not in (0, -9), running.output
    assert len(said) == 1, running.output
    assert named in said[0]
    assert "Traceback" not in running.output
    assert "hunter2" not in running.output
    assert len(lines) == 1, running.output
