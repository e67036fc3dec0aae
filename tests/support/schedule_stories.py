"""Stories of subscriptions that PortOne's schedule collects, run by the hundred with faults, and judged.

A customer's behaviour names the story: `schedule-cancel` cancels in mid-period, `schedule-cancel-late` while the date
comes near. The sandbox charges at the dates that it was told, on the clock of the world.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from billing_worker.domain.errors import BillingError, Unavailable
from billing_worker.domain.schedule import Collection, ShownStatus
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.refund import refund
from billing_worker.usecases.schedule import register, step
from billing_worker.usecases.subscription import cancel, replace_key
from billing_worker.usecases.subscription.change import change_subscription
from tests.support.alerts import said
from tests.support.clock import LinkedClock
from tests.support.faults import Saboteur, survive
from tests.support.invariants import violations
from tests.support.lockstep import BEATS, JOBS, PERIOD, PERIODS, RETRY_DAYS, TIMING, Customer, Job, Lockstep
from tests.support.pairs import Laboratory, Scenario, Verdict
from tests.support.sandbox import running_sandbox
from tests.support.sessions import Operator
from tests.support.world import World, holds_money

SCHEDULE = "schedule-"
"""Before the name of a story."""
MID_PERIOD = PERIOD + timedelta(seconds=41)
"""The second period is paid, and the third one is registered, where nothing goes wrong."""
LATE = 2 * PERIOD - timedelta(seconds=20)
"""The third period is about to begin."""
LATE_BEATS = tuple(timedelta(seconds=second) for second in (-20, -19, -18, -5))

_OWNERS_OF_ORDERS = """
    SELECT u.merchant_uid, i.subscription_id AS owner
    FROM merchant_uids u JOIN invoices i ON i.id = u.invoice_id WHERE u.merchant_uid = ANY(:ids)
    UNION SELECT merchant_uid, subscription_id FROM schedules WHERE merchant_uid = ANY(:ids)"""

JOBS_WITH_SCHEDULES = (
    *(job for job in JOBS if job.name != "apply"),
    Job("apply", apply.due, apply.apply, """
        SELECT m.id, coalesce(i.subscription_id, s.subscription_id) AS owner FROM inbox m
        LEFT JOIN merchant_uids u ON u.merchant_uid = m.payload ->> 'merchant_uid'
        LEFT JOIN invoices i ON i.id = u.invoice_id
        LEFT JOIN schedules s ON s.merchant_uid = m.payload ->> 'merchant_uid'
        WHERE m.id = ANY(:ids) ORDER BY m.id"""),
    Job("schedule_step", register.due, step.step, """
        SELECT id, subscription_id AS owner FROM schedules WHERE id = ANY(:ids) ORDER BY period_index, generation"""),
    Job("refund", refund.due, refund.refund, """
        SELECT r.id, i.subscription_id AS owner FROM refunds r JOIN payment_attempts a ON a.id = r.attempt_id
        JOIN invoices i ON i.id = a.invoice_id WHERE r.id = ANY(:ids) ORDER BY r.id"""),
)  # fmt: skip


def _cancel(_: World, customer: Customer) -> None:
    cancel.cancel(customer.ports, customer.owner_id, at_period_end=False)


def _end(_: World, customer: Customer) -> None:
    cancel.cancel(customer.ports, customer.owner_id, at_period_end=True)


def _replace_card(world: World, customer: Customer) -> None:
    replace_key.replace_key(customer.ports, customer.owner_id, world.key().id)


def _use(collection: Collection) -> Callable[[World, Customer], None]:
    return lambda _, customer: _switch(customer, collection)


def _switch(customer: Customer, collection: Collection) -> None:
    change_subscription(customer.ports, customer.owner_id, collection=collection)


@dataclass(frozen=True)
class Story:
    """How a customer begins, what is done and when, and how it ends."""

    card: str = "ok"
    begins: Collection = Collection.PORTONE_SCHEDULE
    act: Callable[[World, Customer], None] | None = None
    at: timedelta = MID_PERIOD
    paid: int = PERIODS
    """The periods that are paid once at the end; no other holds money."""
    scheduled: bool = True
    """Whether PortOne has a schedule of the next period at the end."""
    webhooks: bool = False


_WORKER, _PORTONE = Collection.WORKER, Collection.PORTONE_SCHEDULE
STORIES = {
    "stays": Story(),
    "webhooks": Story(webhooks=True),
    "declined": Story(card="decline-limit-1x"),
    "cancel": Story(act=_cancel, paid=2, scheduled=False),
    "cancel-late": Story(act=_cancel, at=LATE, paid=2, scheduled=False),
    "end": Story(act=_end, paid=2, scheduled=False),
    "card": Story(act=_replace_card),
    "card-late": Story(act=_replace_card, at=LATE),
    "to-worker": Story(act=_use(_WORKER), scheduled=False),
    "to-worker-late": Story(act=_use(_WORKER), at=LATE, scheduled=False),
    "to-schedule": Story(begins=_WORKER, act=_use(_PORTONE)),
}


class ScheduledLockstep(Lockstep):
    """Customers of the stories, side by side."""

    jobs = JOBS_WITH_SCHEDULES
    owners_of_orders = _OWNERS_OF_ORDERS

    def __init__(self, world: World, saboteur: Saboteur) -> None:
        super().__init__(world, saboteur)
        self._began = world.clock.now()
        self._acts: dict[str, tuple[Customer, Story]] = {}

    def enter(self, scenario: Scenario) -> Customer:
        """A customer of the story that the scenario names."""
        story = STORIES[scenario.behaviour.removeprefix(SCHEDULE)]
        customer = self.add(scenario.behaviour, scenario.script(), webhooks=story.webhooks)
        if story.act is not None:
            self._acts[customer.owner_id] = customer, story
        return customer

    def _owner(self, behaviour: str) -> str:
        story = STORIES[behaviour.removeprefix(SCHEDULE)]
        self._plan = self._plan or self._world.plan(interval="week", dunning_days=RETRY_DAYS)
        return self._world.subscribe(story.card, plan=self._plan, collection=story.begins).id

    def _moments(self) -> Sequence[timedelta]:
        beats = [period * PERIOD + timedelta(seconds=second) for period in range(PERIODS) for second in BEATS]
        return sorted([*beats, *(2 * PERIOD + late for late in LATE_BEATS)])

    def _round(self) -> None:
        passed = self._world.clock.now() - self._began
        for owner, (customer, story) in list(self._acts.items()):
            if story.at <= passed and self._acted(customer, story):
                del self._acts[owner]
        super()._round()

    def _acted(self, customer: Customer, story: Story) -> bool:
        """Whether it is done; after an error it is done again in the next round."""
        assert story.act is not None
        act = story.act

        def work() -> None:
            try:
                act(self._world, customer)
            except Unavailable:
                raise
            except BillingError:
                return  # it was done before

        return survive(work)


@dataclass(frozen=True)
class ScheduleLaboratory(Laboratory):
    """Where these stories are run: as scenarios, each batch with a sandbox of its own, whose clock it moves."""

    def _batch(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        with running_sandbox() as sandbox:
            return replace(self, sandbox=sandbox)._lived_through(scenarios)

    def _lived_through(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        with self._world() as world, closing(Operator.of(world.database_url)) as operator:
            lockstep = ScheduledLockstep(world, Saboteur(self.sandbox, operator))
            customers = [lockstep.enter(scenario) for scenario in scenarios]
            lockstep.run()
            stories = [STORIES[scenario.behaviour.removeprefix(SCHEDULE)] for scenario in scenarios]
            problems = judged(world, dict(zip((c.owner_id for c in customers), stories, strict=True)), customers)
            assert not self.sandbox.rules(), "a fault of the gateway waits for a call that never came"
        return [
            Verdict(scenario, customer.script, problems[customer.owner_id])
            for scenario, customer in zip(scenarios, customers, strict=True)
        ]

    @contextmanager
    def _world(self) -> Iterator[World]:
        clock = LinkedClock(self.sandbox.hold_clock)
        with self.databases.migrated() as url, World.built(url, self.sandbox, timing=TIMING, clock=clock) as world:
            yield self.change(world)


def judged(world: World, stories: dict[str, Story], customers: Sequence[Customer]) -> dict[str, list[str]]:
    """What is wrong with each customer, by owner; a breach without an owner counts for all."""
    problems = {customer.owner_id: list(customer.troubles) for customer in customers}
    for customer in customers:
        missed = sorted(customer.script.faults.items() - customer.script.fired.items())
        problems[customer.owner_id] += [f"step {number} never met its fault {fault}" for number, fault in missed]
    _judge_periods(world, stories, problems)
    _judge_schedules(world, stories, problems)
    whose = _owners(world)
    for row in world.rows("SELECT id, status FROM payment_attempts WHERE status IN ('in_flight', 'unknown')"):
        problems[whose[row["id"]]].append(f"attempt {row['id']} is {row['status']}")
    for alert in world.alerts():
        problems[whose[alert.subject_id]].append(f"an alert is open: {alert.kind}, {said(alert)}")
    for line in violations(world.books()):
        named = {owner for word, owner in whose.items() if word in line}
        for owner in named or problems:
            problems[owner].append(line)
    return problems


def _judge_periods(world: World, stories: dict[str, Story], problems: dict[str, list[str]]) -> None:
    """No period is paid twice and kept, and none that is owed is unpaid."""
    period_of = {row["merchant_uid"]: (row["owner"], row["period_index"]) for row in world.rows("""
        SELECT u.merchant_uid, i.subscription_id AS owner, i.period_index
        FROM merchant_uids u JOIN invoices i ON i.id = u.invoice_id
        UNION SELECT merchant_uid, subscription_id, period_index FROM schedules""")}  # fmt: skip
    kept = Counter(period_of[row["merchant_uid"]] for row in world.ledger() if holds_money(row))
    found: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for row in world.rows("SELECT subscription_id AS owner, period_index, status FROM invoices ORDER BY period_index"):
        found[row["owner"]][row["period_index"]] = row["status"]
    for owner, story in stories.items():
        money = {period: times for (who, period), times in kept.items() if who == owner}
        paid = {period: status for period, status in found[owner].items() if status != "void"}
        if money != dict.fromkeys(range(story.paid), 1) or paid != dict.fromkeys(range(story.paid), "paid"):
            problems[owner].append(f"periods are {found[owner]}, and hold {money} payments")


def _judge_schedules(world: World, stories: dict[str, Story], problems: dict[str, list[str]]) -> None:
    """PortOne has exactly the schedules that are wanted, and we hold the same as registered."""
    now = world.clock.now()
    listing = world.ports.gateway.schedules_between(now - 5 * PERIOD, now + 5 * PERIOD)
    assert listing.trouble is None, listing.trouble
    there = {each.merchant_uid for each in listing.schedules if each.status is ShownStatus.SCHEDULED}
    here: defaultdict[str, set[str]] = defaultdict(set)
    orders: defaultdict[str, set[str]] = defaultdict(set)
    for row in world.rows("""
            SELECT c.merchant_uid, c.subscription_id AS owner, c.closed_at IS NULL AS live,
                   c.status = 'registered' AND c.period_index = s.next_period_index
                   AND c.billing_key_id = s.billing_key_id AS wanted
            FROM schedules c JOIN subscriptions s ON s.id = c.subscription_id"""):  # fmt: skip
        orders[row["owner"]].add(row["merchant_uid"])
        if row["live"]:
            here[row["owner"]].add(row["merchant_uid"] if row["wanted"] else f"{row['merchant_uid']} in between")
    for owner, story in stories.items():
        own = there & orders[owner]
        if own != here[owner] or len(own) != story.scheduled:
            problems[owner].append(f"scheduled at PortOne are {own}, and here {here[owner]}")


def _owners(world: World) -> dict[str, str]:
    rows: list[dict[str, Any]] = world.rows("""
        SELECT id, id AS owner FROM subscriptions
        UNION ALL SELECT id, subscription_id FROM invoices
        UNION ALL SELECT id, subscription_id FROM schedules
        UNION ALL SELECT merchant_uid, subscription_id FROM schedules
        UNION ALL SELECT a.id, i.subscription_id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        UNION ALL SELECT billing_key_id, id FROM subscriptions""")
    return {row["id"]: row["owner"] for row in rows}
