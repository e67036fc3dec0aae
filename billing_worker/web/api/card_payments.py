"""Payments by card data: one-time, or the first payment of a new key. Taken only where the operator allows it."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from billing_worker.domain.billing_key import LONGEST_BUYER_NAME, LONGEST_BUYER_TEL
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.plan import LONGEST_NAME
from billing_worker.domain.subscription import LONGEST_CUSTOMER
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.charge.card_payment import (
    CardPayment,
    NewCardPayment,
    finish_card_payment,
    request_card_payment,
)
from billing_worker.usecases.entry.issue import LONGEST_CHANNEL_KEY, LONGEST_CUSTOMER_ID
from billing_worker.usecases.entry.later import LaterPayment
from billing_worker.usecases.payment.create import DEFAULT_NAME, LONGEST_ORDER_ID
from billing_worker.usecases.reading.one import payment_with
from billing_worker.usecases.reading.views.payments import PaymentDetail
from billing_worker.web.api.billing_keys import Email
from billing_worker.web.api.card_keys import CARDS, CardInput
from billing_worker.web.api.charge_options import ChargeOptions
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    Currency,
    Described,
    Minor,
    Moment,
    PlainDays,
    PolicyName,
    Text,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/payments", tags=["payments"])


class CardPaymentInput(ChargeOptions):
    """A payment by card data. With a `customer_uid` the card is also kept as a key, if the payment is taken.

    With `at`, the card is kept as a key at once, and charged then.
    """

    model_config = example(
        pg_provider="nice_v2",
        amount=9900,
        order_id="order-1001",
        card={"card_number": "4242-4242-4242-4242", "expiry": "2031-04", "birth": "880301", "pwd_2digit": "00"},
    ) | ConfigDict(hide_input_in_errors=True)

    pg_provider: Annotated[Text, Described(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="PortOne's code of a PG that charges card data, as `/v1/pgs` lists it", examples=["nice_v2"]
    )
    card: CardInput = Field(repr=False)
    amount: Annotated[Minor, Described(minimum=1, maximum=LARGEST_AMOUNT)]
    currency: Annotated[Currency, Described(pattern="^[A-Z]{3}$")] = "KRW"
    customer_uid: Annotated[Text, Described(pattern=r"^[\x21-\x7e]{1,80}$")] | None = Field(
        None, description="Keep the card under this new name at PortOne; needed with `at`", examples=["user-1-card-1"]
    )
    name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_NAME)] = Field(
        DEFAULT_NAME, description="The product's name that PortOne shows", examples=["가입비"]
    )
    customer: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER)] | None = Field(
        None, description="Your own id of the customer"
    )
    order_id: Annotated[Text, Described(pattern=rf"^[A-Za-z0-9_-]{{1,{LONGEST_ORDER_ID}}}$")] | None = Field(
        None, description="Your own order number, the merchant_uid at PortOne; default: one of ours"
    )
    at: Moment | None = Field(
        None, description="When the kept card is charged, later than now and up to two years ahead; default: now"
    )
    retry_days: PlainDays | None = Field(
        None, description="With `at`: days to wait after each decline; default: no retry"
    )
    dunning_policy: PolicyName | None = Field(None, description="With `at`, instead of days: the name of a policy")
    channel_key: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CHANNEL_KEY)] | None = Field(
        None, description="With `at`: the channel, from PortOne's console", examples=["channel-key-0123"]
    )
    customer_id: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER_ID)] | None = Field(
        None, description="With `at`: the customer at the PG; tosspayments needs it", examples=["user-1"]
    )
    buyer_name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_NAME)] | None = Field(
        None, description="Needed by some PGs (`/v1/pgs`)"
    )
    buyer_email: Email | None = None
    buyer_tel: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_TEL)] | None = None


@router.post(
    "/by-card",
    status_code=202,
    dependencies=[JSON, CARDS],
    responses=CHANGES,
    name="create_card_payment",
    openapi_extra=MONEY,
)
def pay(wanted: CardPaymentInput, context: Ctx) -> PaymentDetail:
    """Charge card data once, where BILLING_CARD_ENTRY allows it, over TLS or from this machine only.

    The card is sent to PortOne once. The payment is `paid`, `uncollectible` with the reason, or `open` while the result
    is unclear: read it again with `GET`. With `at` the card becomes a key now, and the payment is `open` until then, or
    `uncollectible` if the card was not kept. With an Idempotency-Key the answer always says `open`. Taking card data
    here widens your PCI scope; PortOne's payment window does not.
    """
    card = wanted.card.entered(context.ports.clock.moment().real)
    given = wanted.model_dump(exclude={"card", *ChargeOptions.model_fields})
    pg_provider, amount = given.pop("pg_provider"), given.pop("amount")
    payment = NewCardPayment(pg_provider, card, amount, options=wanted.options(), **given)
    paying = request_card_payment(context.ports, payment)
    context.then(lambda ports: _finish(replace(ports, actor=context.ports.actor), paying))
    return payment_with(context.ports, paying.invoice_id)


def _finish(ports: Ports, paying: CardPayment | LaterPayment) -> None:
    """Call PortOne. If the result cannot be written down, the worker finds it out."""
    with suppress(Unavailable):
        finish_card_payment(ports, paying)
