"""Any order of outcomes, hands, hours and failures of a channel: what a customer hears is true, and never contradicts.

The real use cases run on the database in memory; tests/simulation holds that one to PostgreSQL.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.errors import BillingError
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.notices.notice import Channel, NoticeKind
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Outcome
from billing_worker.domain.pg_limits import Quiet
from billing_worker.domain.timing import Timing
from billing_worker.ports.bundle import Ports
from billing_worker.ports.notices import Letter
from billing_worker.ports.outgoing import Address, Refusal
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import MemoryTransaction, Store
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.jobs import BY_NAME, chunks
from billing_worker.usecases.settle.record import record_outcome
from billing_worker.usecases.subscription import create_plan, replace_key, subscribe
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests import builders
from tests.support.clock import FrozenClock
from tests.support.heard import contradictions, noticing
from tests.support.world import InTurn

LIMIT = 100
NIGHT = Quiet(time(21), time(8))


class Died(Exception):
    """The worker ended here."""


@dataclass
class Memory:
    """The store behind the port."""

    store: Store

    def transaction(self) -> MemoryTransaction:
        return MemoryTransaction(self.store, lambda _changes: None)


@dataclass
class Life:
    """One subscription, its gateway, and its customer."""

    quiet: bool
    clock: FrozenClock = field(default_factory=FrozenClock)
    heard: list[Letter] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    outcome: str = "approved"
    answer: str = "taken"
    payments: int = 0
    address: Address = field(default_factory=lambda: Address("life", "https://shop.example/notices"))

    def __post_init__(self) -> None:
        ids = Numbered()
        self.store = Store(ids, (Channel.WEBHOOK,))
        told = noticing({Channel.WEBHOOK: self}, kinds="failed,last_warning,recovered,given_up,upcoming=3")
        told = replace(told, quiet=NIGHT if self.quiet else None)
        self.ports = Ports(self.clock, ids, Memory(self.store), self, None, Timing(), "same", noticing=told)  # type: ignore[arg-type] # doubles
        month = create_plan.calendar_from(interval="month")
        self.plan = create_plan.create_plan(self.ports, "Plan", 9900, "KRW", calendar=month, dunning_days=(1, 2))
        self.keys = [f"key_{number:016}" for number in range(3)]
        with self.ports.database.transaction() as uow:
            for ident in self.keys:
                uow.keys.add(builders.a_key(id=ident, customer_uid=ident, status=KeyStatus.ACTIVE))  # type: ignore[attr-defined] # the port has it
            uow.commit()
        self.subscription = subscribe.subscribe(self.ports, NewSubscription(self.plan.id, self.keys[0], "user-1"))

    # -- the gateway

    def charge(self, request: ChargeRequest) -> Outcome:
        return self._outcome(self.outcome, request)

    def _outcome(self, name: str, request: ChargeRequest) -> Outcome:
        found = builders.OUTCOMES[name]
        self.payments += 1
        imp_uid = f"imp_{self.payments}"
        if isinstance(found, Declined):
            return replace(found, imp_uid=imp_uid)
        if not isinstance(found, Approved):
            return found
        names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "imp_uid": imp_uid}
        return replace(found, payment=builders.a_payment(**names))

    # -- the customer

    def send(self, letter: Letter, at: datetime) -> Refusal | None:  # noqa: ARG002 - as the port has it
        if self.answer == "refused":
            return Refusal("HTTP 503")
        self._judge(letter)
        if self.answer != "unanswered" or letter.id not in {each.id for each in self.heard}:
            self.heard.append(letter)
        if self.answer == "died":
            raise Died
        return Refusal("no answer", unclear=True) if self.answer == "unanswered" else None

    def _judge(self, letter: Letter) -> None:
        """Whether it is true at the moment at which it leaves."""
        invoice_id = letter.facts["invoice_id"]
        if invoice_id is None:
            if datetime.fromisoformat(str(letter.facts["charge_at"])) <= self.clock.now():
                self.lies.append(f"{letter.kind} of the past")
            return
        invoice = self.store.invoices.rows[invoice_id]
        wanted = {NoticeKind.RECOVERED: InvoiceStatus.PAID, NoticeKind.GIVEN_UP: InvoiceStatus.UNCOLLECTIBLE}
        if invoice.status is not wanted.get(letter.kind, InvoiceStatus.OPEN):
            self.lies.append(f"{letter.kind} of an invoice that is {invoice.status}")
        if letter.kind is not NoticeKind.RECOVERED and invoice.id in self.store.attempts.open_of:
            self.lies.append(f"{letter.kind} while the outcome is unknown")
        if self.quiet and NIGHT.ends(self.clock.real_now()) is not None:
            self.lies.append(f"{letter.kind} in the night")

    def arrived(self) -> list[Letter]:
        """What arrived, without the repeats that a receiver drops by their id."""
        return list({letter.id: letter for letter in reversed(self.heard)}.values())[::-1]

    # -- what happens

    def run(self, steps: Sequence[tuple[str, Any]]) -> None:
        for name, what in steps:
            with suppress(BillingError, Died):
                getattr(self, name)(what)

    def work(self, outcome: str) -> None:
        """The workers charge what is due, with this outcome."""
        self.outcome = outcome
        for job in ("renew", "collect"):
            self._serve(job)

    def resolve(self, outcome: str) -> None:
        """What was unclear is known now."""
        for attempt_id in list(self.store.attempts.open_of.values()):
            with self.ports.database.transaction() as uow:
                settlement = uow.lock_settlement(attempt_id)
                found = self._outcome(outcome, settlement.request)
                record_outcome(self.ports, uow, settlement, found, self.clock.moment())
                uow.commit()

    def retry(self, _: Any) -> None:
        """An operator tries the newest invoice again."""
        for invoice_id in list(self.store.invoices.rows)[-1:]:
            retry_now(self.ports, invoice_id)

    def give(self, number: int) -> None:
        """The customer gives a card."""
        replace_key.replace_key(self.ports, self.subscription.id, self.keys[number])

    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    def tell(self, answer: str) -> None:
        """The workers send notices, and the receiver answers so."""
        self.answer = answer
        self._serve("notice")

    def _serve(self, name: str) -> None:
        job, ports = BY_NAME[name], replace(self.ports, calls=InTurn(self))  # type: ignore[arg-type] # a double
        for idents in chunks(list(job.claim(ports, LIMIT)), job.chunk):
            job.serve(ports, idents)


outcomes = st.sampled_from(sorted(builders.OUTCOMES))
known = st.sampled_from(["approved", "declined softly", "declined hard"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), outcomes),
        st.tuples(st.just("work"), known),
        st.tuples(st.just("resolve"), known),
        st.tuples(st.just("retry"), st.none()),
        st.tuples(st.just("give"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 130, 700, 1500, 3000, 9000, 40_000])),
        st.tuples(st.just("tell"), st.sampled_from(["taken", "taken", "taken", "refused", "unanswered", "died"])),
    ),
    max_size=40,
)
FAILED_THEN_PAID = [
    ("work", "declined softly"),
    ("tell", "refused"),
    ("wait", 1500),
    ("work", "approved"),
    ("tell", "taken"),
    ("wait", 10),
    ("tell", "taken"),
]
UNCLEAR_AFTER_A_FAILURE = [
    ("work", "declined softly"),
    ("wait", 1500),
    ("work", "unknown"),
    ("tell", "taken"),
    ("resolve", "approved"),
    ("wait", 10),
    ("tell", "taken"),
]
REOPENED = [
    *[("work", "declined softly"), ("wait", 1500)] * 2,
    ("wait", 3000),
    ("work", "declined softly"),
    ("retry", None),
    ("tell", "taken"),
    ("work", "unknown"),
    ("wait", 10),
    ("tell", "taken"),
    ("resolve", "declined softly"),
    ("tell", "taken"),
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, quiet=st.booleans())
@example(steps=FAILED_THEN_PAID, quiet=False)
@example(steps=UNCLEAR_AFTER_A_FAILURE, quiet=False)
@example(steps=REOPENED, quiet=False)
def test_what_a_customer_hears_is_true_and_never_contradicts(*, steps: list[tuple[str, Any]], quiet: bool) -> None:
    life = Life(quiet)
    life.run(steps)
    life.run([("wait", 3000), ("tell", "taken"), ("wait", 700), ("tell", "taken")])
    assert not life.lies
    assert not contradictions(life.arrived())
    steps_told = [(row.subject_id, row.kind, row.step) for row in life.store.notices.rows.values()]
    assert len(steps_told) == len(set(steps_told))
    assert not [row for row in life.store.notices.rows.values() if row.lease_until is not None and not row.waits]


def test_the_stories_above_hear_something() -> None:
    """A property of silence would prove nothing."""
    paid, reopened, plain = Life(quiet=False), Life(quiet=False), Life(quiet=False)
    paid.run(FAILED_THEN_PAID)
    assert [row.status for row in paid.store.notices.rows.values()] == ["superseded", "superseded"]
    reopened.run([*REOPENED, ("wait", 10), ("tell", "taken")])
    assert [str(letter.kind) for letter in reopened.arrived()] == ["given_up"]
    plain.run([("work", "declined softly"), ("tell", "died"), ("wait", 10), ("tell", "taken"), ("wait", 1500)])
    plain.run([("work", "approved"), ("tell", "taken")])
    assert [str(letter.kind) for letter in plain.heard] == ["failed", "failed", "recovered"]
    assert [str(letter.kind) for letter in plain.arrived()] == ["failed", "recovered"]
