"""The database as a whole: the comparison with the gateway's books, and audits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison, Span
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import GatewayPayment
from billing_worker.domain.runaway import Reached
from billing_worker.ports.books import Books


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and the payment that issued it."""

    key_id: str
    imp_uid: str


@dataclass(frozen=True, slots=True)
class Known:
    """The rows of our books that match one page of the gateway's."""

    booked: Mapping[str, Booked]
    """Attempts by imp_uid."""
    invoices: Mapping[str, str]
    """Ids by merchant_uid, including earlier ones of the invoice."""
    open_attempts: Mapping[str, AttemptStatus]
    """Ids of attempts without a known outcome, by merchant_uid."""
    keys: Mapping[str, datetime]
    """When each customer_uid was registered here, in billing time."""
    issued: Mapping[str, Issued] = field(default_factory=dict)
    """Keys whose issuing payment is known, by customer_uid."""


@dataclass(frozen=True, slots=True)
class AuditWindow:
    """The scope of an audit."""

    since: datetime | None
    """Billing time; None: from the beginning."""
    until: datetime | None
    """Billing time, exclusive; None: to the end."""
    moment: Moment
    grace: timedelta
    """Billing time: work due for longer than this counts as lost."""
    skew: timedelta
    """Billing time by which the clocks of two hosts may differ."""
    accepted: frozenset[str] = frozenset()
    """Breaches that an operator accepted, as stops name them: they are shown after all others."""
    last: bool = True
    """Whether no other window of this audit follows."""


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """Where a periodic audit stands. All in billing time."""

    until: datetime
    """It looks at what was so when it began."""
    reached: datetime | None
    """Up to here it has looked at everything; None: it has not begun."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text in the database."""

    table: str
    ident: str
    text: str = field(repr=False)
    place: tuple[object, ...]
    """Where it stands in its table, for reading on behind it."""


WRITTEN_IN = ("evidence", "outbox", "alerts", "payment_attempts", "inbox")
"""Tables whose texts an audit reads."""


@dataclass(frozen=True, slots=True)
class PaidAttempt:
    """An approval with facts about its invoice, to compare with the gateway's books."""

    id: str
    invoice_id: str
    merchant_uid: str
    imp_uid: str
    money: Money
    customer_uid: str = field(repr=False)
    owner_id: str
    """Of its subscription, or of a single payment."""
    nameless: bool
    """Whether an attempt of the invoice has no imp_uid: an unknown payment may then belong to it."""


class Comparisons(Protocol):
    """Spans of time over which both books are compared, and the queries on our books that this needs."""

    def get(self, comparison_id: int) -> Comparison:
        """The comparison. Raises NotFound."""

    def lock(self, comparison_id: int) -> Comparison:
        """The comparison, locked until the end of the transaction. Raises NotFound."""

    def add(self, span: Span, real_now: datetime, next_try_at: datetime) -> int:
        """Store a new one, open. Returns its id."""

    def save(self, comparison: Comparison) -> None:
        """Write the comparison back."""

    def plan_alone(self) -> bool:
        """Lock the planning of spans until the end of the transaction; False if another transaction holds it."""

    def lock_last(self) -> Comparison | None:
        """The comparison that ends last, locked."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of comparisons to read now, oldest first, leased to the caller."""

    def known(self, payments: Sequence[GatewayPayment], merchant_uids: Sequence[str] = ()) -> Known:
        """The rows of our books for these payments and these orders."""

    def approved_between(self, start: datetime, end: datetime, after: Booked | None, limit: int) -> Sequence[Booked]:
        """Attempts that became approved in this span (billing time), in order, starting after `after`."""

    def booked(self, attempt_id: str) -> Booked:
        """The compared fields of an attempt. Raises NotFound."""

    def doubted(self, before: datetime, limit: int) -> Sequence[Booked]:
        """Attempts whose payment is in doubt and was last read before `before` (real time), oldest read first."""


class Doubts(Protocol):
    """Payments in our books that the gateway shows differently or not at all."""

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Begin to doubt the payment of this attempt or key; returns since when it is in doubt (real time)."""

    def end(self, subject_id: str) -> bool:
        """End the doubt: the gateway shows the payment as booked. Returns whether it was in doubt."""


class Audits(Protocol):
    """Audits: which one runs next, and what it checks."""

    def claim(self, moment: Moment, interval: timedelta, lease: timedelta) -> int | None:
        """The id of the audit that is not finished; else of a new one, where none began within the interval.

        It is leased to the caller: no other caller gets it within `lease` (real time), unless it is released.
        """

    def place(self, audit_id: int) -> AuditPlace:
        """Where it stands."""

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit ended."""

    def reach(self, audit_id: int, reached: datetime, lease_until: datetime, checked: int, breaches: int) -> None:
        """Note that it has looked at everything up to there (billing time); what it checked is added up."""

    def release(self, audit_id: int, real_now: datetime) -> None:
        """Let the next claim have it at once."""

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that the audit ended. Deletes records older than a month."""

    def end_of(self, since: datetime | None, rows: int) -> datetime | None:
        """Where a window that begins there (None: at the beginning) ends, so that it has about so many rows of a kind.

        None where that is the end. A window has more rows only where so many bear one and the same time.
        """

    def checks(self, window: AuditWindow, *, standing: bool) -> Sequence[Checked]:
        """Every invariant that the database alone can answer; those of what stands only if asked for."""

    def texts(self, table: str, most: int, after: Written | None = None) -> Sequence[Written]:
        """What was written last, newest first, from behind `after`."""

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:
        """The newest approvals whose evidence arrived before `settled`, to compare with the gateway's books.

        At most `most` of these, and as many approvals in doubt, whenever they were approved.
        """

    def unasked(self, since: datetime) -> Reached:
        """The customers and money of unasked payments under our orders since then (billing time)."""

    def paid_since(self, since: datetime) -> Reached:
        """The customers and money of all payments booked since then (billing time)."""

    def newcomers(self, since: datetime | None, until: datetime | None) -> int:
        """How many of the subscriptions that were created then (billing time) are not canceled."""

    def twins(self, since: datetime | None, until: datetime | None, most: int) -> Sequence[Breach]:
        """Subscriptions that have a twin: one of the same customer on the same plan, first charged within a day.

        Looked at are customers of whom a subscription was created within the window (billing time). The later one of
        each pair is the subject. A pair whose alert an operator closed is accepted, and left out.
        """


class ReviewRecords(Protocol):
    """The records of reviews in a transaction."""

    @property
    def books(self) -> Books:
        """Sums and the present state."""

    @property
    def comparisons(self) -> Comparisons:
        """Comparisons with the gateway."""

    @property
    def doubts(self) -> Doubts:
        """Payments that are in doubt."""

    @property
    def audits(self) -> Audits:
        """Audits."""
