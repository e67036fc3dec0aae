"""The records of billing and charging, as use cases see them: plans, subscriptions, invoices and attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.dunning.policy import ANY_HOUR, DunningPolicy, Hours
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Schedule
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.control import DueBetween
from billing_worker.ports.declines import UnknownText
from billing_worker.ports.incoming import Echo


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSubscription:
    """A subscription that may be due, with what decides whether it is charged; its row is locked."""

    subscription: Subscription
    key: BillingKey
    plan: Plan
    stop: int | None
    """The number of an open stop that holds its charges."""
    elsewhere: bool
    """Whether this is another database than the claimed one."""
    last_paid: int | None
    """The amount of its last paid invoice in this currency, in minor units."""
    policy_id: str
    """The version of the dunning policy that a new invoice begins with."""
    policy: DunningPolicy

    def owing(self, invoice: Invoice, schedules: Sequence[Schedule] = ()) -> "DueInvoice":
        """The same with an invoice that was opened just now, and the schedules of its period."""
        return DueInvoice(
            subscription=self.subscription,
            key=self.key,
            agreed=self.plan,
            stop=self.stop,
            elsewhere=self.elsewhere,
            last_paid=self.last_paid,
            policy=self.policy,
            invoice=invoice,
            has_open_attempt=False,
            schedules=schedules,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DueInvoice:
    """An invoice that may be due, with what decides whether it is charged; its subscription, or itself, is locked."""

    subscription: Subscription | None
    key: BillingKey
    agreed: Plan | SinglePayment
    stop: int | None
    """As for a subscription; so are the next two."""
    elsewhere: bool
    last_paid: int | None
    policy: DunningPolicy
    """The version that the invoice began with."""
    invoice: Invoice
    has_open_attempt: bool
    schedules: Sequence[Schedule] = ()
    """All schedules of its period, in the order of their generations."""

    @property
    def at_portone(self) -> Schedule | None:
        """The schedule by which PortOne charges it, or may have charged it; None if a worker is to."""
        attempts = self.invoice.attempts
        return next((each for each in self.schedules if each.may_have_charged(attempts=attempts)), None)

    @property
    def hours(self) -> Hours:
        """The hours that its next charge keeps: those of its policy, unless it is the first, or asked for by hand."""
        return ANY_HOUR if self.invoice.by_hand else self.hours_after_a_wait

    @property
    def hours_after_a_wait(self) -> Hours:
        """The hours that it keeps once it cannot be charged now, also where it was asked for by hand."""
        return self.policy.hours if self.was_declined else ANY_HOUR

    @property
    def was_declined(self) -> bool:
        """Whether it was declined before, on any card."""
        return self.invoice.declines + self.invoice.spared > 0

    @property
    def customer(self) -> str:
        """The merchant's own id of the customer."""
        return self.subscription.customer if self.subscription is not None else self.invoice.of_single.customer


class Plans(Protocol):
    """Plans."""

    def get(self, plan_id: str) -> Plan:
        """The plan. Raises NotFound."""

    def lock(self, plan_id: str) -> Plan:
        """The plan, locked until the end of the transaction. Raises NotFound."""

    def add(self, plan: Plan) -> None:
        """Store a new plan. Raises Conflict, with the id of the plan that already has its external_id."""

    def save(self, plan: Plan) -> None:
        """Write the plan back."""

    def all(self) -> Sequence[Plan]:
        """Every plan: a merchant has as many as prices."""


class Subscriptions(Protocol):
    """Subscriptions. The row of a subscription is the lock for everything below it."""

    def get(self, subscription_id: str) -> Subscription:
        """The subscription. Raises NotFound."""

    def lock(self, subscription_id: str) -> Subscription:
        """The subscription, locked until the end of the transaction. Raises NotFound."""

    def add(self, subscription: Subscription) -> None:
        """Store a new subscription. Raises Conflict, with the id of the one that already has its external_id."""

    def lock_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Lock these pairs (customer, plan id) against other new subscriptions until the transaction ends."""

    def live_twin(self, customer: str, plan_id: str) -> Subscription | None:
        """A live subscription of this customer on this plan. Locks the pair until the transaction ends."""

    def save(self, subscription: Subscription) -> None:
        """Write the subscription back."""

    def save_all(self, subscriptions: Sequence[Subscription]) -> None:
        """Write those back that changed, with one statement."""

    def of_key(self, key_id: str) -> Sequence[Subscription]:
        """All subscriptions that are charged to this key, in the order in which they are locked: that of their ids."""

    def of_keys_or_customers(self, key_ids: Sequence[str], customers: Sequence[str]) -> Sequence[Subscription]:
        """All subscriptions that are charged to one of these keys, or belong to one of these customers."""

    def claim_renewals(
        self, due: DueBetween, real_now: datetime, lease_until: datetime, limit: int, most: int | None = None
    ) -> Sequence[str]:
        """Ids whose next period is due and that no other worker has, oldest first, leased to the caller.

        At most `most`, and only until `limit` are claimed but not started.
        """


class Invoices(Protocol):
    """Invoices."""

    def get(self, invoice_id: str) -> Invoice:
        """The invoice. Raises NotFound."""

    def add(self, invoice: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period already has an invoice."""

    def add_single(self, invoice: Invoice) -> None:
        """Store a new single payment and its merchant_uid.

        Raises Conflict, with the id of the other invoice, where one has or ever had this merchant_uid.
        """

    def add_all(self, invoices: Sequence[Invoice]) -> frozenset[str]:
        """Store new invoices and their merchant_uids; the ids of those whose period had no invoice yet."""

    def save(self, invoice: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""

    def save_all(self, invoices: Sequence[Invoice]) -> None:
        """Write those back that changed, with one statement; registers their new merchant_uids."""

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""

    def singles_of_key(self, key_id: str) -> Sequence[Invoice]:
        """Open single payments on a key, in the order in which they are locked: that of their ids."""

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt: a cancellation may close them at once."""

    def claim_due(
        self,
        due: DueBetween,
        real_now: datetime,
        lease_until: datetime,
        limit: int,
        most: int | None = None,
        *,
        key_id: str | None = None,
    ) -> Sequence[str]:
        """Ids of invoices that may be charged now (or given up, where the key is invalid), oldest first.

        Only invoices of one key if `key_id` is given. At most `most`, and only until `limit` are claimed but not
        started. Each gets a new fence and a lease. One that a scan holds, or that has an open attempt, is left out.
        """

    def claim_win_backs(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of invoices to try once more after dunning, oldest first. Postpones that try to `lease_until`."""

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that has or ever had this merchant_uid."""

    def register_merchant_uids(self, orders: Sequence[tuple[str, str, int]]) -> None:
        """Register order numbers (merchant_uid, invoice id, generation) of earlier generations, for good."""

    def adopt_merchant_uid(self, invoice_id: str, merchant_uid: str) -> None:
        """Register, for good, the merchant_uid of a payment that pays this invoice and was not placed by us.

        The database refuses a merchant_uid that any invoice has, and a second adoption for one invoice.
        """


class Attempts(Protocol):
    """Payment attempts."""

    def get(self, attempt_id: str) -> PaymentAttempt:
        """The attempt. Raises NotFound."""

    def add(self, attempt: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice already has an open one."""

    def add_all(self, attempts: Sequence[PaymentAttempt]) -> None:
        """Store new attempts with one statement."""

    def save(self, attempt: PaymentAttempt) -> None:
        """Write the attempt back."""

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look is due, oldest first. Postpones their look to `lease_until`."""

    def open_ids(self) -> Sequence[str]:
        """Ids of all open attempts, oldest first."""

    def open_on(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """The number of open attempts on each of these keys that has any."""

    def unknown_texts(self, since: datetime, limit: int) -> Sequence[UnknownText]:
        """Texts of declines since then that no rule understands, the most frequent first."""

    def echoes_of(self, payments: Sequence[tuple[str, str]]) -> Sequence[Echo]:
        """For each payment (imp_uid, merchant_uid), what a webhook with status `paid` would add to our attempts."""

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed and still shows, for a control read."""


class ChargingRecords(Protocol):
    """The records of billing and charging in a transaction."""

    @property
    def plans(self) -> Plans:
        """Plans."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions."""

    @property
    def invoices(self) -> Invoices:
        """Invoices."""

    @property
    def attempts(self) -> Attempts:
        """Payment attempts."""

    def lock_renewals(self, subscription_ids: Sequence[str]) -> Sequence[DueSubscription]:
        """Subscriptions with what decides whether their next period is charged, under their locks.

        A single one is waited for; of several, those are left out that another transaction holds. What belongs to the
        same subscription or key shares one object. Raises NotFound for a single one.
        """

    def lock_due(self, invoice_ids: Sequence[str]) -> Sequence[DueInvoice]:
        """Invoices with what decides whether they are charged, oldest period first, under the subscriptions' locks.

        Waits, leaves out, shares and raises as `lock_renewals` does.
        """

    def lock_settlements(self, attempt_ids: Sequence[str]) -> Sequence[Settlement]:
        """Attempts with all records that their outcomes can change, under the subscriptions' locks.

        Waits, leaves out, shares and raises as `lock_renewals` does.
        """

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change, under the subscription's lock. Raises NotFound."""

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change, under the subscription's lock. Raises NotFound."""

    def save_settlements(self, settlements: Sequence[Settlement], moment: Moment) -> None:
        """Write back all records of these settlements, and announce their events: one statement a table."""

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:
        """Store the gateway's answer. Returns the evidence's id."""

    def keep_all_evidence(
        self, kept: Sequence[tuple[str | None, Evidence]], real_now: datetime
    ) -> Mapping[str | None, int]:
        """Store what the gateway answered about each of these attempts. Returns the evidence's ids by attempt."""

    def evidence(self, evidence_id: int) -> Evidence:
        """The gateway's answer as stored. Raises NotFound."""
