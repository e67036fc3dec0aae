"""Shadow mode: this worker decides when it would charge, charges nothing, and compares with the old biller."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from billing_worker.domain.money import Money
from billing_worker.domain.payment import GatewayPayment, PaymentStatus

NEAR = timedelta(days=1)
"""An old biller may charge so long before or after the moment at which this worker would."""

LAG = timedelta(days=1, hours=1)
"""A day is compared so long after its end: what is near its last moment has then happened, and is in the books."""


class ShadowResult(StrEnum):
    """What PortOne's books show beside a decision of this worker."""

    AGREES = "agrees"
    """The old biller took the same sum near that time."""
    DECLINED = "declined"
    """The old biller tried near that time, and took nothing."""
    DIFFERS = "differs"
    """The old biller took another sum near that time."""
    MISSING = "missing"
    """This worker would have charged, and PortOne shows no try of the old biller."""
    UNEXPECTED = "unexpected"
    """The old biller took money at a time at which this worker would have charged nothing."""


DIFFERENCES = frozenset({ShadowResult.DIFFERS, ShadowResult.MISSING, ShadowResult.UNEXPECTED})


@dataclass(slots=True)
class ShadowCharge:
    """One charge that this worker would have made, or that only the old biller made."""

    id: str
    subscription_id: str
    period_index: int | None
    """None for what only the old biller charged."""
    money: Money
    at: datetime
    """When this worker would have charged, or when the old biller did: billing time."""
    result: ShadowResult | None = None
    """None until its day is compared."""
    imp_uid: str | None = None
    """The old biller's payment."""
    taken: int | None = None
    """What the old biller took, in minor units."""


def time_of(payment: GatewayPayment) -> datetime | None:
    """When a payment was made or tried."""
    return payment.paid_at or payment.started_at


def compare_day(
    decided: Sequence[tuple[ShadowCharge, str]], payments: Iterable[GatewayPayment], day: date
) -> list[tuple[GatewayPayment, datetime]]:
    """Write the results of one day's decisions; returns the payments of that day that no decision explains.

    With each comes the time at which it was made.

    Each decision comes with its customer_uid. `payments` are those of the keys in question, also of the days around it.
    A payment explains one decision only.
    """
    left = [payment for payment in payments if time_of(payment) is not None]
    for charge, customer_uid in decided:
        near = [each for each in left if each.customer_uid == customer_uid and _is_near(each, charge)]
        taken = sorted((each for each in near if each.holds_money), key=lambda each: each.money != charge.money)
        if taken:
            left.remove(taken[0])
            charge.result = ShadowResult.AGREES if taken[0].money == charge.money else ShadowResult.DIFFERS
            charge.imp_uid, charge.taken = taken[0].imp_uid, taken[0].money.amount
        elif any(each.status is PaymentStatus.FAILED for each in near):
            charge.result = ShadowResult.DECLINED
        else:
            charge.result = ShadowResult.MISSING
    made = [(each, when) for each in left if (when := time_of(each)) is not None and each.holds_money]
    return [(each, when) for each, when in made if when.date() == day]


def _is_near(payment: GatewayPayment, charge: ShadowCharge) -> bool:
    when = time_of(payment)
    return when is not None and abs(when - charge.at) <= NEAR
