"""The database in memory does what PostgreSQL does: the same story on both leaves the same rows."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, select

from billing_worker.adapters.database import repository, rows
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.tables import schema
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.domain.catch_up import CatchUpMode, CatchUpPolicy
from billing_worker.domain.dunning.definition import written_policy
from billing_worker.domain.errors import BillingError, Conflict
from billing_worker.domain.notices.notice import Channel
from billing_worker.domain.notices.switches import DEFAULT_KINDS
from billing_worker.domain.payment import (
    ChargeRequest,
    Evidence,
    Failed,
    Outcome,
    Trouble,
    Unknown,
)
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.proof import judge
from billing_worker.domain.refund import Answered, RefundAnswer, RefundRequest, Refused
from billing_worker.domain.schedule import (
    Collection,
    RegisterAnswer,
    Registered,
    RevokeAnswer,
    Revoked,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
    whole_second,
)
from billing_worker.domain.timing import Timing
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Chosen
from billing_worker.ports.notices import Letter
from billing_worker.ports.outgoing import Address, Refusal
from billing_worker.ports.outside import KeyReading, Listing
from billing_worker.simulation.fleet.gateway import BUYER_EMAIL, seen, shown
from billing_worker.simulation.fleet.ledger import SCHEDULE, Card, Ledger, Planned, Row
from billing_worker.simulation.fleet.schedules import shown as planned_at
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import MemoryTransaction, Store
from billing_worker.usecases.charge import retry
from billing_worker.usecases.control import stop_charging
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.incoming import apply, receive
from billing_worker.usecases.incoming.apply_pingback import dedupe_key
from billing_worker.usecases.jobs import BY_NAME, chunks
from billing_worker.usecases.key import change, decide, expiry, reactivate, register
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.refund import refund
from billing_worker.usecases.review.schedules import review_schedules
from billing_worker.usecases.subscription import cancel, catch_up, create_plan, replace_key, subscribe
from billing_worker.usecases.subscription.change import change_subscription
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support.clock import FrozenClock
from tests.support.heard import noticing
from tests.support.world import InTurn

pytestmark = pytest.mark.long

STEPS = 250
LIMIT = 500
RATE = 100_000
"""A pace that leaves nothing over: which of several equally late ones are left, PostgreSQL does not say."""
LIMITS = PgLimits(spacing={"nice_v2": timedelta(seconds=2)}, monthly_uses={"naverpay": 2}, spread=timedelta(hours=3))
WORK = (
    "renew",
    "collect",
    "card_expiry",
    "reconcile",
    "refund",
    "apply",
    "confirm",
    "deliver",
    "notice",
    "notice",
    "schedule_step",
    "schedule_step",
)
CHANNELS = (Channel.MAIL, Channel.WEBHOOK)
KINDS = f"{DEFAULT_KINDS},upcoming=3"
FINALS = ("", "keep_past_due", "unpaid", "cancel")
"""The final actions of the plans in turn; none: plain days."""
PGS = ("nice_v2", "nice_v2", "naverpay", "paymentwall")


@dataclass
class Memory:
    """The store behind the port."""

    store: Store

    def transaction(self) -> MemoryTransaction:
        return MemoryTransaction(self.store, lambda _changes: None)


@dataclass
class Story:
    """What happens, decided by a seed alone; and the gateway that it happens with."""

    seed: int
    database: Any
    ids: Numbered
    clock: FrozenClock = field(default_factory=FrozenClock)
    told: list[str] = field(default_factory=list)
    heard: list[Letter] = field(default_factory=list)
    away: bool = False
    """Whether the gateway fails every call and read."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.ledger = Ledger(self.random.random)
        self.ports = Ports(
            self.clock,
            self.ids,
            self.database,
            self,
            _Deaf(),
            Timing(),
            "same",
            catch_up_rate=RATE,
            pg_limits=LIMITS,
            noticing=noticing({channel: _HardOfHearing(channel, self.heard) for channel in CHANNELS}, kinds=KINDS),
        )
        self.plans: list[str] = []
        self.keys: list[str] = []
        self.subscriptions: list[str] = []

    # -- the gateway

    def charge(self, request: ChargeRequest) -> Outcome:
        now, roll = self.clock.now(), self.random.random()
        if self.away or roll < 0.1:
            return Failed("refused", trouble=Trouble.NOT_REACHED)
        if roll < 0.2:
            return Unknown("lost before", trouble=Trouble.NO_ANSWER)
        money = (request.money.amount, request.money.currency)
        answer = self.ledger.charge(request.merchant_uid, request.customer_uid, money, now)
        if roll < 0.35 or not isinstance(answer, Row):
            return Unknown(answer if isinstance(answer, str) else "lost after")
        return judge(request, *seen(answer, "again"))

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        answer = self.ledger.refund(request.imp_uid, request.money.amount, request.balance.amount, request.reason)
        if self.random.random() < 0.3:
            return Unknown("lost")
        if isinstance(answer, str):
            return Refused(answer, Evidence("test", "cancel", 200, ""))
        return Answered(*seen(answer, "cancel"))

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        charge, money = request.charge, request.charge.money
        if self.away or self.random.random() < 0.1:
            return Failed("refused", trouble=Trouble.NOT_REACHED)
        if charge.merchant_uid in self.ledger.schedules:
            return Unknown("scheduled before", duplicate=True)
        at = whole_second(request.at)
        row = Planned(charge.merchant_uid, charge.customer_uid, at, money.amount, money.currency, charge.name)
        self.ledger.schedules[row.merchant_uid] = row
        if self.random.random() < 0.2:
            return Unknown("lost after", trouble=Trouble.NO_ANSWER)
        return Registered(Evidence("test", "schedule", 200, ""))

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        row = self.ledger.schedules.get(merchant_uid)
        if self.away or row is None or (row.customer_uid, row.status) != (customer_uid, "scheduled"):
            return Unknown("nothing to revoke")
        row.status = "revoked"
        if self.random.random() < 0.2:
            return Unknown("lost after", trouble=Trouble.NO_ANSWER)
        return Revoked(Evidence("test", "unschedule", 200, ""))

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        if self.away or self.random.random() < 0.1:
            return ScheduleReading(trouble="trouble")
        row = self.ledger.schedules.get(merchant_uid)
        return ScheduleReading(None if row is None else planned_at(row))

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        rows = [row for row in self.ledger.schedules.values() if start <= row.at < end]
        return ScheduleListing(tuple(planned_at(row) for row in rows), trouble="trouble" if self.away else None)

    def run_schedules(self) -> None:
        """What the gateway charges by itself up to now, at its dates."""
        for row in sorted(self.ledger.schedules.values(), key=lambda each: (each.at, each.merchant_uid)):
            if row.status == "scheduled" and row.at <= self.clock.now():
                row.status, money = "executed", (row.amount, row.currency)
                paid = self.ledger.charge(row.merchant_uid, row.customer_uid, money, row.at, cause=SCHEDULE)
                row.imp_uid = paid.imp_uid if isinstance(paid, Row) else None

    def payment(self, imp_uid: str) -> Listing:
        row = self.ledger.rows.get(imp_uid)
        return Listing(() if row is None else (seen(row, "payment"),))

    def shows(self, imp_uid: str) -> bool:
        return bool(self.payment(imp_uid).payments)

    def payments_of(self, merchant_uid: str) -> Listing:
        if self.away or self.random.random() < 0.1:
            return Listing((), "trouble")
        return Listing(tuple(seen(row, "findAll") for row in self.ledger.orders[merchant_uid]))

    def payments_of_key(self, customer_uid: str) -> Listing:
        return Listing(tuple(seen(row, "customers") for row in self.ledger.of_card[customer_uid]))

    def read_key(self, customer_uid: str) -> KeyReading:
        return shown(self.ledger.cards.get(customer_uid), self.clock.now())

    # -- the story

    def live(self) -> None:
        self.plan()
        self.key()
        acts = [self.plan, self.key, self.come, self.come, self.hint, self.hint, self.leave, self.change, self.retry]
        acts += [
            self.revive,
            self.say,
            self.correct,
            self.ask_back,
            self.decide,
            self.stop,
            self.back,
            self.back,
            self.drop,
            self.expire,
            self.switch,
            self.click,
            self.click,
            self.compare,
            self.clear,
            self.clear,
            *[self.work] * 8,
            *[self.wait] * 8,
        ]
        for _ in range(STEPS):
            act = self.random.choice(acts)
            try:
                said = act()
            except BillingError as error:
                said = f"{type(error).__name__}: {error}"
            self.told.append(f"{act.__name__}: {said}")

    def plan(self) -> Any:
        calendar = create_plan.calendar_from(interval=self.random.choice(("day", "week", "month")))
        mode = CatchUpPolicy(self.random.choice(list(CatchUpMode)), self.random.choice((5, 90)))
        final = FINALS[len(self.plans) % len(FINALS)]
        definition = {"steps": ["1d", "30h"], "final": final} | ({"win_back": "2d"} if final != "cancel" else {})
        name = create_policy(self.ports, f"story-{final.replace('_', '-')}", definition).name if final else None
        dunning: dict[str, Any] = {"dunning_policy": name, "dunning_days": None if final else (1, 2)}
        made = create_plan.create_plan(self.ports, "Plan", 9900, "KRW", calendar=calendar, catch_up=mode, **dunning)
        self.plans.append(made.id)

    def key(self) -> Any:
        uid, pg = f"card-{self.random.randrange(40)}", self.random.choice(PGS)
        buyer = (
            {"buyer_name": "Gildong Hong", "buyer_email": self.random.choice((BUYER_EMAIL, "g@example.com"))}
            if pg == "paymentwall"
            else {}
        )
        made = register.register_key(self.ports, NewKey(uid, pg, **buyer))
        now = self.clock.now()
        known = now + timedelta(hours=self.random.randrange(50)) if pg == "paymentwall" else now
        dies = now + timedelta(days=self.random.randrange(1, 90))
        card = self.ledger.cards[uid] = Card(uid, pg, 0.3, dies, "분실 카드", known, now)
        if pg == "paymentwall":
            self.ledger.pay(self.ledger.issue(card, (self.random.choice((9900, 9800)), "KRW"), now), now)
        self.keys.append(made.id)

    def come(self) -> Any:
        plan, key = self.random.choice(self.plans), self.random.choice(self.keys)
        collection = self.random.choice((Collection.WORKER, Collection.PORTONE_SCHEDULE))
        wanted = NewSubscription(plan, key, "customer", collection=collection, allow_duplicate=True)
        self.subscriptions.append(subscribe.subscribe(self.ports, wanted).id)

    def switch(self) -> Any:
        collection = self.random.choice((Collection.WORKER, Collection.PORTONE_SCHEDULE))
        return change_subscription(self.ports, self._someone(), collection=collection).collection

    def click(self) -> Any:
        """A clerk at the gateway's console moves or revokes a schedule, or brings one back."""
        row = self.random.choice(list(self.ledger.schedules.values()) or [None])
        if row is None or (row.status == "executed" and row.imp_uid is None):
            return None
        if row.status == "scheduled" and self.random.random() < 0.5:
            row.status = "revoked"
        elif row.imp_uid is None or self.ledger.rows[row.imp_uid].status == "failed":
            row.status = "scheduled"
            row.at = whole_second(self.clock.now() + timedelta(hours=self.random.randrange(1, 400)))
        return row.merchant_uid, row.status

    def compare(self) -> Any:
        return review_schedules(self.ports)

    def leave(self) -> Any:
        at_end = self.random.random() < 0.5
        return cancel.cancel(self.ports, self._someone(), at_period_end=at_end).status

    def change(self) -> Any:
        return replace_key.replace_key(self.ports, self._someone(), self.random.choice(self.keys)).billing_key_id

    def back(self) -> Any:
        key, at = self.random.choice(self.keys), datetime(2025, 1, 1, tzinfo=UTC)
        wanted = NewFallback(self._someone(), key, consented_at=at, consent="clause 4", allow_same_card=True)
        return add_fallback(self.ports, wanted).position

    def drop(self) -> Any:
        return remove_fallback(self.ports, self._someone(), self.random.choice(self.keys)).ended_because

    def expire(self) -> Any:
        month = f"{self.clock.now() + timedelta(days=self.random.randrange(-40, 90)):%Y-%m}"
        return expiry.set_expiry(self.ports, self.random.choice(self.keys), month).expiry_look_at

    def retry(self) -> Any:
        return retry.retry_now(self.ports, self._invoice()).next_attempt_at

    def revive(self) -> Any:
        return reactivate.reactivate(self.ports, self.random.choice(self.keys)).status

    def say(self) -> Any:
        owner = self.random.choice((None, self._someone()))
        return decide.decide(self.ports, self.random.choice(self.keys), owner).issue_claim

    def correct(self) -> Any:
        return change.set_email(self.ports, self.random.choice(self.keys), BUYER_EMAIL).next_look_at

    def ask_back(self) -> Any:
        amount = self.random.choice((None, 100, 9900))
        key = self.random.choice((None, "a", "b"))
        return refund.request_refund(
            self.ports, self._invoice(), amount, everything=amount is None, reason="asked", idempotency_key=key
        ).money

    def decide(self) -> Any:
        mode = self.random.choice(("bill_all", "latest_only", "forgive"))
        return sorted(catch_up.decide_late(self.ports, mode, Chosen()).items())

    def stop(self) -> Any:
        scope = self.random.choice(("all", "pg:nice_v2", f"subscription:{self._someone()}"))
        return stop_charging.stop_on_word(self.ports, scope, "it looks wrong").waiting

    def clear(self) -> Any:
        for each in stop_charging.stops(self.ports, LIMIT):
            stop_charging.clear_stop(self.ports, each.stop.id, "it was nothing")

    def hint(self) -> Any:
        row = self.random.choice(list(self.ledger.rows.values()) or [None])
        if row is None:
            return None
        if row.status == "failed" and self.random.random() < 0.3:
            self.ledger.pay(row, self.clock.now(), "review")
        fields = {"imp_uid": row.imp_uid, "merchant_uid": row.merchant_uid, "status": row.status}
        receipt = receive.receive(self.ports, "portone", f"{row.imp_uid}|{row.status}||{row.merchant_uid}", fields)
        return receipt.at_once

    def wait(self) -> Any:
        self.clock.advance(seconds=self.random.choice((1, 11, 40, 150, 4000, 90_000, 400_000)))
        self.run_schedules()

    def work(self) -> Any:
        return self.serve(self.random.choice(WORK)), self.serve("win_back")

    def serve(self, name: str) -> Any:
        job = BY_NAME[name]
        # PostgreSQL returns claimed rows in any order.
        ids = sorted(job.claim(self.ports, LIMIT))
        ports = replace(self.ports, calls=InTurn(self, together=True))
        for idents in chunks(ids, job.chunk):
            job.serve(ports, idents)
        return name, ids if name != "apply" else len(ids)

    def _someone(self) -> str:
        return self.random.choice(self.subscriptions or ["sub_none"])

    def _invoice(self) -> str:
        with self.database.transaction() as uow:
            known = sorted(each.id for owner in self.subscriptions for each in uow.invoices.of_subscription(owner))
        return self.random.choice(known or ["inv_none"])


class _Deaf:
    """A merchant who takes every other event."""

    def __init__(self) -> None:
        self._tries = 0

    address = Address("deaf", "https://shop.example/events")

    def send(self, _message: object, _at: object) -> Refusal | None:
        self._tries += 1
        return None if self._tries % 2 else Refusal("busy")


class _HardOfHearing:
    """Customers who hear every other notice."""

    def __init__(self, channel: Channel, heard: list[Letter]) -> None:
        self._tries, self._heard = 0, heard
        self.address = Address(channel, f"https://shop.example/{channel}")

    def send(self, letter: Letter, _at: object) -> Refusal | None:
        self._tries += 1
        if self._tries % 2:
            self._heard.append(letter)
            return None
        return Refusal("busy")


@contextmanager
def opened(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, pool_size=2, application="test")
    try:
        yield engine
    finally:
        engine.dispose()


def in_postgresql(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with engine.connect() as connection:
        for name, table in schema.metadata.tables.items():
            found[name] = [dict(row) for row in connection.execute(select(table)).mappings()]
    # A database that was lent before goes on counting where it stopped.
    first = min((row["id"] for row in found["evidence"]), default=1)
    held = ("payment_attempts", "refunds", "alerts", "billing_keys", "schedules")
    for row in (each for name in held for each in found[name]):
        for column in ("evidence_id", "refund_evidence_id", "issue_evidence_id"):
            if row.get(column) is not None:
                row[column] -= first - 1
    return found


def in_memory(store: Store) -> dict[str, list[dict[str, Any]]]:
    kept: dict[str, Any] = {
        "dunning_policies": store.policies,
        "plans": store.plans,
        "fallback_keys": store.fallbacks,
        "billing_keys": store.keys,
        "key_calls": store.key_calls,
        "subscriptions": store.subscriptions,
        "invoices": store.invoices,
        "schedules": store.schedules,
        "payment_attempts": store.attempts,
        "refunds": store.refunds,
        "card_sessions": store.card_sessions,
        "inbox": store.inbox,
        "pingback_payments": store.pingbacks,
        "outbox": store.outbox,
        "event_streams": store.outbox.streams,
        "event_endpoints": store.endpoints,
        "notices": store.notices,
        "notice_marks": store.notices.marks,
        "alerts": store.alerts.table,
        "stops": store.stops,
        "catch_up_buckets": store.catch_up.buckets,
        "service_spans": store.catch_up.spans,
        "pg_turns": store.pg_turns.table,
        "gateway_watch": store.gateway_watch,
    }
    found = {name: [_values(name, row) for row in table.rows.values()] for name, table in kept.items()}
    found["doubts"] = [repository.plain(row) for row in store.doubts.rows.values() if row.since is not None]
    found["merchant_uids"] = [
        {"merchant_uid": row.id, "invoice_id": row.invoice_id, "generation": row.generation}
        for row in store.invoices.order_ids.rows.values()
    ]
    return found


def _values(name: str, row: Any) -> dict[str, Any]:
    if name == "plans":
        return rows.plan_values(row)
    if name == "billing_keys":
        return rows.key_values(row)
    if name == "invoices":
        return rows.invoice_values(row)
    if name == "dunning_policies":
        own = {"id": row.id, "name": row.name, "version": row.version, "created_at": row.created_at}
        return own | {"definition": written_policy(row.policy)}
    values = repository.plain(row)
    if name == "outbox":
        event = values.pop("event")
        values |= {"type": event.type, "subject_id": event.subject_id, "data": event.data}
        values["stream_id"] = event.stream_id
    return values


NOT_MODELLED = {
    "evidence",
    "audits",
    "shadow_charges",
    "shadow_days",
    "invoice_deltas",
    "invoice_totals",
    "hourly_deltas",
    "hourly_totals",
    "comparisons",
    "environment_claims",
    "actions",
    "alert_changes",
    "alert_paces",
    "api_tokens",
    "kept_answers",
    "retention_marks",
    "processes",
    "process_watches",
    "refused_notifications",
}
"""Only the number of an evidence is asked for; no audit and no comparison runs; no process watches; no record is old;
and this is another database."""

PINGBACKS = ("0", "200", "201", "200", "12", "2", "201", "220", "99", "1", "14")

NUMBERED = {"pingback_payments": {"id"}, "stops": {"id"}, "inbox": {"id"}, "alerts": {"id"}, "outbox": {"sequence"}}
NUMBERED["notices"] = {"number"}
"""What an upsert or a rollback numbers with gaps in PostgreSQL, and without in memory."""


def comparable(name: str, found: list[dict[str, Any]]) -> list[str]:
    left_out = NUMBERED.get(name, set())
    found = [row | {"subject_id": "a stop"} if row.get("kind") == "stopped" else row for row in found]
    found = [_of_an_alert(row) for row in found]
    shown = ({key: row[key] for key in sorted(row) if key not in left_out} for row in found)
    return sorted(" ".join(f"{key}={_shown(value)}" for key, value in row.items()) for row in shown)


def _of_an_alert(row: dict[str, Any]) -> dict[str, Any]:
    """An event of an alert without the alert's number, and its stream too."""
    about = {key: "an alert" for key in ("id", "subject_id", "stream_id") if str(row.get(key)).startswith("alert_")}
    if str(row.get("type")).startswith("alert."):
        data = {key: value for key, value in row["data"].items() if key != "alert_id"}
        facts = json.dumps({"facts": data["facts"]}, sort_keys=True, default=list)
        about |= {"data": data | {"facts": facts} | ({"subject": "a stop"} if data["kind"] == "stopped" else {})}
    return row | about


def _shown(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return (
        str(sorted(value.items()))
        if isinstance(value, dict)
        else re.sub(r"breaker clear \d+", "breaker clear N", str(value))
    )


@pytest.mark.parametrize("seed", [4, 14, 29, 107, 116, 143])  # in which charges happen, some on a fallback key
def test_one_story_leaves_the_same_rows_in_both(seed: int, database_url: str) -> None:
    ids = Numbered()
    store = Store(ids, CHANNELS)
    remembered = Story(seed, Memory(store), ids)
    remembered.live()
    with opened(database_url) as engine:
        ids = Numbered()
        stored = Story(seed, SqlDatabase(engine, ids, channels=CHANNELS), ids)
        stored.live()
        assert remembered.told == stored.told
        assert remembered.heard == stored.heard
        expected, found = in_postgresql(engine), in_memory(store)
    _assert_same(expected, found)
    assert len(found["payment_attempts"]) > 2
    assert found["schedules"]
    assert found["notices"]


def test_a_pause_leaves_the_same_rows_in_both(database_url: str) -> None:
    ids = Numbered()
    store = Store(ids)
    told = _paused(Story(3, Memory(store), ids))
    with opened(database_url) as engine:
        ids = Numbered()
        assert _paused(Story(3, SqlDatabase(engine, ids), ids)) == told
        expected, found = in_postgresql(engine), in_memory(store)
    _assert_same(expected, found)
    assert [row["cause"] for row in found["stops"] if row["closed_at"]] == ["gateway"]
    assert any(row["status"] == "unknown" for row in found["payment_attempts"])


def _paused(story: Story) -> list[str]:
    """Some charges are unclear; then the gateway is away for hours, and back."""
    told: list[Any] = []
    story.plan()
    for _ in range(24):
        with suppress(Conflict):
            story.key()
        story.come()

    def pass_by(count: int, seconds: int) -> None:
        for _ in range(count):
            told.extend(story.serve(name) for name in (*WORK, "probe"))
            story.clock.advance(seconds=seconds)

    pass_by(20, 40)
    story.away = True
    pass_by(6, 90_000)
    assert any(stop.stop.cause == "gateway" for stop in stop_charging.stops(story.ports, LIMIT))
    pass_by(20, 600)
    story.away = False
    pass_by(2, 15)
    return told


@pytest.mark.fm("E22")
def test_the_pingbacks_about_a_key_leave_the_same_rows_in_both(database_url: str) -> None:
    ids = Numbered()
    store = Store(ids)
    remembered = Story(0, Memory(store), ids)
    told = _pingbacks(remembered)
    with opened(database_url) as engine:
        ids = Numbered()
        assert _pingbacks(Story(0, SqlDatabase(engine, ids), ids)) == told
        expected, found = in_postgresql(engine), in_memory(store)
    _assert_same(expected, found)
    assert [row["verdict"] for row in found["pingback_payments"]] == ["reversed", "delivered", "held"]


def _pingbacks(story: Story) -> list[str]:
    """What became of each: all types about three payments, some of them twice, the key registered in between."""
    told, now = [], story.clock.now()
    story.ledger.cards["card"] = Card("card", "paymentwall", 0.3, now, "", now, now)
    for step, (kind, ref) in enumerate(zip([*PINGBACKS, *PINGBACKS], "aabcbaaacbb" * 2, strict=True)):
        if step == 2:
            buyer = {"buyer_name": "Gildong Hong", "buyer_email": "g@example.com"}
            register.register_key(story.ports, NewKey("card", "paymentwall", **buyer))
        payload = {"uid": "card", "goodsid": "gold", "type": kind, "ref": ref}
        receipt = receive.receive(story.ports, receive.PAYMENTWALL_PINGBACK, dedupe_key(payload), payload)
        told.append(apply.apply(story.ports, receipt.id).note)
    return told


def _assert_same(expected: dict[str, list[dict[str, Any]]], found: dict[str, list[dict[str, Any]]]) -> None:
    for name, in_store in found.items():
        ours, theirs = comparable(name, in_store), comparable(name, expected[name])
        assert set(ours) ^ set(theirs) == set(), name
        assert ours == theirs, name
    assert set(expected) - set(found) == NOT_MODELLED
