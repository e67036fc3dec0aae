"""A plan: what is charged, how often, and what happens after a decline."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.calendar import BillingCalendar
from billing_worker.domain.catch_up import BILL_ALL, CatchUpPolicy
from billing_worker.domain.dunning import DunningPolicy
from billing_worker.domain.money import Money
from billing_worker.domain.text import require_printable

LONGEST_NAME = 40
"""PortOne shows the plan's name as the product name of the payment and takes at most 40 characters (V1 spec)."""


@dataclass(slots=True)
class Plan:
    """Price, billing calendar, dunning and catch-up policy. Only the last one changes; a new price is a new plan."""

    id: str
    name: str
    money: Money
    calendar: BillingCalendar
    dunning: DunningPolicy
    created_at: datetime
    catch_up: CatchUpPolicy = BILL_ALL

    def __post_init__(self) -> None:
        self.name = self.name.strip()
        require_printable("name", self.name, LONGEST_NAME)
