"""Subscriptions that fall due at one instant, and how their charges went by our own books."""

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from statistics import median, quantiles
from typing import Any

import psycopg

from billing_worker.domain.calendar import AnchoredCalendar, Unit
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.subscription.create_plan import create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

SETTLED = "SELECT count(*) FROM invoices WHERE status <> 'open' OR declines > 0 OR awaits_key"
APPROVED = """
    SELECT count(*), min(extract(epoch FROM started_at))::float, max(extract(epoch FROM closed_at))::float,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at)::float)
    FROM payment_attempts WHERE status = 'approved'
"""
WAITS = """
    SELECT extract(epoch FROM a.started_at - i.period_start)::float AS seconds
    FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE a.number = 1 ORDER BY seconds
"""


def cards_of(options: argparse.Namespace) -> list[str]:
    """The behaviour of each subscription's card, spread evenly over the keys."""
    keys = -(-options.subscriptions // options.shared_keys)
    cards = ["ok"] * keys
    wishes = (("slow", options.hanging), ("decline-limit", options.declined), ("decline-stolen", options.stolen))
    for behaviour, percent in wishes:
        places = [place for place in range(keys) if cards[place] == "ok"]
        wanted = round(keys * percent / 100)
        for number in range(wanted):
            cards[places[number * len(places) // wanted]] = behaviour
    return [cards[number // options.shared_keys] for number in range(options.subscriptions)]


def load(ports: Ports, cards: Sequence[str], due_at: datetime, shared: int = 1) -> None:
    """Subscriptions that all fall due at one instant, one for each card; so many in a row have the same key."""
    plan = create_plan(ports, "Bench", 9_900, "KRW", calendar=AnchoredCalendar(Unit.MONTH, 1))

    def one(first: int) -> None:
        key = register_and_confirm(ports, NewKey(f"{cards[first]}-bench-{first}", "nice_v2"))
        for _ in range(first, min(first + shared, len(cards))):
            subscribe(ports, NewSubscription(plan.id, key.id, f"bench {first}", start=due_at, allow_duplicate=True))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(0, len(cards), shared)))


def settled(connection: psycopg.Connection) -> int:
    """Invoices that are done for today."""
    row = connection.execute(SETTLED).fetchone()
    return int(row[0]) if row else 0


def charged(connection: psycopg.Connection) -> dict[str, Any]:
    """What was approved, how fast, and how long the first attempts waited."""
    row = connection.execute(APPROVED).fetchone()
    if row is None or not row[0]:
        raise SystemExit("not one charge was approved: see `why` of a subscription")
    count, began, ended, nearly = row
    waits = [seconds for (seconds,) in connection.execute(WAITS)]
    return {
        **rates(count, ended - began, nearly - began),
        "due_to_attempt_p50_s": round(median(waits), 2),
        "due_to_attempt_p99_s": round(quantiles(waits, n=100)[98], 2),
        "due_to_attempt_first_s": round(min(waits), 2),
    }


def rates(count: int, seconds: float, nearly: float) -> dict[str, Any]:
    """How many charges in how long; of the first nine tenths as well, since what a kill leaves open takes longer."""
    return {
        "charged": count,
        "seconds": round(seconds, 2),
        "charges_per_second": round(count / max(0.1, seconds), 1),
        "first_90_percent_per_second": round(0.9 * count / max(0.1, nearly), 1),
    }
