"""Scenarios of at most two faults, run by the hundred, and the judgement on each of them.

A scenario is written as `ok 3:crash_before 7:held_after`: what the card does, then the steps that go wrong and how.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from tests.support.alerts import said
from tests.support.databases import Databases
from tests.support.faults import FAULTS, Fault, Saboteur, Script, Step, Storm
from tests.support.invariants import violations
from tests.support.lockstep import PERIODS, TIMING, Customer, Lockstep
from tests.support.sandbox import Sandbox
from tests.support.sessions import Operator
from tests.support.world import World

WEBHOOKS = "webhooks"
"""The behaviour `ok`, of which PortOne also tells by webhook."""
BEHAVIOURS = ("ok", WEBHOOKS, "drop-after-charge-1x", "decline-limit-1x")
BATCH = 300
"""So many at once: enough to share the scans, few enough to name a step of a batch that hangs."""
SHOWN = 5
TAKEN = ("paid", "cancelled")
"""Ledger rows of money that was taken, whether it was given back or not."""
COMMAND = '.venv/bin/python -m pytest tests/faults/every_pair.py -n 0 --scenario "{0}"'


@dataclass(frozen=True)
class Scenario:
    """What the card does, and which steps go wrong; or, with `storm`, one fault after the other from that step on."""

    behaviour: str
    faults: tuple[tuple[int, Fault], ...] = ()
    storm: int = 0

    def __str__(self) -> str:
        words = [self.behaviour, *(f"{step}:{fault}" for step, fault in self.faults)]
        return " ".join([*words, f"storm:{self.storm}"] if self.storm else words)

    @classmethod
    def read(cls, text: str) -> Self:
        """The scenario that `str` wrote."""
        behaviour, *words = text.split()
        pairs = [word.split(":") for word in words]
        faults = tuple((int(step), Fault(fault)) for step, fault in pairs if step != "storm")
        return cls(behaviour, faults, sum(int(step) for word, step in pairs if word == "storm"))

    def script(self) -> Script:
        """What a customer needs to live through it."""
        return Storm(start=self.storm) if self.storm else Script(dict(self.faults))


@dataclass
class Verdict:
    """What became of a scenario: its steps, the faults that it really met, and what is wrong."""

    scenario: Scenario
    script: Script
    problems: list[str]

    @property
    def story(self) -> str:
        """All that a reader needs: the scenario, what is wrong, the steps, and how to see it again."""
        problems = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{self.scenario}\n{problems}\n{self.script.story}\n{COMMAND.format(self.scenario)}"

    def followed_by(self) -> Iterator[Scenario]:
        """This scenario with one more fault, at each later step that it had, of each kind that the step can have."""
        last = max((step for step, _ in self.scenario.faults), default=0)
        for number, (kind, _) in enumerate(self.script.steps, 1):
            if number > last:
                for fault in FAULTS[kind]:
                    yield Scenario(self.scenario.behaviour, (*self.scenario.faults, (number, fault)))


@dataclass
class Tally:
    """The numbers of many verdicts."""

    scenarios: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    """By kind of step and fault."""
    wrong: list[Verdict] = field(default_factory=list)

    def add(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Count them, and give them back."""
        seen = list(verdicts)
        for verdict in seen:
            self.scenarios += 1
            self.fired.update(f"{verdict.script.steps[n - 1][0]}:{fault}" for n, fault in verdict.script.fired.items())
            if verdict.problems:
                self.wrong.append(verdict)
        return seen

    def assert_nothing_is_wrong(self) -> None:
        """Show the first few that are wrong, each with the command that runs it alone."""
        shown = "\n\n".join(verdict.story for verdict in self.wrong[:SHOWN])
        assert not self.wrong, f"{len(self.wrong)} of {self.scenarios} scenarios ended wrong\n\n{shown}"


Change = Callable[[World], World]


@dataclass(frozen=True)
class Laboratory:
    """Where scenarios are run: a fresh database a batch, one sandbox; `change` plants a mistake into the world."""

    databases: Databases
    sandbox: Sandbox
    change: Change = lambda world: world

    def run(self, scenarios: Sequence[Scenario]) -> Iterator[Verdict]:
        """The verdict on each, in their order."""
        for first in range(0, len(scenarios), BATCH):
            yield from self._batch(scenarios[first : first + BATCH])

    def _batch(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        with self._world() as world, closing(Operator.of(world.database_url)) as operator:
            lockstep = Lockstep(world, Saboteur(self.sandbox, operator))
            customers = []
            for scenario in scenarios:
                tells = scenario.behaviour == WEBHOOKS
                behaviour = "ok" if tells else scenario.behaviour
                twice = scenario.storm > 0
                customer = lockstep.add(behaviour, scenario.script(), webhooks=tells, every_message_twice=twice)
                customers.append(customer)
            lockstep.run()
            problems = judged(world, customers)
            assert not self.sandbox.rules(), "a fault of the gateway waits for a call that never came"
        return [
            Verdict(scenario, customer.script, problems[customer.owner_id])
            for scenario, customer in zip(scenarios, customers, strict=True)
        ]

    @contextmanager
    def _world(self) -> Iterator[World]:
        with self.databases.migrated() as url, World.built(url, self.sandbox, timing=TIMING) as world:
            yield self.change(world)


def judged(world: World, customers: Sequence[Customer]) -> dict[str, list[str]]:
    """What is wrong with each customer, by owner; a breach without an owner counts for all."""
    problems = {customer.owner_id: _own_troubles(customer) for customer in customers}
    whose = _owners(world)
    _judge_invoices(world, problems)
    for row in world.rows("SELECT id, status FROM payment_attempts WHERE status IN ('in_flight', 'unknown')"):
        problems[whose[row["id"]]].append(f"attempt {row['id']} is {row['status']}")
    for alert in world.alerts():
        problems[whose[alert.subject_id]].append(f"an alert is open: {alert.kind}, {said(alert)}")
    for line in violations(world.books()):
        named = {whose[word] for word in re.findall(r"\w+", line) if word in whose}
        for owner in named or problems:
            problems[owner].append(line)
    return problems


def _own_troubles(customer: Customer) -> list[str]:
    missed = customer.script.faults.items() - customer.script.fired.items()
    return [*customer.troubles, *(f"step {step} never met its fault {fault}" for step, fault in sorted(missed))]


def _judge_invoices(world: World, problems: dict[str, list[str]]) -> None:
    """Three periods or a single payment, each paid by exactly one payment in the ledger; one given back counts too.

    A second payment that is noticed and refunded is healed, but no fault here is a reason for it.
    """
    order_of = {row["merchant_uid"]: row["invoice_id"] for row in world.rows("SELECT * FROM merchant_uids")}
    payments = Counter(order_of[row["merchant_uid"]] for row in world.ledger() if row["status"] in TAKEN)
    invoices: defaultdict[str, list[tuple[int | None, str, int]]] = defaultdict(list)
    for row in world.rows("SELECT *, coalesce(subscription_id, id) AS owner FROM invoices ORDER BY period_index"):
        invoices[row["owner"]].append((row["period_index"], row["status"], payments[row["id"]]))
    for owner, found in problems.items():
        wanted = range(PERIODS) if owner.startswith("sub_") else [None]
        if invoices[owner] != [(period, "paid", 1) for period in wanted]:
            found.append(f"periods (number, status, payments) are {invoices[owner]}")


def _owners(world: World) -> dict[str, str]:
    """The subscription or single payment of everything that has an id."""
    rows: list[dict[str, Any]] = world.rows("""
        SELECT id, id AS owner FROM subscriptions
        UNION ALL SELECT id, coalesce(subscription_id, id) FROM invoices
        UNION ALL SELECT u.merchant_uid, coalesce(i.subscription_id, i.id)
            FROM merchant_uids u JOIN invoices i ON i.id = u.invoice_id
        UNION ALL SELECT a.id, coalesce(i.subscription_id, i.id)
            FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        UNION ALL SELECT billing_key_id, id FROM subscriptions
        UNION ALL SELECT billing_key_id, id FROM invoices WHERE subscription_id IS NULL""")
    return {row["id"]: row["owner"] for row in rows}


def kinds() -> set[str]:
    """Every kind of step that three paid periods can have, with every fault that it can have."""
    return {f"{step}:{fault}" for step in Step if step is not Step.CANCEL for fault in FAULTS[step]}
