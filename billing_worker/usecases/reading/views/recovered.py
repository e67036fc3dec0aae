"""The views of what dunning recovered."""

from dataclasses import dataclass, field

from billing_worker.usecases.reading.views.fields import CURRENCY, described, minor


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredView:
    """Declined invoices of one value, in one currency."""

    value: str = field(metadata=described("The step, category, PG, version of a policy, or month", example="balance"))
    currency: str = field(metadata=CURRENCY)
    attempted: int = field(metadata=described("Declined invoices; by step: those with so many declines", example=120))
    recovered: int = field(metadata=described("Of these, paid; by step: paid by the try after it", example=80))
    open: int = field(metadata=described("Of these, still in dunning", example=3))
    share: float = field(metadata=described("The share recovered", example=0.667))
    share_low: float = field(metadata=described("Where the true share lies in 95 of 100 cases", example=0.578))
    share_high: float = field(metadata=described("Likewise", example=0.745))
    attempted_amount: int = field(metadata=minor())
    recovered_amount: int = field(metadata=minor())
    days: float | None = field(metadata=described("From the first decline to the payment, median", example=4.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """Two policies over the declined invoices of separate customers."""

    one: str = field(metadata=described(example="paydays"))
    one_invoices: int = field(metadata=described(example=500))
    one_share: float = field(metadata=described("The share recovered", example=0.7))
    other: str = field(metadata=described(example="days-1-3-5-7"))
    other_invoices: int = field(metadata=described(example=500))
    other_share: float = field(metadata=described("The share recovered", example=0.6))
    difference: float = field(metadata=described("What the first recovered more", example=0.1))
    difference_low: float = field(metadata=described("Where it lies in 95 of 100 cases", example=0.04))
    difference_high: float = field(metadata=described("Likewise", example=0.16))
    is_difference: bool = field(metadata=described("Whether the figures show a difference at all"))
    verdict: str = field(metadata=described("The same in words", example="paydays recovers more"))
