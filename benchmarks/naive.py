"""The Celery worker that most people write first: a scan of what is due, one task a subscription, POST, then UPDATE.

No intent, no lease, no evidence, no webhook: what happens between POST and UPDATE is known to the gateway alone.
Celery's settings are its defaults (a message is acknowledged before its task runs), but for threads instead of
processes, since a charge waits for the gateway most of its time. Settings come from the environment: NAIVE_BROKER,
NAIVE_DATABASE, NAIVE_GATEWAY, NAIVE_IMP_KEY, NAIVE_IMP_SECRET, NAIVE_SCAN (seconds).

`charges.py --naive` runs it.
"""

import os
import threading
import uuid
from functools import cache

import httpx
import psycopg
from celery import Celery

app = Celery("naive", broker=os.environ["NAIVE_BROKER"])
app.conf.update(
    task_default_queue="naive",
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    beat_schedule={"scan": {"task": "naive.scan", "schedule": float(os.environ["NAIVE_SCAN"])}},
)
_own = threading.local()


def database() -> psycopg.Connection:
    """The connection of this thread."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["NAIVE_DATABASE"], autocommit=True)
    connection: psycopg.Connection = _own.connection
    return connection


@cache
def gateway() -> httpx.Client:
    """The client of this process, with its token."""
    client = httpx.Client(base_url=os.environ["NAIVE_GATEWAY"], timeout=30)
    keys = {"imp_key": os.environ["NAIVE_IMP_KEY"], "imp_secret": os.environ["NAIVE_IMP_SECRET"]}
    token = client.post("/users/getToken", json=keys).json()["response"]["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


@app.task(name="naive.scan")  # type: ignore[untyped-decorator]
def scan() -> None:
    """Send a task for each subscription that is due."""
    for (ident,) in database().execute("SELECT id FROM naive_subscriptions WHERE next_charge_at <= now()").fetchall():
        charge.delay(ident)


@app.task(name="naive.charge")  # type: ignore[untyped-decorator]
def charge(ident: int) -> None:
    """Charge one, unless it is charged already."""
    row = database().execute(
        "SELECT customer_uid, amount FROM naive_subscriptions WHERE id = %s AND next_charge_at <= now()", (ident,)
    )
    found = row.fetchone()
    if found is None:
        return
    customer_uid, amount = found
    order = {"merchant_uid": f"order-{ident}-{uuid.uuid4().hex[:12]}", "name": "Subscription"}
    answer = gateway().post("/subscribe/payments/again", json={"customer_uid": customer_uid, "amount": amount} | order)
    payment = answer.json()["response"]
    if payment and payment["status"] == "paid":
        database().execute(
            "UPDATE naive_subscriptions SET next_charge_at = next_charge_at + interval '1 month', charged_at ="
            " clock_timestamp(), imp_uid = %s WHERE id = %s",
            (payment["imp_uid"], ident),
        )
