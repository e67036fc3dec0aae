"""The optional fields of a charge, in requests for a plan or a single payment."""

from typing import Annotated

from pydantic import Field

from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.payment_options import (
    LEAST_FOR_QUOTA,
    LONGEST_CUSTOM_DATA,
    LONGEST_NOTICE_URL,
    MOST_MONTHS,
    PaymentOptions,
)
from billing_worker.web.api.shapes import Described, Input, Text

Part = Annotated[int, Described(minimum=0, maximum=LARGEST_AMOUNT)]


class ChargeOptions(Input):
    """What a charge may say beyond its sum and its name."""

    tax_free: Part | None = Field(None, description="Minor units without tax, at most the amount")
    vat_amount: Part | None = Field(
        None, description="Minor units of VAT, for PGs that take it (`/v1/pgs`); default: the PG reckons it"
    )
    card_quota: Annotated[int, Described(minimum=0, maximum=MOST_MONTHS)] | None = Field(
        None, description=f"Months of an instalment plan, from {LEAST_FOR_QUOTA} KRW on; default: one sum"
    )
    custom_data: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOM_DATA)] | None = Field(
        None, description="Your own text: PortOne keeps it with the payment"
    )
    notice_url: Annotated[Text, Described(minLength=1, maxLength=LONGEST_NOTICE_URL)] | None = Field(
        None, description="https; PortOne sends the webhook there instead of to the address in its console"
    )

    def options(self) -> PaymentOptions:
        """The options, as the caller gave them."""
        return PaymentOptions(**{name: getattr(self, name) for name in ChargeOptions.model_fields})
