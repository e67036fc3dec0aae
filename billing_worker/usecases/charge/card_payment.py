"""Charge card data once: a one-time payment, or a first payment that also keeps the card as a billing key.

The three acts of a charge, and two rules beside them. The card is in memory of this process for the one call, so what
the call left open is resolved by reading, and never sent again. The key of a first payment waits for that payment: only
an approved one lets the gateway's key be confirmed, and any other outcome makes the key invalid.

A payment with a time is another thing under the same name: its card is kept as a key now (`entry.later`).
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta

from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, BillingKey, KeyStatus, KeyWait
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Conflict, InvalidInput, SettingsInvalid
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome
from billing_worker.domain.payment_options import PLAIN, PaymentOptions
from billing_worker.domain.pgs.facts import Flow
from billing_worker.domain.pgs.rules import named, require_onetime, require_pg
from billing_worker.ports.bundle import Ports
from billing_worker.ports.calls import Answered, Intent
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.budget import Allowance
from billing_worker.usecases.control.environment import require_claimed_environment
from billing_worker.usecases.control.pace import note_service
from billing_worker.usecases.control.turns import Turns, wait_for_turn
from billing_worker.usecases.entry.issue import CARD_ENTRY_OFF, TAKEN, NewCard, finish_issue
from billing_worker.usecases.entry.later import LaterPayment, request_later_payment
from billing_worker.usecases.key.confirm import confirm
from billing_worker.usecases.key.register import BUYER, NewKey, new_key
from billing_worker.usecases.payment.create import DEFAULT_NAME, NewPayment, add_payment, refuse_known_order
from billing_worker.usecases.settle.record import record_answers

FOR_LATER = ("retry_days", "dunning_policy", "channel_key", "customer_id")
"""What only a payment with a time takes: the key that is issued for it, and its charge by that key."""


@dataclass(frozen=True, slots=True)
class NewCardPayment:
    """A caller's description of a payment by card data; `request_card_payment` checks it."""

    pg_provider: str
    card: Card
    amount: object
    """Minor units."""
    _: KW_ONLY
    customer_uid: str | None = field(default=None, repr=False)
    """The name under which the card is kept as a key; None: it is not kept."""
    currency: str = "KRW"
    name: str = DEFAULT_NAME
    customer: str | None = None
    """The merchant's own id; None: the id of the key."""
    order_id: str | None = None
    options: PaymentOptions = PLAIN
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    at: datetime | None = None
    """When it is charged, aware and later than now; the card is kept until then as a key. None: now, by the card."""
    retry_days: Sequence[int] | None = None
    """With `at` only: days to wait after the first, second … decline."""
    dunning_policy: str | None = None
    """With `at` only, instead of days: the name of a policy."""
    channel_key: str | None = None
    """With `at` only: the channel of the key."""
    customer_id: str | None = None
    """With `at` only: the customer at the PG."""

    def on(self, key: BillingKey) -> NewPayment:
        """The payment, on the key of its card."""
        return NewPayment(
            key.id,
            self.amount,
            currency=self.currency,
            name=self.name,
            customer=self.customer or key.id,
            at=self.at,
            order_id=self.order_id,
            retry_days=self.retry_days,
            dunning_policy=self.dunning_policy,
            options=self.options,
        )


@dataclass(frozen=True, slots=True)
class CardPayment:
    """A payment whose intent is stored. It holds the card, until its call has ended."""

    invoice_id: str
    key: BillingKey
    intent: Intent
    card: Card

    @property
    def keeps_card(self) -> bool:
        """Whether the gateway stores the card as a key, if it approves."""
        return self.key.status is KeyStatus.PENDING


def pay_by_card(ports: Ports, wanted: NewCardPayment) -> Invoice:
    """Charge a card once; returns the payment paid, uncollectible with the reason, or open while it is unclear.

    With `at` it is open until then, or uncollectible if the card was not kept. Raises as `request_card_payment`.
    """
    paying = request_card_payment(ports, wanted)
    finish_card_payment(ports, paying)
    with ports.database.transaction() as uow:
        return uow.invoices.get(paying.invoice_id)


def request_card_payment(ports: Ports, wanted: NewCardPayment) -> CardPayment | LaterPayment:
    """Act one: store the payment, its key, and its only attempt or, with `at`, the call that issues the key.

    Nothing of the card is stored. Raises SettingsInvalid while card entry is off, InvalidInput, and Conflict: for an
    order number or a customer_uid that is known here, and, without `at`, where a stop, a budget or the hours of the PG
    hold the charge.
    """
    if ports.shadow:
        raise Conflict("this installation charges nothing (BILLING_SHADOW)", field="shadow")
    if not ports.card_entry:
        raise SettingsInvalid(CARD_ENTRY_OFF)
    if wanted.at is not None:
        return request_later_payment(ports, _to_keep(wanted), wanted.order_id, wanted.on)
    for name in FOR_LATER:
        if getattr(wanted, name):
            raise InvalidInput(name, None, "is taken with `at` only: now, the card is charged once and by itself")
    require_claimed_environment(ports)  # as every scan does: otherwise its attempt would keep the first scan from it
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        key = _key(ports, wanted)
        try:
            uow.keys.add(key)
        except Conflict:
            refuse_known_order(uow, wanted.order_id)
            raise
        made = add_payment(ports, uow, key, wanted.on(key), moment, "by card data")
        (due,) = uow.lock_due([made.id])
        call_at = _admitted(ports, uow, due, moment)
        attempt = due.invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
        due.invoice.next_attempt_at = None
        uow.invoices.save(due.invoice)
        uow.attempts.add(attempt)
        note_service(ports, uow, moment.billing)
        uow.commit()
    request = attempt.request(key, due.agreed.name, due.invoice.options)
    intent = Intent(attempt.id, attempt.fence, attempt.lease_until, request, call_at)
    return CardPayment(made.id, key, intent, wanted.card)


def finish_card_payment(ports: Ports, paying: CardPayment | LaterPayment) -> None:
    """Acts two and three. Raises Unavailable if the answer cannot be written down: then reads find it out."""
    if isinstance(paying, LaterPayment):
        finish_issue(ports, paying.issuing)
        return
    began = ports.clock.moment().real
    outcome = _outcome(ports, paying)
    if outcome is None:
        return
    took = ports.clock.moment().real - began
    record_answers(ports, [Answered(paying.intent.attempt_id, paying.intent.fence, outcome, took)])
    if paying.keeps_card:
        confirm(ports, paying.key.id)


def _to_keep(wanted: NewCardPayment) -> NewCard:
    if wanted.customer_uid is None:
        problem = "is needed with `at`: the card is kept as a key under this name until then"
        raise InvalidInput("customer_uid", None, problem)
    return NewCard(
        wanted.customer_uid,
        wanted.pg_provider,
        wanted.card,
        channel_key=wanted.channel_key,
        customer_id=wanted.customer_id,
        buyer_name=wanted.buyer_name,
        buyer_email=wanted.buyer_email,
        buyer_tel=wanted.buyer_tel,
    )


def _key(ports: Ports, wanted: NewCardPayment) -> BillingKey:
    """The key of this payment. One that is not kept stands for a card that is never charged again."""
    pg = require_pg(wanted.pg_provider.strip(), Flow.ONETIME)
    if pg.code in ISSUED_BY_PAYMENT:
        problem = f"{named(pg)} takes cards in the payment window only"
        raise InvalidInput("pg_provider", None, problem)
    kept = wanted.customer_uid is not None
    described = NewKey(
        wanted.customer_uid if wanted.customer_uid is not None else ports.ids.new("once"),
        pg.code,
        buyer_name=wanted.buyer_name,
        buyer_email=wanted.buyer_email,
        buyer_tel=wanted.buyer_tel,
        card_expires=wanted.card.expires if kept else None,
    )
    key = new_key(ports, ports.clock.moment(), described)
    require_onetime(pg.code, {"name", *(name for name in BUYER if getattr(key, name))})
    status, waits_for = (KeyStatus.PENDING, KeyWait.FIRST_PAYMENT) if kept else (KeyStatus.DELETED, None)
    return replace(key, status=status, waits_for=waits_for, next_look_at=None)


def _admitted(ports: Ports, uow: UnitOfWork, due: DueInvoice, moment: Moment) -> datetime | None:
    """When its call may leave (real time; None: at once). Raises Conflict where something holds it."""
    if due.elsewhere:
        raise Conflict("this database is not the claimed one, so nothing is charged")
    if due.stop is not None:
        raise Conflict(f"charging is stopped by stop {due.stop}; an operator clears it")
    turns = Turns(ports, uow, [due], moment, are_new=True)
    turn = turns.take(due)
    if turn.look_at is not None:
        problem = f"{due.key.pg_provider} takes no charge before {turn.look_at:%Y-%m-%d %H:%M} UTC"
        raise Conflict(f"{problem}, and a card is not kept until then", field="pg_provider")
    beyond = Allowance(uow, ports.budgets, moment.billing).beyond(due)
    if beyond is not None:
        raise Conflict(f"{beyond.reason}; nothing was charged", field="amount")
    turns.save()
    return turn.call_at


def _outcome(ports: Ports, paying: CardPayment) -> Outcome | None:
    """The answer to the one call; None if this process stalled for too long, so that nothing was sent."""
    intent, deadline = paying.intent, timedelta(seconds=ports.timing.http_deadline)
    if paying.keeps_card:
        known = ports.gateway.read_key(paying.key.customer_uid).known
        if known is None:
            return Failed("not sent: PortOne could not be read first")
        if known:
            return Failed(f"not sent: {TAKEN}")
    if intent.call_at is not None:
        latest = intent.lease_until - deadline
        if not wait_for_turn(ports, intent.request.pg_provider, intent.call_at, latest):
            return Failed("not sent: the PG had no turn in time")
    if ports.clock.moment().real + deadline > intent.lease_until:
        return None
    request: ChargeRequest = intent.request
    return ports.gateway.charge_card(request if paying.keeps_card else replace(request, customer_uid=""), paying.card)
