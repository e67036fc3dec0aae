"""The view of a charge in shadow mode."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.shadow import ShadowCharge, ShadowResult
from billing_worker.usecases.reading.views.fields import CURRENCY, SUBSCRIPTION_ID, described, minor, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowChargeView:
    """A charge that this worker would have made, or that only the old biller made."""

    id: str = field(metadata=described(example="shd_0123456789abcdef"))
    subscription_id: str = field(metadata=SUBSCRIPTION_ID)
    period_index: int | None = field(metadata=described("null: only the old biller charged"))
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    at: datetime = field(metadata=described("When this worker would have charged, or the old biller did"))
    result: ShadowResult | None = field(metadata=described("null: its day is not compared yet"))
    taken: int | None = field(metadata=minor("What the old biller took, in minor units"))
    imp_uid: str | None = field(metadata=described("The old biller's payment"))


def of_shadow_charge(charge: ShadowCharge) -> ShadowChargeView:
    """The view of a charge in shadow mode."""
    return view_of(ShadowChargeView, charge, amount=charge.money.amount, currency=charge.money.currency)
