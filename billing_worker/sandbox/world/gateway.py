"""The gateway itself, without HTTP: it moves money in the books, and sends the webhooks."""

import asyncio
from dataclasses import dataclass, field

from billing_worker.sandbox import texts
from billing_worker.sandbox.clock import Clock
from billing_worker.sandbox.latency import Latency
from billing_worker.sandbox.options import SandboxOptions
from billing_worker.sandbox.records import DECIMALS, Json, Key, Later, Payment
from billing_worker.sandbox.sending.deliveries import AFTER_ANSWER, Deliveries
from billing_worker.sandbox.sending.pingbacks import purchase
from billing_worker.sandbox.world.agenda import Agenda
from billing_worker.sandbox.world.behaviours import BEHAVIOURS, Webhook
from billing_worker.sandbox.world.behaviours import Books as Recorded
from billing_worker.sandbox.world.books import Books
from billing_worker.sandbox.world.choosing import chosen, counts_calls, provider_of, spelled
from billing_worker.sandbox.world.journal import Journal
from billing_worker.sandbox.world.payment_view import plain, receipt
from billing_worker.sandbox.world.rules import Plan, Rules
from billing_worker.sandbox.world.tokens import Tokens

PAYMENTWALL = "paymentwall"


@dataclass(slots=True, kw_only=True)
class Order:
    """One request to charge a key."""

    customer_uid: str
    merchant_uid: str
    amount: float
    currency: str = "KRW"
    given: Json = field(default_factory=dict)
    usage: str | None = "payment"
    origin: str = "again"
    channel: str = "api"


class Gateway:
    """Options, clock, books, rules and deliveries of one sandbox."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.clock = Clock(options.time_machine)
        self.tokens = Tokens(options.token_lifetime)
        self.journal = Journal(options.ledger)
        self.books = Books(self.journal, self.tokens, options.seed)
        self.rules = Rules()
        self.latency = Latency(options.latency, options.seed)
        self.read_latency = Latency(None, options.seed)
        self.deliveries = Deliveries(options, self.clock, self.journal.durable)
        self.agenda = Agenda(self.clock)

    def plan(self, endpoint: str, key: Key, merchant_uid: str) -> Plan:
        """Choose the behaviour of a charge: a rule, else the customer_uid, else the card."""
        rule = self.rules.pick(endpoint, key.customer_uid, merchant_uid, self.clock.real())
        calls = key.calls
        if counts_calls(key.customer_uid):
            key.calls += 1
            self.books.save(key)
        if rule is not None:
            return Plan.of(BEHAVIOURS[rule.behaviour], rule)
        return Plan.of(chosen(key.customer_uid, key.card_number, calls))

    def key_for(self, customer_uid: str) -> Key | None:
        """Return a chargeable key; with open keys, a key that spells a behaviour exists from its first use.

        Paymentwall keys are never open: such a key exists only after a charge and its confirmation.
        """
        key = self.books.keys.get(customer_uid)
        if key is not None:
            return key if key.confirmed and not key.deleted else None
        provider, stages = spelled(customer_uid)
        if not self.options.open_keys or not stages or provider == PAYMENTWALL:
            return None
        return self.new_key(customer_uid, provider_of(customer_uid, None))

    def new_key(self, customer_uid: str, provider: str, card_number: str = "", given: Json | None = None) -> Key:
        """Issue a key, or put another card under an existing uid (documented: the mapping is replaced)."""
        now = self.clock.now()
        old = self.books.key(customer_uid)
        key = Key(
            customer_uid=customer_uid,
            pg_provider=provider,
            card_number=card_number,
            given=given or {},
            inserted=old.inserted if old else now,
            updated=max(now, old.inserted + 1) if old else now,
        )
        self.books.save(key)
        return key

    def enter(self, order: Order, key: Key, plan: Plan) -> Payment | None:
        """Apply a behaviour to the books, and send its webhook."""
        recorded = plan.behaviour.books
        if recorded is Recorded.NOTHING:
            return None
        now = self.clock.now()
        payment = Payment(
            imp_uid=self.books.new_imp_uid("imps_" if order.channel == "api" else "imp_"),
            merchant_uid=order.merchant_uid,
            customer_uid=order.customer_uid or None,
            amount=order.amount,
            currency=order.currency,
            status=recorded.value,
            pg_provider=key.pg_provider,
            started_at=now,
            paid_at=now if recorded is Recorded.PAID else 0,
            failed_at=now if recorded is Recorded.FAILED else 0,
            usage=order.usage,
            channel=order.channel,
            sandbox=self.options.test_channel,
            card_number=key.card_number,
            origin=order.origin,
            behaviour=plan.behaviour.name,
            nameless=plan.behaviour.nameless,
            hidden=plan.behaviour.hidden,
            given=order.given,
        )
        if recorded is Recorded.FAILED:
            payment.fail_reason = plan.fail_reason or texts.fail_reason(plan.behaviour.reason, key.pg_provider)
        if recorded is Recorded.PAID and key.pg_provider == PAYMENTWALL:
            payment.ref = f"b{payment.imp_uid[-10:]}"
        self.books.add(payment)
        if plan.behaviour.then:
            after = plan.late_after if plan.late_after is not None else plan.behaviour.then_after
            wait = self.options.late_after if after is None else after
            self.promise(Later(imp_uid=payment.imp_uid, at=self.clock.virtual() + wait, to=plan.behaviour.then))
        return payment

    def notify(self, payment: Payment, webhook: Webhook = Webhook.AFTER, *, failures: bool = False) -> None:
        """Send the webhook of a new payment; failures send one only for schedules of the gateway."""
        if payment.status == "paid" or (failures and payment.status == "failed"):
            times = {Webhook.NEVER: 0, Webhook.TWICE: 2}.get(webhook, 1)
            waits = {Webhook.BEFORE: 0.0, Webhook.LATE: self.options.late_after / self.clock.speed}
            self.in_a_moment(waits.get(webhook, AFTER_ANSWER), payment, payment.status, times)
        if payment.status == "paid" and payment.ref:
            self.deliveries.pingback(purchase(payment.customer_uid or "", payment.merchant_uid, payment.ref))

    def in_a_moment(self, seconds: float, payment: Payment, status: str, times: int) -> None:
        """Send webhooks after some real seconds."""
        if not times:
            return
        if not seconds:
            self.deliveries.webhook(payment, status, times=times)
            return
        asyncio.get_running_loop().call_later(seconds, lambda: self.deliveries.webhook(payment, status, times=times))

    def promise(self, later: Later) -> None:
        """Write a later event into the ledger and the agenda."""
        self.books.save(later)
        self.arm(later)

    def arm(self, later: Later) -> None:
        """Put a later event on the agenda."""

        async def happen() -> None:
            if (later.imp_uid, later.to) not in self.books.laters:
                return
            payment = self.books.by_imp_uid[later.imp_uid]
            later.done = True
            self.books.save(later)
            if later.to == "paid" and payment.status != "paid":
                self.settle(payment)
            elif later.to == "shown":
                self.hide(payment, hidden=False)
            elif later.to == "cancelled" and payment.status == "paid":
                self.give_back(payment, payment.amount - payment.cancel_amount, texts.NET_CANCELLED)
            await self.books.durable()

        self.agenda.at(later.at, happen)

    def settle(self, payment: Payment) -> None:
        """Turn a payment to paid from any status, and notify the merchant."""
        now = self.clock.now()
        payment.status, payment.paid_at, payment.updated_at = "paid", now, now
        payment.fail_reason = None
        if payment.pg_provider == PAYMENTWALL and not payment.ref:
            payment.ref = f"b{payment.imp_uid[-10:]}"
        self.books.save(payment)
        self.notify(payment)

    def hide(self, payment: Payment, *, hidden: bool) -> None:
        """Hide a payment from all reads, or show it again: the books lag, or lose a row for a while."""
        payment.hidden = hidden
        self.books.save(payment)

    def give_back(self, payment: Payment, amount: float, reason: str) -> str:
        """Refund; return the cancellation_id. A partial refund also shows the status `cancelled` (observed)."""
        now = self.clock.now()
        cancellation_id = f"{payment.imp_uid}-{len(payment.cancel_history) + 1}"
        payment.cancel_amount = round(payment.cancel_amount + amount, DECIMALS)
        payment.status, payment.cancelled_at, payment.updated_at = "cancelled", now, now
        payment.cancel_reason = reason
        payment.cancel_history.append(
            {
                "pg_tid": f"{payment.pg_provider}_{payment.imp_uid}",
                "amount": plain(amount),
                "cancelled_at": now,
                "reason": reason,
                "cancellation_id": cancellation_id,
                "receipt_url": receipt(payment.imp_uid),
            }
        )
        self.books.save(payment)
        return cancellation_id
