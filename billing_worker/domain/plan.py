"""A plan: the price, the billing calendar, and the policy after a decline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.calendar import BillingCalendar
from billing_worker.domain.catch_up import BILL_ALL, CatchUpPolicy
from billing_worker.domain.labels import require_external_id, require_metadata
from billing_worker.domain.money import Money
from billing_worker.domain.notices.switches import Switches
from billing_worker.domain.payment_options import PLAIN, PaymentOptions
from billing_worker.domain.schedule import Collection
from billing_worker.domain.text import require_printable

LONGEST_NAME = 40
"""PortOne shows the plan's name as the product name of the payment and takes at most 40 characters."""


@dataclass(slots=True)
class Plan:
    """Price, calendar, and the policies of dunning and catch-up. These and the notices may change; a price does not."""

    id: str
    name: str
    money: Money
    calendar: BillingCalendar
    dunning_policy: str
    """The name of its policy after a decline. A new invoice takes the newest version."""
    created_at: datetime
    catch_up: CatchUpPolicy = BILL_ALL
    options: PaymentOptions = PLAIN
    """Said with every charge of this plan."""
    external_id: str | None = None
    """The merchant's own id, unique among plans."""
    collection: Collection = Collection.WORKER
    """By which way the periods of new subscriptions are collected, unless a subscription says otherwise."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    notices: Switches | None = None
    """What its customers hear; None: what the installation says (BILLING_NOTICE_KINDS)."""

    def __post_init__(self) -> None:
        self.name = self.name.strip()
        require_printable("name", self.name, LONGEST_NAME)
        require_external_id(self.external_id)
        require_metadata(self.metadata)
