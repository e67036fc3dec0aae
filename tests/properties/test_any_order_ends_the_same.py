"""Confluence: whatever tells of one charge, in whatever order and however often, the rows are the same in the end.

For each truth at the gateway a set of events is applied in every order, and longer sequences with repetitions are
drawn by a fixed seed; half of them begin when the worker's lease is over. Compared are statuses, sums and payments.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.calls import Answered, Intent
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import reconcile
from billing_worker.usecases.charge.begin import begin_invoices
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.settle.record import record_answers
from billing_worker.usecases.subscription import replace_key
from tests.support.gateways import never_arrives, untroubled
from tests.support.sandbox import Row
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
SAMPLES = 6
"""Longer sequences for each truth."""
Final = tuple[Any, ...]


@dataclass
class Life:
    """One charge whose outcome only the gateway knows so far."""

    world: World
    subscription: Subscription
    intent: Intent
    outcome: Outcome
    payments: list[Row]
    card: BillingKey | None

    def answer(self) -> None:
        """The worker records the answer to its own call."""
        record_answers(self.world.ports, [Answered(self.intent.attempt_id, self.intent.fence, self.outcome)])

    def read(self) -> None:
        """The resolver looks."""
        reconcile.reconcile(self.world.ports, self.intent.attempt_id)

    def sweep(self) -> None:
        """A round of beat."""
        self.world.tick()

    def webhook(self, status: str, number: int = 0) -> None:
        """A webhook comes and is applied."""
        row = self.payments[number]
        apply.apply(self.world.ports, self.world.webhook(row["imp_uid"], row["merchant_uid"], status))

    def cancel(self) -> None:
        """The customer leaves; a second time that is refused."""
        with suppress(Conflict):
            self.world.cancel(self.subscription)

    def change_card(self) -> None:
        """The customer gives another card."""
        assert self.card is not None
        with suppress(Conflict):
            replace_key.replace_key(self.world.ports, self.subscription.id, self.card.id)

    def final(self) -> Final:
        """What is compared: no times, no notes, payments by their place in the ledger."""
        invoices = []
        for invoice in self.world.invoices(self.subscription):
            rows = self.world.sandbox.ledger(merchant_uid=invoice.merchant_uid)
            place = {row["imp_uid"]: number for number, row in enumerate(rows)}
            attempts = sorted(
                (str(one.status), one.money.amount, one.surplus, place.get(one.imp_uid or "", -1))
                for one in self.world.attempts(invoice)
            )
            counted = (invoice.declines, invoice.failures, invoice.generation)
            invoices.append((str(invoice.status), invoice.money.amount, counted, tuple(attempts)))
        return str(self.world.subscription(self.subscription).status), tuple(invoices)


EVENTS: dict[str, Callable[[Life], None]] = {
    "answer": Life.answer,
    "read": Life.read,
    "sweep": Life.sweep,
    "cancel": Life.cancel,
    "card": Life.change_card,
    "told paid": lambda life: life.webhook("paid"),
    "told failed": lambda life: life.webhook("failed"),
    "told cancelled": lambda life: life.webhook("cancelled"),
}


def refunded(amount: int | None) -> Callable[[World, list[Row]], None]:
    """An operator gives money back in the console before anything of ours has heard of the charge."""

    def give_back(world: World, payments: list[Row]) -> None:
        world.sandbox.control(
            "/operator/cancel", imp_uid=payments[0]["imp_uid"], **({"amount": amount} if amount else {})
        )

    return give_back


@dataclass(frozen=True)
class Truth:
    """What the gateway did, and what will tell of it."""

    behaviour: str
    events: tuple[str, ...]
    charge: Callable[[Gateway, ChargeRequest], Outcome] = lambda gateway, request: gateway.charge(request)
    then: Callable[[World, list[Row]], None] = lambda _world, _payments: None


LOST = "drop-after-charge-1x"
TRUTHS = {
    "paid": Truth("ok", ("answer", "told paid", "read", "sweep", "cancel")),
    "paid, and another card": Truth("ok", ("answer", "told cancelled", "read", "card")),
    "paid, and the answer is lost": Truth(LOST, ("answer", "told paid", "read", "card")),
    "declined": Truth("decline-limit", ("answer", "told failed", "read", "cancel")),
    "declined, and another card": Truth("decline-limit", ("answer", "told paid", "read", "card")),
    "stolen, and another card": Truth("decline-stolen", ("answer", "told failed", "read", "card")),
    "never arrived": Truth("ok", ("answer", "read", "sweep", "cancel"), never_arrives),
    "never arrived, and another card": Truth("ok", ("answer", "read", "sweep", "card"), never_arrives),
    "partly given back": Truth("ok", ("answer", "told paid", "told cancelled", "read"), then=refunded(100)),
    "given back, answer lost": Truth(LOST, ("answer", "told paid", "told cancelled", "read"), then=refunded(None)),
}  # fmt: skip


def begun(world: World, truth: Truth, plan: Plan, *, late: bool) -> Life:
    """A charge that was placed, with everything that is needed to tell of it later."""
    subscription = world.subscribe(truth.behaviour, plan=plan)
    card = world.key() if "card" in truth.events else None
    world.renew()
    (intent,) = begin_invoices(world.ports, [world.invoice(subscription).id]).intents
    outcome = untroubled(truth.charge(world.ports.gateway, intent.request))
    payments = world.sandbox.ledger(merchant_uid=intent.request.merchant_uid)
    truth.then(world, payments)
    world.clock.advance(seconds=world.ports.timing.lease + 1 if late else 1)
    return Life(world, subscription, intent, outcome, payments, card)


def orders(events: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every order of these, and some longer ones in which they come again."""
    yield from itertools.permutations(events)
    rng = random.Random("/".join(events))
    for _ in range(SAMPLES):
        again = [*events, *rng.choices(events, k=rng.randint(1, 5))]
        rng.shuffle(again)
        yield tuple(again)


def ended(lives: Iterable[tuple[tuple[str, ...], Life]]) -> dict[Final, list[tuple[str, ...]]]:
    """Which orders led to which rows."""
    found: dict[Final, list[tuple[str, ...]]] = {}
    for order, life in lives:
        found.setdefault(life.final(), []).append(order)
    return found


@pytest.mark.fm("E1")
@pytest.mark.fm("E2")
@pytest.mark.fm("E4")
@pytest.mark.fm("E5")
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_in_any_order_and_number_the_same_is_recorded(world: World, truth: Truth) -> None:
    world.subscribe()
    world.settle()  # a payment for control reads
    plan, lives = world.plan(), []
    for number, order in enumerate(orders(truth.events)):
        life = begun(world, truth, plan, late=number % 2 == 1)
        for event in order:
            EVENTS[event](life)
        lives.append((order, life))
    world.resolve(minutes=10)
    found = ended(lives)
    assert len(found) == 1, "\n".join(f"{final}\n    {orders[:3]}" for final, orders in found.items())
    world.assert_books_agree()
