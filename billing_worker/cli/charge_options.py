"""The options of a charge on the command line, for plans and single payments."""

from typing import Annotated

import typer

from billing_worker.cli.parsing import whole_number
from billing_worker.domain.payment_options import PaymentOptions

TaxFree = Annotated[str | None, typer.Option(metavar="NUMBER", help="The part without tax, in the smallest unit.")]
VatAmount = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="The VAT, for PGs that take it; default: the PG reckons it.")
]
CardQuota = Annotated[int | None, typer.Option(metavar="MONTHS", help="An instalment plan, from 50,000 KRW on.")]
CustomData = Annotated[str | None, typer.Option(help="Your own text: PortOne keeps it with the payment.")]
NoticeUrl = Annotated[
    str | None,
    typer.Option(help="PortOne sends the webhook there instead of to the address in its console."),
]


def given(
    tax_free: str | None,
    vat_amount: str | None,
    card_quota: int | None,
    custom_data: str | None,
    notice_url: str | None,
) -> PaymentOptions:
    """The options, as the caller gave them. Raises InvalidInput for what is no number."""
    return PaymentOptions(
        tax_free=None if tax_free is None else whole_number("tax_free", tax_free),
        vat_amount=None if vat_amount is None else whole_number("vat_amount", vat_amount),
        card_quota=card_quota,
        custom_data=custom_data,
        notice_url=notice_url,
    )
