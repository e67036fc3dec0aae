"""The database, as the use cases see it: one transaction, and in it a repository for each kind of thing."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.events import Event
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.payment import Evidence
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund
from billing_worker.domain.runaway import Reached
from billing_worker.domain.settlement import Settlement
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.access import Actions, Tokens
from billing_worker.ports.catch_up import CatchUp, DueBetween
from billing_worker.ports.inbox import Inbox
from billing_worker.ports.lists import Lists
from billing_worker.ports.outgoing import Endpoints, Outbox
from billing_worker.ports.pingbacks import Pingbacks
from billing_worker.ports.records import (
    AuditWindow,
    DueInvoice,
    Echo,
    PaidAttempt,
    Spent,
)
from billing_worker.ports.requests import KeptAnswers
from billing_worker.ports.review import Alerts, Books, Comparisons, Doubts


class Plans(Protocol):
    """Plans."""

    def get(self, plan_id: str) -> Plan:
        """The plan. Raises NotFound."""

    def lock(self, plan_id: str) -> Plan:
        """The plan, locked until the end of the transaction. Raises NotFound."""

    def add(self, plan: Plan) -> None:
        """Store a new plan. Raises Conflict with the id of the one that has its external_id."""

    def save(self, plan: Plan) -> None:
        """Write the plan back."""

    def all(self) -> Sequence[Plan]:
        """Every plan: there are as many as a merchant has prices."""


class BillingKeys(Protocol):
    """Billing keys."""

    def get(self, key_id: str) -> BillingKey:
        """The key. Raises NotFound."""

    def lock(self, key_id: str) -> BillingKey:
        """The key, locked until the end of the transaction. Raises NotFound."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of pending keys whose next look has come, oldest first; their look is put off to `lease_until`."""

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""

    def add(self, key: BillingKey) -> None:
        """Store a new key. Raises Conflict with the id of the one that has its customer_uid or external_id."""

    def save(self, key: BillingKey) -> None:
        """Write the key back."""

    def pg_providers(self) -> Sequence[str]:
        """The PGs that any key has, by name."""


class Subscriptions(Protocol):
    """Subscriptions. The row of a subscription is the lock for everything below it."""

    def get(self, subscription_id: str) -> Subscription:
        """The subscription. Raises NotFound."""

    def lock(self, subscription_id: str) -> Subscription:
        """The subscription, locked until the end of the transaction. Raises NotFound."""

    def add(self, subscription: Subscription) -> None:
        """Store a new subscription. Raises Conflict with the id of the one that has its external_id."""

    def lock_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Nobody else puts any of these customers on that plan (customer, plan id) until the transaction ends."""

    def live_twin(self, customer: str, plan_id: str) -> Subscription | None:
        """A live subscription of this customer on this plan; nobody else adds one until the transaction ends."""

    def save(self, subscription: Subscription) -> None:
        """Write the subscription back."""

    def of_key(self, key_id: str) -> Sequence[Subscription]:
        """All subscriptions that are charged to this key."""

    def of_keys_or_customers(self, key_ids: Sequence[str], customers: Sequence[str]) -> Sequence[Subscription]:
        """All subscriptions that are charged to one of these keys, or belong to one of these customers."""

    def claim_renewals(
        self, due: DueBetween, real_now: datetime, lease_until: datetime, limit: int, most: int | None = None
    ) -> Sequence[str]:
        """Ids whose next period is due and that nobody else is working on, oldest first, leased to the caller.

        At most `most`, and only until `limit` are claimed and not yet started.
        """


class Invoices(Protocol):
    """Invoices."""

    def get(self, invoice_id: str) -> Invoice:
        """The invoice. Raises NotFound."""

    def add(self, invoice: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period has its invoice already."""

    def save(self, invoice: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt: what a cancellation may close at once."""

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

        Of one key, where `key_id` names it. At most `most`, and never so many that more than `limit` are claimed and
        not started. Each gets a new fence and a lease; one that another scan holds, or that has an open attempt, is
        left out.
        """

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that this merchant_uid was ever given to."""

    def adopt_merchant_uid(self, invoice_id: str, merchant_uid: str) -> None:
        """Register the merchant_uid of a payment that we did not place, and that pays this invoice: its own, for ever.

        The database refuses one that any invoice has, and a second one for an invoice.
        """


class Attempts(Protocol):
    """Payment attempts."""

    def get(self, attempt_id: str) -> PaymentAttempt:
        """The attempt. Raises NotFound."""

    def add(self, attempt: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice has an open one already."""

    def save(self, attempt: PaymentAttempt) -> None:
        """Write the attempt back."""

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look has come, oldest first; their look is put off to `lease_until`."""

    def open_ids(self) -> Sequence[str]:
        """Ids of all open attempts, oldest first."""

    def echoes_of(self, payments: Sequence[tuple[str, str]]) -> Sequence[Echo]:
        """What a webhook that calls each payment (imp_uid, merchant_uid) paid would tell us about our attempts."""

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed us and still shows, for a control read."""


class Refunds(Protocol):
    """Refunds. The subscription's row is their lock, as it is the attempt's."""

    def get(self, refund_id: str) -> Refund:
        """The refund. Raises NotFound."""

    def add(self, refund: Refund) -> None:
        """Store a new refund. Raises Conflict while another one of this payment is open."""

    def save(self, refund: Refund) -> None:
        """Write the refund back."""

    def of_attempt(self, attempt_id: str) -> Sequence[Refund]:
        """All refunds of one payment, oldest first."""

    def of_invoice(self, invoice_id: str) -> Sequence[Refund]:
        """All refunds of an invoice's payments, oldest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open refunds whose next step has come, oldest first; the step is put off to `lease_until`."""


class Stops(Protocol):
    """Where, and why, no new charge may begin."""

    def get(self, stop_id: int) -> Stop:
        """The stop. Raises NotFound."""

    def lock(self, stop_id: int) -> Stop:
        """The stop, locked until the end of the transaction. Raises NotFound."""

    def save(self, stop: Stop) -> None:
        """Write the stop back."""

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging there; where it is stopped for this cause already, its reason is renewed and subjects added.

        The reason of a breach is added, too: whoever clears the stop accepts all of them, and must have read them.
        """

    def list_open(self) -> Sequence[Stop]:
        """Open stops, oldest first."""

    def holding(self, subscription_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold this subscription's charges on a key of this PG, oldest first."""

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped there for this cause."""

    def accepted(self, cause: StopCause) -> frozenset[str]:
        """Subjects of stops of this cause that a person cleared."""

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When a person last cleared a stop there."""

    def waiting(self, scope: str, now: datetime) -> int:
        """How many invoices are due there and not started."""

    def wait_for_begun(self) -> None:
        """Wait until every first act that had begun has ended. Raises Unavailable when one hangs."""


class Environment(Protocol):
    """Who claimed this database."""

    def database(self) -> str:
        """What tells this database from every copy of it."""

    def claimed(self) -> Fingerprint | None:
        """The claim that is in force."""

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that nobody claimed and in which nothing was ever charged; else change nothing."""

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""


class Spending(Protocol):
    """What was charged lately. Read only."""

    def since(self, since: datetime, currency: str) -> Spent:
        """Everything begun after `since`: the number of charges, and the sum of what was or may have been taken."""

    def of_customer(self, customer: str, since: datetime, currency: str) -> Spent:
        """The same for one customer, in this currency, over all subscriptions."""

    def lost_keys(self, since: datetime, pattern: str) -> tuple[int, int]:
        """Keys that the gateway called unknown, in the words of `pattern`, and all keys charged since then."""


class Audits(Protocol):
    """Audits: whose turn it is, and what is to be checked."""

    def claim(self, now: datetime, real_now: datetime, interval: timedelta) -> int | None:
        """The id of a new audit, where none began within the interval; never to two callers."""

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit was finished."""

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that it is done; records of a month ago are thrown away."""

    def checks(self, window: AuditWindow) -> Sequence[Checked]:
        """Every invariant that the database alone can answer."""

    def texts(self, most: int) -> Iterator[tuple[str, str, str]]:
        """Table, id and text of what was written last."""

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:
        """The newest approvals whose evidence came before `settled`, for comparing with the gateway's books.

        And beside those `most`, as many that are in doubt, whenever they were approved.
        """

    def unasked(self, since: datetime) -> Reached:
        """Whom payments reached that were taken under our orders since then (billing time) without our asking."""

    def paid_since(self, since: datetime) -> Reached:
        """Whom all payments reached that were booked since then (billing time)."""

    def live(self) -> int:
        """How many subscriptions are not canceled."""

    def twins(self, most: int) -> Sequence[Breach]:
        """Subscriptions that have a twin: one of the same customer on the same plan, first charged within a day.

        The later one of each pair is the subject. A pair whose alert a person closed is accepted, and left out.
        """

    def part_twins(self, now: datetime) -> None:
        """Close alerts about twins that are none any more: one of both was canceled, or is meant to be there."""


class UnitOfWork(Protocol):
    """One database transaction. Leaving its `with` block without `commit` rolls back."""

    @property
    def plans(self) -> Plans:
        """Plans."""

    @property
    def keys(self) -> BillingKeys:
        """BillingKeys."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions."""

    @property
    def invoices(self) -> Invoices:
        """Invoices."""

    @property
    def attempts(self) -> Attempts:
        """Attempts."""

    @property
    def refunds(self) -> Refunds:
        """Refunds."""

    @property
    def inbox(self) -> Inbox:
        """Inbox."""

    @property
    def outbox(self) -> Outbox:
        """Outbox."""

    @property
    def endpoints(self) -> Endpoints:
        """Endpoints."""

    @property
    def comparisons(self) -> Comparisons:
        """Comparisons."""

    @property
    def doubts(self) -> Doubts:
        """Doubts."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""

    @property
    def books(self) -> Books:
        """Books."""

    @property
    def catch_up(self) -> CatchUp:
        """CatchUp."""

    @property
    def stops(self) -> Stops:
        """Stops."""

    @property
    def environment(self) -> Environment:
        """Environment."""

    @property
    def audits(self) -> Audits:
        """Audits."""

    @property
    def pingbacks(self) -> Pingbacks:
        """Payments at Paymentwall."""

    @property
    def spending(self) -> Spending:
        """Spending."""

    @property
    def tokens(self) -> Tokens:
        """Tokens of the API."""

    @property
    def actions(self) -> Actions:
        """What was done by whom."""

    @property
    def kept_answers(self) -> KeptAnswers:
        """Answers to requests that may come again."""

    @property
    def lists(self) -> Lists:
        """Lists for people and programs."""

    def savepoint(self) -> AbstractContextManager["UnitOfWork"]:
        """A part of this transaction that is undone alone, unless its own `commit` returned."""

    def lock_due(self, invoice_id: str) -> DueInvoice:
        """An invoice with its subscription, key and plan, under the subscription's lock. Raises NotFound."""

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with its invoice, subscription, key and policy, under the subscription's lock.

        Raises NotFound.
        """

    def save_settlement(self, settlement: Settlement, now: datetime, real_now: datetime) -> None:
        """Write back everything an outcome can touch, and its events to the outbox."""

    def announce(self, events: Sequence[Event], now: datetime, real_now: datetime) -> None:
        """Write events to the outbox."""

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:
        """Store what the gateway said. Returns the evidence's id."""

    def evidence(self, evidence_id: int) -> Evidence:
        """What the gateway said, as it was kept. Raises NotFound."""

    def commit(self) -> None:
        """Make it all durable, or raise Unavailable."""


class Database(Protocol):
    """Where the truth is."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction. Raises Unavailable when the database does not answer."""
