"""Real ports, a clock under control, and the words in which tests speak about them."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text

from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.payment import Outcome
from billing_worker.domain.payment_options import PLAIN, PaymentOptions
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.domain.timing import Timing
from billing_worker.ports.alerts import Alert
from billing_worker.ports.bundle import Ports
from billing_worker.ports.calls import Answered, Intent, InTime, Record
from billing_worker.ports.outgoing import Delivering
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.incoming.apply_pingback import dedupe_key
from billing_worker.usecases.jobs import BY_NAME, chunks
from billing_worker.usecases.key import register
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.payment.create import NewPayment, create_payment
from billing_worker.usecases.subscription import cancel, create_plan, renew
from billing_worker.usecases.subscription import subscribe as subscribing
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support import engines
from tests.support.clock import FrozenClock
from tests.support.invariants import Books, violations
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Row, Sandbox

TIMING = Timing(http_deadline=2.0, lease=3.0, claim=1.0, first_look=0.2, settle_window=0.3)
"""Short, so that a step of the clock is enough for a lease to end. The calls themselves may take PATIENCE."""

KEEPS_ALL = Delivering(keep=timedelta(days=3650))
"""The invariants read every event of a story that may last for years."""
LIMIT = 500
MOST_ROUNDS = 200
"""A day that needs more beat rounds than this to come to rest never does."""

_serial = itertools.count(1)


@dataclass
class World:
    """One merchant's worker, whole but for Celery."""

    ports: Ports
    engine: Engine
    clock: FrozenClock
    sandbox: Sandbox
    database_url: str
    environment: str
    first_order: int
    """Where the sandbox's ledger stood when this world began."""
    charged_at: dict[str, datetime] = field(default_factory=dict)
    """Billing time at which `tick` first saw each imp_uid in the ledger as holding money."""
    _seen: int = 0

    @classmethod
    @contextmanager
    def built(
        cls, database_url: str, sandbox: Sandbox, *, clock: FrozenClock | None = None, timing: Timing = TIMING
    ) -> Iterator["World"]:
        """A world on this database and sandbox."""
        world = cls._assembled(database_url, sandbox, clock or FrozenClock(), "t" + uuid4().hex[:7], timing)
        try:
            yield world
        finally:
            world.close()

    def twin(self) -> "World":
        """Another process of the same merchant: its own pool and HTTP connections, the same database and clock."""
        return self._assembled(self.database_url, self.sandbox, self.clock, self.environment, self.ports.timing)

    def elsewhere(self, database_url: str) -> "World":
        """The same merchant on another database, with a clock of its own that shows the same time."""
        clock = FrozenClock(self.clock.now())
        made = self._assembled(database_url, self.sandbox, clock, self.environment, self.ports.timing)
        return replace(made, first_order=self.first_order)

    @classmethod
    def _assembled(
        cls, database_url: str, sandbox: Sandbox, clock: FrozenClock, environment: str, timing: Timing
    ) -> "World":
        engine = engines.lend(database_url)
        ids = RandomIds()
        gateway = PortOneGateway(
            sandbox.url,
            IMP_KEY,
            IMP_SECRET,
            connect_timeout=PATIENCE,
            total_deadline=PATIENCE,
            # One thread that walks through days is no storm.
            control_every=0.0,
        )
        database = SqlDatabase(engine, ids)
        ports = Ports(clock, ids, database, gateway, None, timing, environment, delivering=KEEPS_ALL)
        position = sandbox.position()
        return cls(ports, engine, clock, sandbox, database_url, environment, position, _seen=position)

    def close(self) -> None:
        """Close the HTTP connections, and give the engine back."""
        self.ports.gateway.close()  # type: ignore[attr-defined] # the port has no close; the adapter does
        engines.give_back(self.engine)

    def with_ports(self, **changed: Any) -> "World":
        """The same world with some ports replaced: `world.with_ports(gateway=double)`."""
        return replace(self, ports=replace(self.ports, **changed))

    # -- what merchants do

    def plan(
        self,
        amount: int = 9900,
        *,
        currency: str = "KRW",
        dunning_days: Any = None,
        dunning_policy: str | None = None,
        options: PaymentOptions = PLAIN,
        **calendar: Any,
    ) -> Plan:
        """A plan; monthly unless told otherwise: `plan(interval="day")`, `plan(cron="0 9 L * *")`."""
        if not calendar.keys() & {"interval", "cron"}:
            calendar["interval"] = "month"
        made = create_plan.calendar_from(**calendar)
        name = f"Plan {next(_serial)}"
        if dunning_days is None and dunning_policy is None:
            dunning_days = (1, 3, 5, 7)
        dunning = {"dunning_days": dunning_days, "dunning_policy": dunning_policy}
        return create_plan.create_plan(self.ports, name, amount, currency, calendar=made, options=options, **dunning)

    def policy(self, *steps: str, name: str | None = None, **more: Any) -> str:
        """The name of a dunning policy with these steps: a new one, or the next version of the one that is named."""
        named = name or f"policy-{next(_serial)}"
        return create_policy(self.ports, named, {"steps": list(steps), **more}).name

    def uid(self, behaviour: str = "ok") -> str:
        """A customer_uid that spells this behaviour and that no other test uses."""
        return f"{behaviour}-{self.environment}{next(_serial)}"

    def key(self, behaviour: str = "ok", *, pg: str = "nice_v2", **buyer: Any) -> BillingKey:
        """A billing key that the gateway knows and we know; its charges behave as its name says."""
        customer_uid = self.uid(behaviour)
        self.sandbox.register(customer_uid, pg)
        return register.register_and_confirm(self.ports, NewKey(customer_uid, pg, **buyer))

    def known_key(self, customer_uid: str, pg: str = "nice_v2") -> BillingKey:
        """A key that the gateway has already, registered here."""
        return register.register_and_confirm(self.ports, NewKey(customer_uid, pg))

    def paymentwall_key(
        self, *, registered: bool = True, amount: float = 9900, confirm_after: float = 3600, **more: Any
    ) -> tuple[str, BillingKey | None, Row]:
        """A Paymentwall key that waits for its confirmation, and the payment that issued it (a default plan's price).

        `noted_email` is the e-mail with which we register it, where that is another one.
        """
        customer_uid = self.uid("pw-ok")
        buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
        issued = self.sandbox.control(
            "/paymentwall/issue",
            customer_uid=customer_uid,
            merchant_uid=f"{self.environment}issue{next(_serial)}",
            amount=amount,
            confirm_after=confirm_after,
            **buyer,
            **{name: value for name, value in more.items() if name != "noted_email"},
        )
        buyer |= {"buyer_email": more["noted_email"]} if "noted_email" in more else {}
        key = (
            register.register_and_confirm(self.ports, NewKey(customer_uid, "paymentwall", **buyer))
            if registered
            else None
        )
        return customer_uid, key, issued

    def subscribe(
        self, behaviour: str = "ok", *, plan: Plan | None = None, key: BillingKey | None = None, **more: Any
    ) -> Subscription:
        """A customer on a plan, from now on unless `start` says otherwise: one customer a key, unless one is named."""
        key = key or self.key(behaviour)
        customer = more.pop("customer", f"customer of {key.id}")
        return subscribing.subscribe(self.ports, NewSubscription((plan or self.plan()).id, key.id, customer, **more))

    def pay(self, key: BillingKey | None = None, amount: int = 9900, **wanted: Any) -> Invoice:
        """Write down a single payment on a key, a new one by default."""
        return create_payment(self.ports, NewPayment((key or self.key()).id, amount, **wanted))

    def now_of(self, invoice: Invoice) -> Invoice:
        """As it stands now."""
        return self.now_of_id(invoice.id)

    def now_of_id(self, invoice_id: str) -> Invoice:
        """The invoice with this id, as it stands now."""
        with self.ports.database.transaction() as uow:
            return uow.invoices.get(invoice_id)

    def backdate(self, subscription: Subscription, start: datetime) -> None:
        """As if it had begun then and no worker had run since: for tests on a clock that cannot be moved."""
        with self.engine.begin() as connection:
            statement = "UPDATE subscriptions SET anchor = :start, next_period_start = :start WHERE id = :id"
            connection.execute(text(statement), {"start": start, "id": subscription.id})

    def cancel(self, subscription: Subscription, *, at_period_end: bool = False) -> None:
        """Cancel it."""
        cancel.cancel(self.ports, subscription.id, at_period_end=at_period_end)

    # -- what beat and the workers do

    def tick(self) -> int:
        """One round of beat, each scan's ids served at once; returns how many there were."""
        served = self.renew_and_charge() + self.collect() + self.reconcile() + self.refund()
        served += self.apply() + self.confirm() + self.resolve_key_calls() + self.schedule()
        served += self._serve("shadow_day") + self._serve("card_expiry") + self.deliver() + self.tell() + self.probe()
        served += self._serve("win_back")
        self._note_new_payments()
        return served

    def settle(self) -> None:
        """Rounds of beat until there is nothing to do at this moment."""
        for _ in range(MOST_ROUNDS):
            if not self.tick():
                return
        raise AssertionError(f"still not at rest after {MOST_ROUNDS} rounds")

    def resolve(self, **by: Any) -> None:
        """Let the looks at unclear attempts come due, again and again, for ten minutes unless told otherwise."""
        until = self.clock.now() + timedelta(**(by or {"minutes": 10}))
        step = timedelta(seconds=1)
        while self.clock.now() < until:
            self.clock.advance_to(min(self.clock.now() + step, until))
            self.settle()
            step = min(step * 2, timedelta(minutes=10))

    def run_until(self, moment: datetime, step: timedelta = timedelta(days=1)) -> None:
        """Walk to a moment, step by step, coming to rest at each."""
        self.settle()
        while self.clock.now() < moment:
            self.clock.advance_to(min(self.clock.now() + step, moment))
            self.settle()

    def renew(self) -> int:
        """Open the periods that are due, one a subscription, and charge nothing yet."""
        ids = renew.due(self.ports, LIMIT)
        for ident in ids:
            open_period(self.ports, ident)
        return len(ids)

    def renew_and_charge(self) -> int:
        """Open the periods that are due and charge each in the same breath, as the workers do."""
        return self._serve("renew")

    def collect(self) -> int:
        """Charge what is due."""
        return self._serve("collect")

    def charge(self, invoice: Invoice) -> Outcome | None:
        """Charge one invoice, as a worker with its id in hand does."""
        calls = InTurn(self.ports.gateway)
        collect.collect(replace(self.ports, calls=calls), [invoice.id])
        return calls.outcomes[-1] if calls.outcomes else None

    def reconcile(self) -> int:
        """Look up what is unclear."""
        return self._serve("reconcile")

    def refund(self) -> int:
        """Send or look up refunds."""
        return self._serve("refund")

    def apply(self) -> int:
        """Apply the notifications that were received."""
        return self._serve("apply")

    def confirm(self) -> int:
        """Ask about the keys whose next look has come."""
        return self._serve("confirm")

    def resolve_key_calls(self) -> int:
        """Look up keys whose issue or deletion is unclear."""
        return self._serve("key_call")

    def schedule(self) -> int:
        """Register, compare and revoke schedules at PortOne."""
        return self._serve("schedule_step")

    def deliver(self) -> int:
        """Deliver events to the merchant."""
        return self._serve("deliver")

    def tell(self) -> int:
        """Deliver notices to customers."""
        return self._serve("notice")

    def probe(self) -> int:
        """Read the gateway, if charging is paused for it and it is time."""
        return self._serve("probe")

    def _serve(self, name: str) -> int:
        """What the scan of this job finds, served; the rings that follow are lost, and later scans make up for them."""
        job = BY_NAME[name]
        ids = list(job.claim(self.ports, LIMIT))
        for idents in chunks(ids, job.chunk):
            job.serve(self.ports, idents)
        return len(ids)

    # -- what notifications bring

    def webhook(self, imp_uid: str, merchant_uid: str, status: str = "paid") -> int:
        """PortOne's webhook, received and stored as the receiver does."""
        payload = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}
        return receive.receive(self.ports, receive.PORTONE, f"{imp_uid}|{status}||{merchant_uid}", payload).id

    def pingback(self, customer_uid: str, kind: str = "0", ref: str = "b1", **more: str) -> int:
        """Paymentwall's pingback, verified and stored as the receiver does."""
        payload = {"uid": customer_uid, "type": kind, "ref": ref} | more
        return receive.receive(self.ports, receive.PAYMENTWALL_PINGBACK, dedupe_key(payload), payload).id

    # -- what the database says

    def subscription(self, subscription: Subscription) -> Subscription:
        """As it stands now."""
        with self.ports.database.transaction() as uow:
            return uow.subscriptions.get(subscription.id)

    def invoices(self, subscription: Subscription) -> list[Invoice]:
        """Its invoices, oldest first."""
        with self.ports.database.transaction() as uow:
            return list(uow.invoices.of_subscription(subscription.id))

    def invoice(self, subscription: Subscription) -> Invoice:
        """Its only invoice."""
        (found,) = self.invoices(subscription)
        return found

    def attempts(self, invoice: Invoice) -> list[PaymentAttempt]:
        """Attempts to collect an invoice, by number."""
        with self.ports.database.transaction() as uow:
            return list(uow.attempts.of_invoice(invoice.id))

    def attempt(self, invoice: Invoice) -> PaymentAttempt:
        """The only attempt to collect an invoice."""
        (found,) = self.attempts(invoice)
        return found

    def key_now(self, key: BillingKey) -> BillingKey:
        """As it stands now."""
        with self.ports.database.transaction() as uow:
            return uow.keys.get(key.id)

    def alerts(self) -> list[Alert]:
        """Open alerts."""
        with self.ports.database.transaction() as uow:
            return list(uow.alerts.list_open(LIMIT))

    def events(self) -> list[str]:
        """Types of all events written for the merchant, oldest first; those of alerts are left out."""
        statement = "SELECT type FROM outbox WHERE type NOT LIKE 'alert.%' ORDER BY sequence"
        return [str(row["type"]) for row in self.rows(statement)]

    def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Rows of a query in plain SQL."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), parameters).mappings()]

    # -- what the gateway's ledger says

    def ledger(self, about: Invoice | BillingKey | None = None) -> list[Row]:
        """Payments under this world's merchant_uids, oldest first; of one invoice or key where one is given."""
        rows = self._ours(self.sandbox.ledger(self.first_order))
        if isinstance(about, BillingKey):
            return [row for row in rows if row["customer_uid"] == about.customer_uid]
        if about is not None:
            own = self._orders(about) if about.single is not None else set()
            stem = about.merchant_uid.rpartition("g")[0] or about.merchant_uid
            return [row for row in rows if row["merchant_uid"] in own or row["merchant_uid"].startswith(stem)]
        return rows

    def _ours(self, rows: list[Row]) -> list[Row]:
        """Those under a number that we made, or that the merchant gave a single payment here."""
        made = [row["merchant_uid"].startswith(self.environment) for row in rows]
        given = self._orders() if not all(made) else set()
        return [row for row, ours in zip(rows, made, strict=True) if ours or row["merchant_uid"] in given]

    def _orders(self, of: Invoice | None = None) -> set[str]:
        rows = self.rows("SELECT * FROM merchant_uids")
        return {row["merchant_uid"] for row in rows if of is None or row["invoice_id"] == of.id}

    def money(self, about: Invoice | BillingKey | None = None) -> list[Row]:
        """Payments that hold money now."""
        return [row for row in self.ledger(about) if holds_money(row)]

    def again_calls(self, about: Invoice) -> int:
        """How many charges were asked for under an invoice's current merchant_uid."""
        calls = self.sandbox.requests("/subscribe/payments/again")
        return sum(about.merchant_uid in str(call) for call in calls)

    def books(self) -> Books:
        """Both books, for the invariants."""
        # What a key was issued with is no affair of ours, unless it paid a period.
        ours = {row["merchant_uid"] for row in self.rows("SELECT merchant_uid FROM merchant_uids")}
        own = [row for row in self.ledger() if row["origin"] != "issue" or row["merchant_uid"] in ours]
        return Books(self.engine, own, self.clock.now(), dict(self.charged_at))

    def assert_books_agree(self, *, at_rest: bool = True) -> None:
        """No invariant is broken."""
        found = violations(self.books(), at_rest=at_rest)
        assert not found, "\n".join(found)

    def _note_new_payments(self) -> None:
        rows = self.sandbox.ledger(self._seen)
        for row in rows:
            self._seen = max(self._seen, row["order"])
            if holds_money(row) and self._ours([row]):
                self.charged_at.setdefault(row["imp_uid"], self.clock.now())


def renew_and_charge(ports: Ports, subscription_id: str) -> None:
    """What the unit of the job `renew` does with one subscription."""
    collect.renew(ports, [subscription_id])


def charge_alone(ports: Ports, invoice_id: str) -> int:
    """What the unit of the job `collect` does with one invoice."""
    return collect.collect(ports, [invoice_id])


def open_period(ports: Ports, subscription_id: str) -> str | None:
    """Open the period that is due, and charge nothing yet; returns the id of its invoice."""
    with ports.database.transaction() as uow:
        found = uow.lock_renewals([subscription_id])
        opened = renew.open_periods(ports, uow, found, ports.clock.moment())
        added = uow.invoices.add_all([due.invoice for due in opened])
        uow.subscriptions.save_all([due.subscription for due in found])
        uow.commit()
    return next(iter(added), None)


class InTurn:
    """Makes one call after the other in the thread of the caller, and keeps what came of them.

    `together`: all are recorded with one commit, after the last call.
    """

    def __init__(self, gateway: Gateway, *, together: bool = False) -> None:
        self._gateway = gateway
        self._together = together
        self.outcomes: list[Outcome] = []

    @contextmanager
    def room(self, _count: int) -> Iterator[None]:
        """Do not wait."""
        yield

    def place(self, intents: Sequence[Intent], in_time: InTime, record: Record) -> None:
        """Make these calls."""
        answers = []
        for intent in intents:
            if in_time(intent):
                self.outcomes.append(self._gateway.charge(intent.request))
                answers.append(Answered(intent.attempt_id, intent.fence, self.outcomes[-1]))
                if not self._together:
                    record(answers[-1:])
        if self._together and answers:
            record(answers)


def holds_money(row: Row) -> bool:
    """Whether a payment of the ledger was taken and not wholly given back."""
    return row["status"] in ("paid", "cancelled") and row["amount"] > row["cancel_amount"]
