"""The database, as those who look at it as a whole see it: reports, comparisons with the gateway, and people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison, Span
from billing_worker.domain.payment import GatewayPayment
from billing_worker.ports.records import Alert, Known, SettledPayment, Standing, Tally


class Books(Protocol):
    """What the database says as a whole. Read only."""

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line a month and currency, oldest first."""

    def standing(self, now: datetime, real_now: datetime) -> Standing:
        """How things stand."""

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""


class Comparisons(Protocol):
    """Spans of time over which both books are compared, and the questions that comparing them asks of ours."""

    def get(self, comparison_id: int) -> Comparison:
        """The comparison. Raises NotFound."""

    def lock(self, comparison_id: int) -> Comparison:
        """The comparison, locked until the end of the transaction. Raises NotFound."""

    def add(self, span: Span, real_now: datetime, next_try_at: datetime) -> int:
        """Store a new one, open. Returns its id."""

    def save(self, comparison: Comparison) -> None:
        """Write the comparison back."""

    def plan_alone(self) -> bool:
        """Whether nobody else plans spans at this moment; then nobody does until the end of the transaction."""

    def lock_last(self) -> Comparison | None:
        """The one that reaches furthest, locked."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of those that are to be read now, oldest first, leased to the caller."""

    def known(self, payments: Sequence[GatewayPayment], merchant_uids: Sequence[str] = ()) -> Known:
        """What our books have of these payments, and of these orders."""

    def approved_between(self, start: datetime, end: datetime, after: Booked | None, limit: int) -> Sequence[Booked]:
        """Attempts that became approved in this span (billing time), in order, those behind `after`."""

    def booked(self, attempt_id: str) -> Booked:
        """The attempt, as it is compared. Raises NotFound."""

    def doubted(self, before: datetime, limit: int) -> Sequence[Booked]:
        """Attempts whose payment is doubted and was looked at `before` (real time), longest ago first."""

    def close_settled(self, now: datetime) -> None:
        """Close alerts whose cause is gone by now: what was booked, what was settled, what is not owed any more."""

    def close_shown(self, shown: Sequence[str], given_back: Sequence[str], now: datetime) -> None:
        """Close alerts about payments (imp_uid) that can be read by now, and about strangers' that were given back."""


class Doubts(Protocol):
    """Payments in our books that the gateway does not show as they are booked."""

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Doubt this attempt's payment, or key's; returns since when it is doubted (real time)."""

    def end(self, subject_id: str) -> bool:
        """It is shown as it is booked; returns whether it was doubted."""


class Alerts(Protocol):
    """Things a person must look at."""

    def open(
        self,
        kind: str,
        subject_id: str,
        detail: str,
        now: datetime,
        *,
        proposal: str | None = None,
        evidence_id: int | None = None,
    ) -> None:
        """Open an alert; the same kind and subject again only renews what it says."""

    def told(self, kind: str, subject_id: str, detail: str) -> bool:
        """Whether an alert of this kind and subject has said the same, be it closed by now."""

    def get(self, alert_id: int) -> Alert:
        """The alert, open or closed. Raises NotFound."""

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""

    def close(self, kind: str, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""
