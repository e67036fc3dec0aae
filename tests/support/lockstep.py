"""Many customers with faults of their own, side by side in one world: beat's scans and the clock are paid for once.

Each customer has its own script, so that what happens to one is the same alone and among hundreds. Only one thing at
a time happens: the same scripts give the same steps again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from billing_worker.domain.plan import Plan
from billing_worker.domain.timing import Timing
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.charge import collect, reconcile
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.subscription import renew
from tests.support.deliveries import Delivery
from tests.support.faults import Fault, Saboteur, Script, Step, survive
from tests.support.sandbox import Row
from tests.support.world import World, charge_alone, holds_money, renew_and_charge

PERIODS = 3
RETRY_DAYS = (1, 1, 1)
SINGLE = "single-"
"""Before the behaviour of the card: a customer with one single payment, and no subscription."""
PERIOD = timedelta(weeks=1)
"""Longer than all retries and all healing, so that exactly three periods begin."""
TIMING = Timing(http_deadline=30.0, lease=40.0, claim=1.0, first_look=0.2, settle_window=0.3)
"""Leases and looks follow the frozen clock; the HTTP deadline alone is real, and on a busy machine must not be met."""
BEATS = (0, 1, 2, 3, 40, 41, 42, 43, 110, 111, 112)
"""Seconds of a period at which beat's scans run: past the end of a lease, and past the first technical retry."""
HEALING = timedelta(days=6)
LONGEST_STEP = timedelta(hours=4)
LIMIT = 100_000


class Job(NamedTuple):
    """A scan, what is done with each of its ids, and whose they are, oldest first."""

    name: str
    due: Callable[[Ports, int], Sequence[Any]]
    verb: Callable[[Ports, Any], object]
    owners: str


JOBS = (
    Job("renew", renew.due, renew_and_charge, "SELECT id, id AS owner FROM subscriptions WHERE id = ANY(:ids)"),
    Job("collect", collect.due, charge_alone, """
        SELECT id, coalesce(subscription_id, id) AS owner FROM invoices WHERE id = ANY(:ids) ORDER BY period_index"""),
    Job("apply", apply.due, apply.apply, """
        SELECT m.id, coalesce(i.subscription_id, i.id) AS owner FROM inbox m
        JOIN merchant_uids u ON u.merchant_uid = m.payload ->> 'merchant_uid' JOIN invoices i ON i.id = u.invoice_id
        WHERE m.id = ANY(:ids) ORDER BY m.id"""),
    Job("reconcile", reconcile.due, reconcile.reconcile, """
        SELECT a.id, coalesce(i.subscription_id, i.id) AS owner
        FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        WHERE a.id = ANY(:ids) ORDER BY i.period_index, a.number"""),
)  # fmt: skip

_TAKEN_OVER = """
    SELECT DISTINCT ON (merchant_uid) merchant_uid, status FROM payment_attempts
    WHERE merchant_uid = ANY(:ids) ORDER BY merchant_uid, number DESC"""
_OWNERS_OF_ORDERS = """
    SELECT u.merchant_uid, coalesce(i.subscription_id, i.id) AS owner
    FROM merchant_uids u JOIN invoices i ON i.id = u.invoice_id
    WHERE u.merchant_uid = ANY(:ids)"""


class Held(NamedTuple):
    """A delivery that was held up, whose it is, and since which round."""

    delivery: Delivery
    customer: "Customer"
    since: int


@dataclass
class Customer:
    """A subscription or a single payment, what goes wrong for it, and what a worker could not survive."""

    owner_id: str
    script: Script
    ports: Ports
    webhooks: bool = False
    every_message_twice: bool = False
    troubles: list[str] = field(default_factory=list)


class Lockstep:
    """Runs all customers of a world through their periods together."""

    jobs: Sequence[Job] = JOBS
    owners_of_orders = _OWNERS_OF_ORDERS

    def __init__(self, world: World, saboteur: Saboteur) -> None:
        self._world = world
        self._saboteur = saboteur
        self._customers: dict[str, Customer] = {}
        self._plan: Plan | None = None
        self._again: list[tuple[Customer, Job, Any]] = []
        self._held: list[Held] = []
        self._rounds = 0
        self._seen = world.first_order

    def add(self, behaviour: str, script: Script, **how: bool) -> Customer:
        """A customer whose card behaves as named: on a plan, or with one single payment."""
        ports = self._saboteur.wrap(self._world.ports, script)
        customer = Customer(self._owner(behaviour), script, ports, **how)
        self._customers[customer.owner_id] = customer
        return customer

    def _owner(self, behaviour: str) -> str:
        card = behaviour.removeprefix(SINGLE)
        if card != behaviour:
            return self._world.pay(self._world.key(card), retry_days=RETRY_DAYS).id
        self._plan = self._plan or self._world.plan(interval="week", dunning_days=RETRY_DAYS)
        return self._world.subscribe(behaviour, plan=self._plan).id

    def run(self) -> None:
        """Three periods, then time to heal; faults come as the scripts say, until they are used up."""
        began = self._world.clock.now()
        try:
            for moment in self._moments():
                self._world.clock.advance_to(began + moment)
                self._round()
            until, step = self._world.clock.now() + HEALING, timedelta(seconds=1)
            while self._world.clock.now() < until:
                self._world.clock.advance_to(min(self._world.clock.now() + step, until))
                self._round()
                step = min(step * 2, LONGEST_STEP)
        finally:
            for held in self._held:
                held.customer.troubles.append(f"a worker that was held up for {held.delivery.until} never went on")
                held.delivery.abandon()

    def _moments(self) -> Sequence[timedelta]:
        """When beat's scans run, counted from the beginning."""
        return [period * PERIOD + timedelta(seconds=second) for period in range(PERIODS) for second in BEATS]

    def _round(self) -> None:
        """What came back from the queue, each scan with its ids one by one, what PortOne tells, and held workers."""
        self._rounds += 1
        again, self._again = self._again, []
        for customer, job, ident in again:
            self._deliver(customer, job, ident)
        for job in self.jobs:
            for customer, idents in self._claimed(job):
                self._hand_out(customer, job, idents)
        self._tell()
        self._release()

    def _claimed(self, job: Job) -> Iterable[tuple[Customer, list[Any]]]:
        ids = job.due(self._world.ports, LIMIT)
        if not ids:
            return ()
        claimed: defaultdict[str, list[Any]] = defaultdict(list)
        # Sorted: in which order a scan returns what it claimed is not promised, and steps must have the same numbers.
        for row in self._world.rows(job.owners, ids=list(ids)):
            claimed[row["owner"]].append(row["id"])
        return [(self._customers[owner], idents) for owner, idents in claimed.items()]

    def _hand_out(self, customer: Customer, job: Job, idents: list[Any]) -> None:
        fault = customer.script.step(Step.HAND_OUT, job.name)
        if fault is Fault.LOST:
            return
        for ident in idents:
            for _ in range(2 if fault is Fault.TWICE or customer.every_message_twice else 1):
                self._deliver(customer, job, ident)
            if fault is Fault.AGAIN:
                self._again.append((customer, job, ident))

    def _deliver(self, customer: Customer, job: Job, ident: Any) -> None:
        def work() -> None:
            try:
                survive(lambda: job.verb(customer.ports, ident))
            except Exception as error:  # noqa: BLE001 - whatever a worker does not survive is a finding
                customer.troubles.append(f"{job.name} ended with {type(error).__name__}: {error}")

        if not customer.script.may_hold:
            work()  # it can never be held up: a thread of its own would only cost time
            return
        delivery = Delivery(work, f"{job.name} with {customer.script.faults}")
        if not delivery.go():
            self._held.append(Held(delivery, customer, self._rounds))

    def _tell(self) -> None:
        """Note this round's payments, and tell those customers' worker of them who get webhooks."""
        rows = self._world.sandbox.ledger(self._seen)
        for row in rows:
            self._seen = max(self._seen, row["order"])
            if holds_money(row):
                self._world.charged_at.setdefault(row["imp_uid"], self._world.clock.now())
        if rows and any(customer.webhooks for customer in self._customers.values()):
            found = self._world.rows(self.owners_of_orders, ids=[row["merchant_uid"] for row in rows])
            owners = {row["merchant_uid"]: row["owner"] for row in found}
            for row in rows:
                if self._customers[owners[row["merchant_uid"]]].webhooks:
                    self._world.webhook(row["imp_uid"], row["merchant_uid"], row["status"])

    def _release(self) -> None:
        """Those go on whose attempt the resolver has taken over, or whose rounds are over."""
        orders = [held.delivery.until for held in self._held if isinstance(held.delivery.until, str)]
        rows: list[Row] = self._world.rows(_TAKEN_OVER, ids=orders) if orders else []
        taken_over = {row["merchant_uid"] for row in rows if row["status"] != "in_flight"}
        waiting, self._held = self._held, []
        for held in waiting:
            until = held.delivery.until
            ready = until in taken_over if isinstance(until, str) else self._rounds - held.since >= until
            if not ready:
                self._held.append(held)
            elif not held.delivery.go():
                self._held.append(held._replace(since=self._rounds))
