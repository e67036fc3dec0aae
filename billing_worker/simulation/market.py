"""The people: customers who come, lose their cards and leave; operators at the gateway's console; and its webhooks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import CatchUpMode, CatchUpPolicy
from billing_worker.domain.errors import BillingError, Unavailable
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.stop import ALL, PG, SUBSCRIPTION, StopCause
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Chosen
from billing_worker.simulation.fleet import Fleet
from billing_worker.simulation.gateway import BUYER_EMAIL
from billing_worker.simulation.ledger import REVIEW, Card, Row
from billing_worker.simulation.paymentwall import Paymentwall
from billing_worker.simulation.swarm import PLANS, WEIGHTS, Options
from billing_worker.usecases.charge import retry
from billing_worker.usecases.control import stop_charging
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.key import change, decide, register
from billing_worker.usecases.refund import refund
from billing_worker.usecases.subscription import cancel, catch_up, create_plan, replace_key, subscribe

YEAR = timedelta(days=365.25)
HARD_REASONS = ("유효기간만료 카드", "분실 카드", "lost card", "해지 카드")
USUAL = 0.9
"""Of the customers, those who pay the plan's price when their key is issued; those whose e-mail is noted rightly."""

TRIES = 5
"""A person whose click met an error clicks again."""

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
    """Whoever acts from outside. Each act goes through the office's ports, which may fail like any other's."""

    def __init__(self, fleet: Fleet, quiet: Ports) -> None:
        self.options: Options = fleet.options
        self.fleet = fleet
        self.open = True
        """Whether people still act; while it heals they do not."""
        self.on_click: Callable[[str], None] = lambda _invoice_id: None
        self._world = fleet.world
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler
        self._quiet = quiet
        self.paymentwall = Paymentwall(fleet)
        self._cards = 0
        self._plans = [self._plan(name) for name in PLANS]

    def populate(self, start: datetime) -> None:
        """Everybody who is there from the beginning."""
        common = [start + self._chaos.between(60, 30 * 86400) for _ in range(2)]
        for _ in range(self.options.subscriptions):
            own = common[int(self._chaos.roll() * 2)] if self.options.together else start + self._days(0, 30)
            self._scheduler.at(own, partial(self._come, self._quiet))
        for _ in range(round(self.options.stops_a_year * self.options.years)):
            self._later(YEAR * self.options.years * self._chaos.roll(), self._stop)

    def clear_up(self) -> None:
        """Faults have stopped: people clear what they stopped."""
        self.open = False
        for stop_id in list(self._world.store.stops.open_ids.values()):
            if self._world.store.stops.rows[stop_id].cause is StopCause.ISSUE:
                continue  # it asks for a decision, and says of whom
            stop_charging.clear_stop(self._quiet, stop_id, "all is well")

    def paid(self, row: Row) -> None:
        """The gateway tells of a payment, more or less."""
        fault = self._chaos.strikes("webhook")
        if self.open and self._chaos.roll() < self.options.refund_rate:
            self._later(self._days(0.01, 40), partial(self._ask_back, row.merchant_uid, f"ask {row.imp_uid}"))
        # What nobody asked for is told until it is heard: nothing else would ever make us look.
        again = row.cause != "again"
        delay = self._chaos.between(0.3, 5)
        if fault == "webhook.never" and not again:
            return
        if fault == "webhook.early":
            delay = timedelta(0)
        elif fault == "webhook.late":
            delay = self._chaos.between(10, 10 * 86400)
        elif fault == "webhook.doubled":
            self._hint(row, "paid", self._chaos.between(0.3, 86400), again=False)
        self._hint(row, "paid", delay, again=again)

    def declined(self, row: Row) -> None:
        """A risk review, or a person at the console, may still make a payment of it."""
        if not self.open:
            return
        if row.pg == PAYMENTWALL and self._chaos.roll() < self.options.review_rate:
            self._scheduler.after(self._chaos.between(60, 7 * 86400), partial(self._review, row))
        elif self._chaos.roll() < self.options.operator_rate:
            self._scheduler.after(self._chaos.between(600, 20 * 86400), partial(self._operate, row))
        if self._chaos.roll() < 0.3:  # noqa: PLR2004 - three of ten have no money for a while
            card = self._world.ledger.cards[row.customer_uid]
            card.empty_until = self._scheduler.now + self._days(1, 25)

    def cancelled(self, row: Row) -> None:
        """Money went back at the gateway, by whomever."""
        self._hint(row, "cancelled", self._chaos.between(0.3, 600), again=True)

    def key_died(self, key_id: str) -> None:
        """The customer hears of it, and mostly gives another card."""
        for subscription in self._world.store.subscriptions.of_key(key_id):
            if subscription.status is not SubscriptionStatus.CANCELED and self._chaos.roll() < self.options.rescued:
                self._later(self._chaos.between(600, 12 * 86400), partial(self._give_card, subscription.id))

    def went_unpaid(self, subscription_id: str) -> None:
        """The customer comes back with another card, or is replaced by somebody else."""
        back = self._chaos.roll() < self.options.rescued
        act = partial(self._come_back if back else self._leave, subscription_id)
        self._later(self._chaos.between(3600, 40 * 86400), act)

    def alarmed(self, attempt_id: str) -> None:
        """The gateway shows a payment that contradicts an attempt: a person gives the money back at its console."""
        self._scheduler.after(self._days(0.2, 5), partial(self._give_back, attempt_id))

    def stuck(self, refund_id: str) -> None:
        """A refund is not shown for a day: a person makes it at the gateway's console, and names it there."""
        self._scheduler.after(self._days(0.2, 3), partial(self._refund_by_hand, refund_id))

    def asked_of_issue(self, key_id: str) -> None:
        """What issued a key may have paid for something: a person's word is needed."""
        self._later(self._days(0.1, 3), partial(self._say_what_it_pays, key_id))

    def misspelt(self, key_id: str) -> None:
        """A key was registered with another e-mail than it was issued with: somebody corrects it."""
        self._later(self._days(0.01, 3), partial(self._correct, key_id))

    def taken_back(self, invoice_id: str) -> None:
        """Its payment was given back; where that happened too often, a person lets it go once more."""
        if self._world.store.invoices.rows[invoice_id].awaits_decision:
            self._later(timedelta(days=2), partial(self._once_more, invoice_id))

    def asked(self, plan_id: str) -> None:
        """Late periods of a plan wait for a person's word."""
        self._later(self._days(0.1, 3), partial(self._decide, plan_id))

    # -- acts, each a task in the office

    def _come(self, ports: Ports | None = None) -> None:
        if ports is None:
            self._later(timedelta(0), self._sign_up)
        else:
            self._scheduler.start(self.fleet.office, partial(self._sign_up, ports))

    def _sign_up(self, ports: Ports) -> None:
        plan_id = self._chaos.random.choices(self._plans, WEIGHTS)[0]
        key_id = self._new_key(ports, plan_id)
        subscription = subscribe.subscribe(ports, subscribe.NewSubscription(plan_id, key_id, f"customer of {key_id}"))
        stay = YEAR * self.options.churn_years * self._chaos.random.expovariate(1)
        self._later(stay, partial(self._leave, subscription.id))

    def _leave(self, subscription_id: str, ports: Ports) -> None:
        cancel.cancel(ports, subscription_id, at_period_end=self._chaos.roll() < 0.5)  # noqa: PLR2004 - half of them
        self._come()

    def _give_card(self, subscription_id: str, ports: Ports) -> None:
        key_id = self._new_key(ports, self._world.store.subscriptions.rows[subscription_id].plan_id)
        for invoice_id in self._world.store.invoices.by_subscription[subscription_id]:
            self.on_click(invoice_id)
        replace_key.replace_key(ports, subscription_id, key_id)

    def _come_back(self, subscription_id: str, ports: Ports) -> None:
        store = self._world.store
        if store.subscriptions.rows[subscription_id].status is not SubscriptionStatus.UNPAID:
            return
        self._give_card(subscription_id, ports)
        given_up = (
            ident
            for ident in reversed(store.invoices.by_subscription[subscription_id])
            if store.invoices.rows[ident].status is InvoiceStatus.UNCOLLECTIBLE
        )
        latest = next(given_up, None)
        if latest is not None:
            self.on_click(latest)
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

    def _decide(self, plan_id: str, ports: Ports) -> None:
        modes = ("bill_all", "latest_only", "forgive")
        catch_up.decide_late(ports, modes[int(self._chaos.roll() * len(modes))], Chosen(plan_id=plan_id))

    def _once_more(self, invoice_id: str, ports: Ports) -> None:
        if self._world.store.invoices.rows[invoice_id].awaits_decision:
            self.on_click(invoice_id)
            retry.retry_now(ports, invoice_id)

    def _say_what_it_pays(self, key_id: str, ports: Ports) -> None:
        own = [row for row in self._world.store.subscriptions.of_key(key_id) if row.canceled_at is None]
        pays = bool(own) and self._chaos.roll() < 0.5  # noqa: PLR2004 - half of them
        decide.decide(ports, key_id, own[-1].id if pays else None)

    @staticmethod
    def _correct(key_id: str, ports: Ports) -> None:
        change.set_email(ports, key_id, BUYER_EMAIL)

    def _stop(self, ports: Ports) -> None:
        names = [
            ALL,
            PG + "nice_v2",
            *(SUBSCRIPTION + ident for ident in list(self._world.store.subscriptions.rows)[:3]),
        ]
        scope = names[int(self._chaos.roll() * len(names))]
        stopped = stop_charging.stop_on_word(ports, scope, "something looks wrong")
        self._later(self._chaos.between(60, 3 * 86400), partial(self._clear, stopped.stop.id))

    @staticmethod
    def _clear(stop_id: int, ports: Ports) -> None:
        stop_charging.clear_stop(ports, stop_id, "it was nothing")

    def _later(self, delay: timedelta, act: Callable[[Ports], None]) -> None:
        self._scheduler.after(delay, partial(self._click, act, TRIES))

    def _click(self, act: Callable[[Ports], None], tries: int) -> None:
        if self.fleet.office.up:
            self._scheduler.start(self.fleet.office, partial(self._try, act, tries))
        elif tries > 1:
            self._scheduler.after(timedelta(minutes=1), partial(self._click, act, tries - 1))

    def _try(self, act: Callable[[Ports], None], tries: int) -> None:
        if not self.open:
            return
        try:
            act(self.fleet.ports[self.fleet.office.name])
        except Unavailable:
            if tries > 1:
                self._scheduler.after(timedelta(minutes=1), partial(self._click, act, tries - 1))
        except BillingError:
            return  # it says why: canceled already, an attempt is open, …

    def _new_key(self, ports: Ports, plan_id: str) -> str:
        self._cards += 1
        uid = f"card-{self._cards}"
        options, roll, now = self.options, self._chaos.roll(), self._scheduler.now
        pg = "nice_v2"
        if roll < options.paymentwall:
            pg = PAYMENTWALL
        elif roll < options.paymentwall + options.naverpay:
            pg = "naverpay"
        reviewed = self._chaos.between(60, 3 * 86400) if pg == PAYMENTWALL else timedelta(0)
        dies = now + YEAR * options.card_years * self._chaos.random.expovariate(1)
        reason = HARD_REASONS[int(self._chaos.roll() * len(HARD_REASONS))]
        card = self._world.ledger.cards[uid] = Card(uid, pg, options.soft_rate, dies, reason, now + reviewed, now)
        buyer = self._issue(card, plan_id) if pg == PAYMENTWALL else {}
        name, email = buyer.get("buyer_name"), buyer.get("buyer_email")
        return register.register_key(ports, register.NewKey(uid, pg, buyer_name=name, buyer_email=email)).id

    def _issue(self, card: Card, plan_id: str) -> dict[str, str]:
        """Paymentwall charges when it issues, mostly the plan's price; returns the buyer as the merchant notes him."""
        price = self._world.store.plans.rows[plan_id].money
        amount = price.amount if self._chaos.roll() < USUAL else price.amount - 1
        row = self._world.ledger.issue(card, (amount, price.currency), self._scheduler.now)
        self._scheduler.at(card.known_from, partial(self._settle_issue, row))
        self.paymentwall.issued(card, row)
        email = BUYER_EMAIL if self._chaos.roll() < USUAL else "hong@example.com"
        return {"buyer_name": "Gildong Hong", "buyer_email": email}

    def _settle_issue(self, row: Row) -> None:
        if row.status == "ready":
            self._world.ledger.pay(row, self._scheduler.now)

    # -- at the gateway

    def _review(self, row: Row) -> None:
        if row.status == "failed":
            self._world.ledger.pay(row, self._scheduler.now, REVIEW)

    def _operate(self, row: Row) -> None:
        ledger = self._world.ledger
        if ledger.takes(row.merchant_uid, row.pg):
            ledger.pay_at_the_console(row, self._scheduler.now)

    def _give_back(self, attempt_id: str) -> None:
        store, ledger = self._world.store, self._world.ledger
        attempt = store.attempts.rows[attempt_id]
        ours = {row.imp_uid for row in store.attempts.rows.values() if row.status is AttemptStatus.APPROVED}
        for row in ledger.orders[attempt.merchant_uid]:
            if self.open and row.status == "paid" and row.imp_uid not in ours:
                ledger.cancel(row, row.holds, "by hand")

    def _refund_by_hand(self, refund_id: str) -> None:
        found = self._world.store.refunds.rows[refund_id]
        row = self._world.ledger.rows[self._world.store.attempts.rows[found.attempt_id].imp_uid or ""]
        if self.open and found.is_open and row.holds >= found.money.amount:
            self._world.ledger.cancel(row, found.money.amount, f"{refund_id} by hand")

    def _hint(self, row: Row, status: str, delay: timedelta, *, again: bool) -> None:
        hint = {"imp_uid": row.imp_uid, "merchant_uid": row.merchant_uid, "status": status}
        told = receive.Notification(receive.PORTONE, f"{row.imp_uid}|{status}||{row.merchant_uid}", hint)
        self._scheduler.after(delay, partial(self.fleet.receive, told, again=again))

    def _plan(self, name: str) -> str:
        calendar, amount, currency = CALENDARS[name]
        policy = CatchUpPolicy(CatchUpMode(self.options.catch_up))
        return create_plan.create_plan(self._quiet, name, amount, currency, calendar=calendar, catch_up=policy).id

    def _days(self, least: float, most: float) -> timedelta:
        return timedelta(days=least + (most - least) * self._chaos.roll())
