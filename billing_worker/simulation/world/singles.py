"""Single payments: customers who are charged now and then beside their subscription, or without one."""

from datetime import timedelta
from functools import partial

from billing_worker.domain.card_entry import Card
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.world.office import Office
from billing_worker.simulation.world.policies import Policies
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.payment.cancel import cancel_payment
from billing_worker.usecases.payment.create import NewPayment, create_payment

SMALLEST, LARGEST = 100, 90_000
"""Minor units."""

RETRIES = ((), (), (1,), (1, 3, 5))


class Singles:
    """The merchant's program, which asks for single payments, and sometimes asks twice."""

    def __init__(self, fleet: Fleet, office: Office, policies: Policies) -> None:
        self._office = office
        self._policies = policies
        self._store = fleet.world.store
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler
        self._rate = fleet.options.singles_a_year
        self._orders = 0

    def use(self, key_id: str, currency: str) -> None:
        """Charge this key now and then, as long as it can be charged."""
        if self._rate:
            wait = timedelta(days=365.25 / self._rate * self._chaos.random.expovariate(1))
            self._office.later(wait, partial(self._pay, key_id, currency))

    def _pay(self, key_id: str, currency: str, ports: Ports) -> None:
        self.use(key_id, currency)
        self._orders += 1
        roll = self._chaos.roll
        if roll() < 0.2:  # noqa: PLR2004 - one of five comes with another card
            self.pay_by_card(ports)
            return
        amount = SMALLEST + int((LARGEST - SMALLEST) * roll())
        wanted = NewPayment(
            key_id,
            amount,
            currency=currency,
            at=self._scheduler.now + self._office.days(0, 20) if roll() < 0.3 else None,  # noqa: PLR2004 - three of ten
            order_id=f"shop-{self._orders}" if roll() < 0.5 else None,  # noqa: PLR2004 - half of them
            retry_days=None if self._policies.used else RETRIES[int(roll() * len(RETRIES))],
            dunning_policy=self._policies.of_payment(),
            options=PaymentOptions(tax_free=amount if roll() < 0.2 else None),  # noqa: PLR2004 - one of five
        )
        if wanted.order_id is not None and roll() < 0.5:  # noqa: PLR2004 - half of them ask again
            self._office.later(self._office.days(0, 3), partial(self._ask, wanted))
        self._ask(wanted, ports)

    def pay_by_card(self, ports: Ports) -> None:
        """A customer is charged by card data, once or twice; half of them leave the card, some to be charged later."""
        self._orders += 1
        roll = self._chaos.roll
        number = f"54096000{self._orders % 10**8:08d}"
        card = Card.entered(number, "2199-12", birth=None, pwd_2digit=None, real_now=self._scheduler.now)
        amount, keeps = SMALLEST + int((LARGEST - SMALLEST) * roll()), roll() < 0.5  # noqa: PLR2004 - half of them
        later = keeps and roll() < 0.5  # noqa: PLR2004 - half of these
        wanted = NewCardPayment(
            "nice_v2",
            card,
            amount,
            customer_uid=f"left-{self._orders}" if keeps else None,
            at=self._scheduler.now + self._office.days(0, 20) if later else None,
            order_id=f"till-{self._orders}" if roll() < 0.5 else None,  # noqa: PLR2004 - half of them
        )
        if wanted.order_id is not None and roll() < 0.5:  # noqa: PLR2004 - half of them ask again
            self._office.later(self._office.days(0, 3), partial(self._charge, wanted))
        self._charge(wanted, ports)

    def _charge(self, wanted: NewCardPayment, ports: Ports) -> None:
        made = pay_by_card(ports, wanted)
        self.use(made.billing_key_id, made.money.currency)

    def _ask(self, wanted: NewPayment, ports: Ports) -> None:
        made = create_payment(ports, wanted)
        if self._chaos.roll() < 0.1:  # noqa: PLR2004 - one of ten
            self._office.later(self._office.days(0, 10), partial(self._cancel, made.id))

    def _cancel(self, invoice_id: str, ports: Ports) -> None:
        if self._store.invoices.rows[invoice_id].status is InvoiceStatus.OPEN:
            cancel_payment(ports, invoice_id)
