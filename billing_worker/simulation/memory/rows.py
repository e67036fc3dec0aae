"""The tables by name. Each table reaches the others here, and none depends on the store."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.domain.fallback import FallbackKey
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.key_call import KeyCall
from billing_worker.domain.pingback import PingbackPayment
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund
from billing_worker.domain.schedule import Schedule
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.incoming import Echo
from billing_worker.simulation.memory.order_ids import OrderIds
from billing_worker.simulation.memory.tables import DueIndex, Table


class SubscriptionRows(Protocol):
    """The subscriptions, as other tables use them."""

    rows: dict[Any, Subscription]
    renewals: DueIndex

    def get(self, ident: Any) -> Subscription:
        """A copy of the row. Raises NotFound."""

    def save(self, entity: Subscription) -> None:
        """Write the row back, if it changed."""


class InvoiceRows(Protocol):
    """The invoices, as other tables use them."""

    rows: dict[Any, Invoice]
    order_ids: OrderIds
    due: DueIndex
    by_owner: defaultdict[str, list[str]]
    open_by_key: defaultdict[str, dict[str, None]]
    open_by_owner: defaultdict[str, dict[str, None]]

    def get(self, ident: Any) -> Invoice:
        """A copy of the row. Raises NotFound."""

    def save(self, entity: Invoice) -> None:
        """Write the row back, if it changed."""

    def due_from(self, invoice_id: str) -> datetime | None:
        """When a scan may first claim it; None while it must not be claimed."""


class AttemptRows(Protocol):
    """The attempts, as other tables use them."""

    rows: dict[Any, PaymentAttempt]
    by_invoice: defaultdict[str, list[str]]
    open_of: dict[str, str]

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""

    def get(self, ident: Any) -> PaymentAttempt:
        """A copy of the row. Raises NotFound."""

    def save(self, entity: PaymentAttempt) -> None:
        """Write the row back, if it changed."""

    def closed_after(self, moment: datetime) -> bool:
        """Whether a payment that the gateway showed was recorded after this moment."""

    def echo_of(self, imp_uid: str, merchant_uid: str) -> Echo:
        """What a webhook with status `paid` about this payment would add to our attempts."""


class StopRows(Protocol):
    """The stops, as other tables use them."""

    rows: dict[Any, Stop]
    open_ids: dict[tuple[str, StopCause], int]

    def holding(self, owner_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold the charges of this subscription, or single payment, on a key of this PG."""


class ScheduleRows(Protocol):
    """The schedules at PortOne, as other tables use them."""

    rows: dict[Any, Schedule]

    def get(self, ident: Any) -> Schedule:
        """A copy of the row. Raises NotFound."""

    def save(self, entity: Schedule) -> None:
        """Write the row back, if it changed."""

    def wake(self, subscription_id: str, period_index: int) -> None:
        """Compare a registered schedule at once with its subscription, which has changed."""

    def plan(self, subscription_id: str) -> None:
        """Plan again when the next period of this subscription is to be registered, after a change that decides it."""

    def plan_all(self) -> None:
        """Plan again for all subscriptions that PortOne's schedule collects."""


class FallbackRows(Protocol):
    """The fallback keys, as other tables use them."""

    rows: dict[Any, FallbackKey]
    by_owner: defaultdict[str, list[str]]


class DoubtRows(Protocol):
    """The doubts, as other tables use them."""

    def holds(self, subject_id: str) -> bool:
        """Whether the payment is in doubt now."""


class Rows:
    """The tables that others use. `Store` sets each once."""

    policies: Table[PolicyVersion]
    plans: Table[Plan]
    keys: Table[BillingKey]
    key_calls: Table[KeyCall]
    subscriptions: SubscriptionRows
    invoices: InvoiceRows
    attempts: AttemptRows
    fallbacks: FallbackRows
    refunds: Table[Refund]
    pingbacks: Table[PingbackPayment]
    stops: StopRows
    doubts: DoubtRows
    schedules: ScheduleRows

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise AssertionError(f"the table {name} is already set")
        super().__setattr__(name, value)

    def replan(self, invoice_id: str) -> None:
        """Plan again when this invoice may be claimed, after a change that decides it."""
        self.invoices.due.set(invoice_id, self.invoices.due_from(invoice_id))
