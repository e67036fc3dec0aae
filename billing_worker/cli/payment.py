"""`billing-worker payment …`."""

from datetime import datetime
from typing import Annotated

import typer

from billing_worker.cli import charge_options, listing, options
from billing_worker.cli.card import read_card
from billing_worker.cli.invoice import ATTEMPT_COLUMNS, REFUND_COLUMNS
from billing_worker.cli.key_entry import BuyerEmail, BuyerName, BuyerTel, ChannelKey, CustomerId, FromStdin, for_cards
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import minor_units, moment, whole_days
from billing_worker.cli.session import Session, session
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.payment.cancel import cancel_payment
from billing_worker.usecases.payment.create import DEFAULT_NAME, NewPayment, create_payment
from billing_worker.usecases.reading.one import key_with, payment_with
from billing_worker.usecases.reading.views.payments import of_payment

app = typer.Typer(help="Single payments: a stored key is charged any amount, now or at a time, without a subscription.")

Id = Annotated[str, typer.Argument(metavar="ID", help="inv_…")]
Amount = Annotated[
    str, typer.Option(help="In the smallest unit: 9900 is 9,900 KRW, and 1999 is 19.99 USD.", metavar="NUMBER")
]
Currency = Annotated[str, typer.Option(help="ISO 4217 code.")]
Name = Annotated[str, typer.Option(help="The product's name that PortOne shows.")]
OrderId = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Your own order number; a repeat of it is refused.")
]
RetryDays = Annotated[
    str | None, typer.Option(help="Days to wait after each decline in turn; default: no retry.", metavar="DAYS")
]
At = Annotated[
    str | None, typer.Option(metavar="TIME", help="ISO 8601 with a zone, up to two years ahead; default: now.")
]
KeepAs = Annotated[
    str | None, typer.Option(metavar="CUSTOMER_UID", help="Also keep the card as a key under this new name.")
]
COLUMNS = ("id", "amount", "status", "order_id", "customer", "at", "next_attempt_at", "last_reason")


@app.command()
def create(
    *,
    key: Annotated[str, typer.Option(metavar="ID", help="key_…: the card to charge.")],
    amount: Amount,
    currency: Currency = "KRW",
    name: Name = DEFAULT_NAME,
    customer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your own name for the customer; default: as the key pays for.")
    ] = None,
    at: At = None,
    order_id: OrderId = None,
    retry_days: RetryDays = None,
    dunning_policy: options.DunningPolicy = None,
    tax_free: charge_options.TaxFree = None,
    vat_amount: charge_options.VatAmount = None,
    card_quota: charge_options.CardQuota = None,
    custom_data: charge_options.CustomData = None,
    notice_url: charge_options.NoticeUrl = None,
    as_json: AsJson = False,
) -> None:
    """Charge a stored key once. The next scan makes the charge, within seconds of its time.

    A repeat of an order number is refused, with the id of its payment: so a repeated command never charges twice.
    Without one, each run is another payment.

    Example: billing-worker payment create --key key_0123456789abcdef --amount 15000 --order-id order-1001

    Example: billing-worker payment create --key key_0123456789abcdef --amount 15000 --at 2026-12-31T09:00:00+09:00
    """
    with session(as_json=as_json) as work:
        chosen = charge_options.given(tax_free, vat_amount, card_quota, custom_data, notice_url)
        wanted = NewPayment(
            key,
            minor_units(amount),
            currency=currency,
            name=name,
            customer=customer,
            at=moment("at", at),
            order_id=order_id,
            retry_days=None if retry_days is None else whole_days("retry_days", retry_days),
            dunning_policy=dunning_policy,
            options=chosen,
        )
        made = create_payment(work.ports, wanted)
        work.out.record(of_payment(made), headline=f"Created payment {made.id}")


@app.command("by-card")
def by_card(
    *,
    pg: Annotated[str, typer.Option(help="A PG that charges card data; see: billing-worker pg list")],
    amount: Amount,
    currency: Currency = "KRW",
    keep_as: KeepAs = None,
    at: At = None,
    retry_days: RetryDays = None,
    dunning_policy: options.DunningPolicy = None,
    channel_key: ChannelKey = None,
    customer_id: CustomerId = None,
    name: Name = DEFAULT_NAME,
    customer: Annotated[str | None, typer.Option(metavar="NAME", help="Your own name for the customer.")] = None,
    order_id: OrderId = None,
    buyer_name: BuyerName = None,
    buyer_email: BuyerEmail = None,
    buyer_tel: BuyerTel = None,
    tax_free: charge_options.TaxFree = None,
    vat_amount: charge_options.VatAmount = None,
    card_quota: charge_options.CardQuota = None,
    custom_data: charge_options.CustomData = None,
    notice_url: charge_options.NoticeUrl = None,
    card_from_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Charge card data once; with --keep-as also keep the card as a key, if the payment is taken.

    With --keep-as and --at the card is kept as a key at once, and charged then; --retry-days, --channel-key and
    --customer-id are for that.

    The card is asked for without an echo. Never give it as an argument. Needs BILLING_CARD_ENTRY, and widens your PCI
    scope (docs/card-entry.md): PortOne's payment window is the better way.

    Example: billing-worker payment by-card --pg nice_v2 --amount 15000 --order-id order-1001

    Example: billing-worker payment by-card --pg nice_v2 --amount 15000 --keep-as user-42-1 --at 2026-12-31T09:00+09:00
    """
    with for_cards(as_json=as_json) as work:
        card = read_card(from_stdin=card_from_stdin, real_now=work.ports.clock.moment().real)
        wanted = NewCardPayment(
            pg,
            card,
            minor_units(amount),
            customer_uid=keep_as,
            currency=currency,
            name=name,
            customer=customer,
            order_id=order_id,
            options=charge_options.given(tax_free, vat_amount, card_quota, custom_data, notice_url),
            buyer_name=buyer_name,
            buyer_email=buyer_email,
            buyer_tel=buyer_tel,
            at=moment("at", at),
            retry_days=None if retry_days is None else whole_days("retry_days", retry_days),
            dunning_policy=dunning_policy,
            channel_key=channel_key,
            customer_id=customer_id,
        )
        made = pay_by_card(work.ports, wanted)
        work.out.record(of_payment(made), headline=f"Payment {made.id} {_said(work, made, wanted.at)}")


def _said(work: Session, made: Invoice, at: datetime | None) -> str:
    """What became of a payment by card data."""
    if made.status is InvoiceStatus.OPEN and at is not None:
        key = key_with(work.ports, made.billing_key_id)
        return f"is charged at its time on key {key.id}, which is {key.status}"
    said = {InvoiceStatus.PAID: "was taken", InvoiceStatus.OPEN: "is open: the worker finds out what became of it"}
    return said.get(made.status, "was not taken")


@app.command("list")
def list_(
    *,
    customer: listing.Customer = None,
    status: Annotated[InvoiceStatus | None, typer.Option(help="Only these.")] = None,
    order_id: Annotated[str | None, typer.Option(help="Only the one with this order number.")] = None,
    at_after: listing.After = None,
    at_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List single payments, newest first.

    Example: billing-worker payment list --status uncollectible
    """
    with session(as_json=as_json) as work:
        wanted = {"customer": customer, "status": status, "order_id": order_id}
        chosen = {**wanted, **listing.between(work, "at", at_after, at_before)}
        empty = "There are no such payments. Create one: billing-worker payment create --key key_… --amount 9900"
        most = None if everything else limit
        show_list(work, Kind.PAYMENTS, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(payment_id: Id, *, as_json: AsJson = False) -> None:
    """Show one single payment with its attempts and refunds.

    Example: billing-worker payment show inv_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        found = payment_with(work.ports, payment_id)
        work.out.record(found)
        work.out.section("attempts", found.attempts, ATTEMPT_COLUMNS)
        work.out.section("refunds", found.refunds, REFUND_COLUMNS)


@app.command()
def cancel(payment_id: Id, *, as_json: AsJson = False) -> None:
    """Cancel a single payment that was not taken yet.

    Example: billing-worker payment cancel inv_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        gone = cancel_payment(work.ports, payment_id)
        work.out.record(of_payment(gone), headline=f"Payment {gone.id} is canceled")
