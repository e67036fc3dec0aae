"""Looks at the database, the queues and the gateway from outside the blast radius, in a thread of its own."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import httpx
import redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from billing_worker.domain.time_machine import TimeMachine
from tests.support.sandbox import Sandbox

LOOK_EVERY = 0.25
DELIVERIES_EVERY = 4000
"""Payments between two readings of the gateway's deliveries, of which it remembers the last 20,000."""
ACCEPTED = range(200, 300)
QUEUES = ("billing:charges", "billing:lookups", "billing:notices")

_STANDING = text("""
    SELECT attempts.*,
        (SELECT count(*) FROM subscriptions
         WHERE status IN ('pending', 'trialing', 'active', 'past_due') AND next_period_start <= :now) AS periods_due,
        (SELECT count(*) FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
         WHERE i.status = 'open' AND i.next_attempt_at <= :now AND k.status <> 'pending'
           AND NOT EXISTS (SELECT FROM payment_attempts a
                           WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))) AS due,
        (SELECT count(*) FROM inbox WHERE status = 'received' AND next_try_at <= clock_timestamp()) AS notifications
    FROM (SELECT count(*) FILTER (WHERE status = 'approved') AS charged,
                 count(*) FILTER (WHERE status = 'in_flight') AS in_flight,
                 count(*) FILTER (WHERE status = 'unknown') AS unknown
          FROM payment_attempts) attempts
""")
_STILL_OPEN = text("""
    SELECT merchant_uid FROM payment_attempts
    WHERE merchant_uid = ANY(:uids) AND status IN ('in_flight', 'unknown')
""")


@dataclass
class Watch:
    """What was seen so far. Whatever is away at the moment is looked at again later."""

    engine: Engine
    broker_url: str
    sandbox: Sandbox
    clock: TimeMachine
    standing: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    """Webhooks that a receiver answered 2xx, as the inbox would name them."""
    resolved: list[float] = field(default_factory=list)
    """Seconds from the kill of a worker until what became of each of its calls was known."""
    _open: dict[str, float] = field(default_factory=dict)
    _seen_at: float = 0.0
    _read_up_to: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def killed(self, merchant_uids: Iterable[str]) -> None:
        """A worker was killed just now, with these calls under way."""
        with self._lock:
            for uid in merchant_uids:
                self._open.setdefault(uid, time.monotonic())

    @property
    def unresolved(self) -> int:
        """Calls of killed workers of which nothing is known yet."""
        return len(self._open)

    def look(self) -> dict[str, int]:
        """How things stand now. Raises SQLAlchemyError or RedisError where that cannot be seen."""
        self._look_for_resolved()
        with self.engine.connect() as connection:
            now = self.clock.shows(connection.execute(text("SELECT clock_timestamp()")).scalar_one())
            standing = dict(connection.execute(_STANDING, {"now": now}).mappings().one())
        with redis.Redis.from_url(self.broker_url, socket_timeout=3, socket_connect_timeout=1) as broker:
            standing["queued"] = sum(int(broker.llen(queue)) for queue in QUEUES)  # type: ignore[arg-type]
        self.standing, self._seen_at = standing, time.monotonic()
        return standing

    @property
    def age(self) -> float:
        """Seconds since the last complete look."""
        return time.monotonic() - self._seen_at

    def read_deliveries(self) -> None:
        """Note which webhooks were acknowledged."""
        for row in self.sandbox.http.get("/_sandbox/webhooks", params={"kind": "webhook"}).json():
            if row["answered"] in ACCEPTED:
                names = ("imp_uid", "status", "cancellation_id", "merchant_uid")
                self.acknowledged.add("|".join(row["payload"].get(name, "") for name in names))

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(LOOK_EVERY):
            rounds += 1
            try:
                if rounds % 4:
                    self._look_for_resolved()
                else:
                    self.look()
                    self._follow_deliveries()
            except (SQLAlchemyError, redis.RedisError, httpx.HTTPError):
                continue  # a process was killed: this is expected

    def _look_for_resolved(self) -> None:
        with self._lock:
            waiting = dict(self._open)
        if not waiting:
            return
        with self.engine.connect() as connection:
            still = set(connection.execute(_STILL_OPEN, {"uids": list(waiting)}).scalars())
        now = time.monotonic()
        with self._lock:
            for uid in waiting.keys() - still:
                self.resolved.append(now - self._open.pop(uid))

    def _follow_deliveries(self) -> None:
        payments = int(self.sandbox.http.get("/_sandbox").json()["payments"])
        if payments - self._read_up_to >= DELIVERIES_EVERY:
            self._read_up_to = payments
            self.read_deliveries()
