"""Write down a single payment. A worker charges it as it charges a period."""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_numbers import holds_card_number
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.order_number import merchant_uid_of, order_is_taken, read_merchant_uid
from billing_worker.domain.payment_options import PLAIN, PaymentOptions, entered_options
from billing_worker.domain.pgs.rules import require_id, require_money, require_options
from billing_worker.domain.plan import LONGEST_NAME
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.subscription import LONGEST_CUSTOMER, SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import chosen_policy

DEFAULT_NAME = "결제"
"""The product's name where the merchant gives none: PortOne needs one."""

LONGEST_ORDER_ID = 40

MEANT_NOW = timedelta(days=1)
"""A time no older than this means "now": the request was slow, or a file was read overnight."""

FURTHEST = timedelta(days=2 * 366)
"""A later time is a mistake: no card of today works then."""

_ORDER_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_ORDER_ID}}}")


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A caller's description of a single payment; `create_payment` checks it."""

    billing_key_id: str
    amount: object
    """Minor units."""
    _: KW_ONLY
    currency: str = "KRW"
    name: str = DEFAULT_NAME
    customer: str | None = None
    """The merchant's own id; None: that of the key's subscriptions, or the key's id."""
    at: datetime | None = None
    """When it is charged, aware; None: now."""
    order_id: str | None = None
    """The merchant's own order number; None: one of ours."""
    retry_days: Sequence[int] | None = None
    """Days to wait after the first, second … decline; by default, it is not tried again."""
    dunning_policy: str | None = None
    """Instead of days: the name of a policy. Its final action means nothing here."""
    options: PaymentOptions = PLAIN


def create_payment(ports: Ports, wanted: NewPayment) -> Invoice:
    """Store a single payment: an invoice without a period, charged from `at` on.

    Raises InvalidInput with the wrong field, or Conflict: for a key that cannot be charged, and for an order number
    that any invoice has or ever had, with its id. So a repeat of an order number is never a second payment.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        try:
            key = uow.keys.lock(wanted.billing_key_id)
        except NotFound as error:
            raise InvalidInput("billing_key_id", error.ident, "there is no such billing key") from error
        if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
            raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
        invoice = add_payment(ports, uow, key, wanted, moment, f"on {key.id}")
        uow.commit()
    return invoice


def add_payment(  # noqa: PLR0917 - a payment, with all that its record needs
    ports: Ports, uow: UnitOfWork, key: BillingKey, wanted: NewPayment, moment: Moment, how: str
) -> Invoice:
    """Store a single payment on this key, within the caller's transaction; `how` completes the line of the log.

    Raises InvalidInput with the wrong field, or Conflict for an order number that is known here.
    """
    invoice = _new_payment(ports, uow, key, wanted, moment.billing)
    _refuse_scheduled(uow, invoice.merchant_uid)
    uow.invoices.add_single(invoice)
    note(ports, uow, Verb.PAYMENT_CREATED, invoice.id, f"{invoice.money} {how}", at=moment.real)
    return invoice


def refuse_known_order(uow: UnitOfWork, order_id: str | None) -> None:
    """Raises Conflict, with the id of its invoice, for an order number that is known here."""
    wanted = (order_id or "").strip()
    found = uow.invoices.with_merchant_uid(wanted) if _ORDER_ID.fullmatch(wanted) else None
    if found is not None:
        raise order_is_taken(wanted, found)


def _refuse_scheduled(uow: UnitOfWork, merchant_uid: str) -> None:
    """Refuse the number of a schedule that was moved in: the invoice of its period will need it."""
    schedule = uow.schedules.with_merchant_uid(merchant_uid)
    if schedule is not None:
        problem = f"order {merchant_uid} is that of schedule {schedule.id}; give this payment another number"
        raise Conflict(problem, field="order_id", existing_id=schedule.id)


def _new_payment(ports: Ports, uow: UnitOfWork, key: BillingKey, wanted: NewPayment, now: datetime) -> Invoice:
    """A single payment, not stored yet. Raises InvalidInput with the wrong field."""
    money = Money.charge(wanted.amount, wanted.currency)
    require_money(key.pg_provider, money)
    options = entered_options(wanted.options, money)
    require_options(key.pg_provider, options, money)
    single = SinglePayment(
        customer=_customer(uow, key, wanted.customer),
        name=entered("name", wanted.name, LONGEST_NAME),
        at=_time(wanted.at, now),
    )
    policy = chosen_policy(uow, wanted.dunning_policy, wanted.retry_days, field="retry_days", now=now)
    invoice = Invoice(
        id=ports.ids.new("inv"),
        subscription_id=None,
        billing_key_id=key.id,
        period=None,
        money=money,
        status=InvoiceStatus.OPEN,
        merchant_uid="",
        generation=1,
        created_at=now,
        next_attempt_at=single.at,
        dunning_policy=policy.id,
        single=single,
        options=options,
    )
    invoice.merchant_uid = _order_id(key, wanted.order_id) or merchant_uid_of(invoice, ports.environment)
    return invoice


def _customer(uow: UnitOfWork, key: BillingKey, wanted: str | None) -> str:
    if wanted is not None:
        return entered("customer", wanted, LONGEST_CUSTOMER)
    own = uow.subscriptions.of_key(key.id)
    live = {each.customer for each in own if each.status is not SubscriptionStatus.CANCELED}
    names = live or {each.customer for each in own} or {key.id}
    if len(names) > 1:
        problem = f"key {key.id} pays for {len(names)} customers; say whom this payment is of"
        raise InvalidInput("customer", None, problem)
    return names.pop()


def _time(wanted: datetime | None, now: datetime) -> datetime:
    if wanted is None:
        return now
    if wanted.tzinfo is None:
        raise InvalidInput("at", wanted.isoformat(), "needs a time zone, e.g. 2026-03-31T09:00:00+09:00")
    if not now - MEANT_NOW <= wanted <= now + FURTHEST:
        problem = f"must be from now ({now:%Y-%m-%dT%H:%MZ}) to two years ahead; leave it out to charge now"
        raise InvalidInput("at", wanted.isoformat(), problem)
    return max(wanted, now)


def _order_id(key: BillingKey, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    order_id = wanted.strip()
    if holds_card_number(order_id):
        raise InvalidInput("order_id", "…", "looks like a card number, which is taken in card fields only")
    if not _ORDER_ID.fullmatch(order_id):
        problem = f"must be 1 to {LONGEST_ORDER_ID} letters, digits, _ or -: PortOne or a PG cuts any other"
        raise InvalidInput("order_id", wanted[: LONGEST_ORDER_ID + 1], problem)
    if read_merchant_uid(order_id) is not None:
        raise InvalidInput("order_id", order_id, "has the form of this worker's own order numbers; choose another")
    try:
        require_id(key.pg_provider, order_id)
    except InvalidInput as error:
        raise InvalidInput("order_id", error.value, error.problem) from error
    return order_id
