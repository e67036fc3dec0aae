"""The market: customers who come, lose their cards and leave, and the webhooks of the gateway."""

from datetime import datetime, timedelta
from functools import partial

from billing_worker.domain.billing_key import PAYMENTWALL, KeyStatus
from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import CatchUpMode, CatchUpPolicy
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.schedule import Collection
from billing_worker.domain.stop import StopCause
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.ledger import AGAIN, RECOVERY, REVIEW, SCHEDULE, Row
from billing_worker.simulation.fleet.swarm import PLANS, WEIGHTS, Options
from billing_worker.simulation.world.backing import Backing
from billing_worker.simulation.world.cards import Cards
from billing_worker.simulation.world.clerks import Clerks
from billing_worker.simulation.world.office import Office
from billing_worker.simulation.world.operators import Operators
from billing_worker.simulation.world.policies import Policies
from billing_worker.simulation.world.singles import Singles
from billing_worker.usecases.charge import retry
from billing_worker.usecases.control import stop_charging
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.refund import refund
from billing_worker.usecases.subscription import cancel, create_plan, replace_key, subscribe

YEAR = timedelta(days=365.25)
LATEST_WEBHOOK = timedelta(days=10)
PORTONE_SCHEDULE = Collection.PORTONE_SCHEDULE
CALENDARS: dict[str, tuple[BillingCalendar, int, str]] = {
    "monthly": (AnchoredCalendar(Unit.MONTH, 1), 9900, "KRW"),
    "monthly_usd": (AnchoredCalendar(Unit.MONTH, 1, "America/New_York"), 1999, "USD"),
    "monthly_cron": (CronCalendar("0 9 1 * *"), 5500, "KRW"),
    "last_day_cron": (CronCalendar("30 2 L * *", "Europe/Berlin"), 12345, "EUR"),
    "quarterly": (AnchoredCalendar(Unit.MONTH, 3), 27000, "KRW"),
    "yearly": (AnchoredCalendar(Unit.YEAR, 1), 99000, "KRW"),
    "weekly": (AnchoredCalendar(Unit.WEEK, 1), 2500, "KRW"),
    "daily": (AnchoredCalendar(Unit.DAY, 1), 490, "KRW"),
}


class Market:
    """The customers, and the gateway's notifications about their payments."""

    def __init__(self, fleet: Fleet, quiet: Ports) -> None:
        self.options: Options = fleet.options
        self.fleet = fleet
        self.office = Office(fleet)
        self.operators = Operators(fleet, self.office)
        self.cards = Cards(fleet)
        self.policies = Policies(fleet, self.office, quiet)
        self.singles = Singles(fleet, self.office, self.policies)
        self.backing = Backing(fleet, self.office, self.cards)
        self.clerks = Clerks(fleet, self.office)
        self._world = fleet.world
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler
        self._quiet = quiet
        self._plans = [self._plan(name) for name in PLANS]

    def populate(self, start: datetime) -> None:
        """Plan the customers at the start, and the operators' stops."""
        common = [start + self._chaos.between(60, 30 * 86400) for _ in range(2)]
        for _ in range(self.options.subscriptions):
            own = common[int(self._chaos.roll() * 2)] if self.options.together else start + self.office.days(0, 30)
            self._scheduler.at(own, partial(self._come, self._quiet))
        for _ in range(round(self.options.stops_a_year * self.options.years)):
            self.office.later(YEAR * self.options.years * self._chaos.roll(), self.operators.stop)
        self.clerks.begin()
        self.policies.begin(YEAR * self.options.years)

    def clear_up(self) -> None:
        """Let operators clear their stops, because all faults have ended."""
        self.office.open = False
        for stop_id in list(self._world.store.stops.open_ids.values()):
            if self._world.store.stops.rows[stop_id].cause is StopCause.ISSUE:
                continue  # it asks for a decision, and names the subject
            stop_charging.clear_stop(self._quiet, stop_id, "all is well")
        self._hint_again()

    def _hint_again(self) -> None:
        """Send a webhook of each unasked payment whose own may be late: the comparison of payments would find it."""
        since = self._scheduler.now - LATEST_WEBHOOK
        for row in self._world.ledger.rows.values():
            if row.cause not in (AGAIN, SCHEDULE) and row.holds and (row.paid_at or since) > since:
                self._hint(row, "paid", timedelta(minutes=10), again=True)

    def paid(self, row: Row) -> None:
        """Send the webhooks of a payment; the network may lose or repeat them."""
        fault = self._chaos.strikes("webhook")
        if self.office.open and self._chaos.roll() < self.options.refund_rate:
            self.office.later(
                self.office.days(0.01, 40), partial(self._ask_back, row.merchant_uid, f"ask {row.imp_uid}")
            )
        self._send_webhooks(row, "paid", fault)

    def _send_webhooks(self, row: Row, status: str, fault: str | None) -> None:
        # The webhook of an unasked payment is repeated until it is received: the worker has no other reason to look.
        again = row.cause not in (AGAIN, SCHEDULE)
        delay = self._chaos.between(0.3, 5)
        if fault == "webhook.never" and not again:
            return
        if fault == "webhook.early":
            delay = timedelta(0)
        elif fault == "webhook.late":
            delay = self._chaos.between(10, LATEST_WEBHOOK.total_seconds())
        elif fault == "webhook.doubled":
            self._hint(row, status, self._chaos.between(0.3, 86400), again=False)
        self._hint(row, status, delay, again=again)

    def declined(self, row: Row) -> None:
        """Tell of a failed schedule: no other decline has a webhook.

        A risk review, or a clerk at the console, may still turn any of them into a payment.
        """
        if row.cause in (SCHEDULE, RECOVERY):
            self._send_webhooks(row, "failed", self._chaos.strikes("webhook"))
        if not self.office.open:
            return
        if row.pg == PAYMENTWALL and self._chaos.roll() < self.options.review_rate:
            self._scheduler.after(self._chaos.between(60, 7 * 86400), partial(self._review, row))
        elif self._chaos.roll() < self.options.operator_rate:
            self._scheduler.after(self._chaos.between(600, 20 * 86400), partial(self.operators.pay, row))
        if self._chaos.roll() < 0.3:  # noqa: PLR2004 - three of ten have no money for a while
            card = self._world.ledger.cards[row.customer_uid]
            card.empty_until = self._scheduler.now + self.office.days(1, 25)

    def cancelled(self, row: Row) -> None:
        """Note a cancellation at the gateway."""
        self._hint(row, "cancelled", self._chaos.between(0.3, 600), again=True)

    def key_died(self, key_id: str) -> None:
        """The customer learns that the key is dead, and usually gives another card."""
        for subscription in self._world.store.subscriptions.of_key(key_id):
            if subscription.status is not SubscriptionStatus.CANCELED and self._chaos.roll() < self.options.rescued:
                self.office.later(self._chaos.between(600, 12 * 86400), partial(self._give_card, subscription.id))

    def went_unpaid(self, subscription_id: str) -> None:
        """The customer returns with another card, or a new customer takes their place."""
        back = self._chaos.roll() < self.options.rescued
        act = partial(self._come_back if back else self._leave, subscription_id)
        self.office.later(self._chaos.between(3600, 40 * 86400), act)

    # -- acts, each a task in the office

    def _come(self, ports: Ports | None = None) -> None:
        if ports is None:
            self.office.later(timedelta(0), self._sign_up)
        else:
            self.office.now(self._sign_up, ports)

    def _sign_up(self, ports: Ports) -> None:
        plan_id = self._chaos.random.choices(self._plans, WEIGHTS)[0]
        key_id = self.cards.new_key(ports, plan_id)
        if self._world.store.keys.rows[key_id].status is KeyStatus.INVALID:
            self._come()  # the card was refused: the customer comes back with another one
            return
        collection = PORTONE_SCHEDULE if self._chaos.roll() < self.options.scheduled else None
        wanted = subscribe.NewSubscription(plan_id, key_id, f"customer of {key_id}", collection=collection)
        subscription = subscribe.subscribe(ports, wanted)
        self.operators.switch_sometime(subscription.id)
        self.backing.agree_sometime(subscription.id)
        self.singles.use(key_id, self._world.store.plans.rows[plan_id].money.currency)
        stay = YEAR * self.options.churn_years * self._chaos.random.expovariate(1)
        self.office.later(stay, partial(self._leave, subscription.id))

    def _leave(self, subscription_id: str, ports: Ports) -> None:
        cancel.cancel(ports, subscription_id, at_period_end=self._chaos.roll() < 0.5)  # noqa: PLR2004 - half of them
        self._come()

    def _give_card(self, subscription_id: str, ports: Ports) -> None:
        key_id = self.cards.new_key(ports, self._world.store.subscriptions.rows[subscription_id].plan_id)
        for invoice_id in self._world.store.invoices.by_owner[subscription_id]:
            self.office.on_click(invoice_id)
        replace_key.replace_key(ports, subscription_id, key_id)

    def _come_back(self, subscription_id: str, ports: Ports) -> None:
        store = self._world.store
        if store.subscriptions.rows[subscription_id].status is not SubscriptionStatus.UNPAID:
            return
        self._give_card(subscription_id, ports)
        given_up = (
            ident
            for ident in reversed(store.invoices.by_owner[subscription_id])
            if store.invoices.rows[ident].status is InvoiceStatus.UNCOLLECTIBLE
        )
        latest = next(given_up, None)
        if latest is not None:
            self.office.on_click(latest)
            retry.retry_now(ports, latest)

    def _ask_back(self, merchant_uid: str, idempotency_key: str, ports: Ports) -> None:
        order = self._world.store.invoices.order_ids.rows.get(merchant_uid)
        if order is None:
            return
        owed = self._world.store.invoices.rows[order.invoice_id].money.amount
        part = None if self._chaos.roll() < 0.5 else max(1, int(owed * self._chaos.roll()))  # noqa: PLR2004 - half of them
        refund.request_refund(
            ports, order.invoice_id, part, everything=part is None, reason="asked for", idempotency_key=idempotency_key
        )

    # -- at the gateway

    def _review(self, row: Row) -> None:
        if row.status == "failed":
            self._world.ledger.pay(row, self._scheduler.now, REVIEW)

    def _hint(self, row: Row, status: str, delay: timedelta, *, again: bool) -> None:
        hint = {"imp_uid": row.imp_uid, "merchant_uid": row.merchant_uid, "status": status}
        told = receive.Notification(receive.PORTONE, f"{row.imp_uid}|{status}||{row.merchant_uid}", hint)
        self._scheduler.after(delay, partial(self.fleet.receive, told, again=again))

    def _plan(self, name: str) -> str:
        calendar, amount, currency = CALENDARS[name]
        policy = CatchUpPolicy(CatchUpMode(self.options.catch_up))
        dunning = self.policies.of_plan(calendar)
        made = create_plan.create_plan(
            self._quiet, name, amount, currency, calendar=calendar, catch_up=policy, dunning_policy=dunning
        )
        return made.id
