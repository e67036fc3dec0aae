"""Audits and comparisons run every few minutes for ever: years of them would leave no time for anything else.

They are not simulated. What they would find, `safety` and `rest` look for themselves.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison, Span
from billing_worker.domain.errors import NotFound
from billing_worker.domain.payment import GatewayPayment
from billing_worker.domain.runaway import Reached
from billing_worker.ports.review import AuditWindow, Known, PaidAttempt


class MemoryAudits:
    """None is ever due."""

    def claim(self, now: datetime, real_now: datetime, interval: timedelta) -> int | None:  # noqa: ARG002 - the port's
        """Never."""
        return None

    def audited_until(self) -> datetime | None:
        """Never."""
        return None

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Nothing to note."""

    def checks(self, window: AuditWindow) -> Sequence[Checked]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def texts(self, most: int) -> Iterator[tuple[str, str, str]]:  # noqa: ARG002 - the port's
        """None."""
        return iter(())

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def unasked(self, since: datetime) -> Reached:  # noqa: ARG002 - the port's
        """Nobody."""
        return Reached(0)

    def paid_since(self, since: datetime) -> Reached:  # noqa: ARG002 - the port's
        """Nobody."""
        return Reached(0)

    def live(self) -> int:
        """None."""
        return 0

    def twins(self, most: int) -> Sequence[Breach]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def part_twins(self, now: datetime) -> None:
        """There are none."""


class MemoryComparisons:
    """None is ever planned."""

    def get(self, comparison_id: int) -> Comparison:
        """There is none. Raises NotFound."""
        raise NotFound("comparison", str(comparison_id))

    lock = get

    def add(self, span: Span, real_now: datetime, next_try_at: datetime) -> int:  # noqa: ARG002 - the port's
        """Nobody plans any."""
        raise AssertionError("comparisons are not simulated")

    def save(self, comparison: Comparison) -> None:
        """There is none."""

    def plan_alone(self) -> bool:
        """Nobody plans any."""
        return False

    def lock_last(self) -> Comparison | None:
        """None."""
        return None

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def known(self, payments: Sequence[GatewayPayment], merchant_uids: Sequence[str] = ()) -> Known:  # noqa: ARG002 - the port's
        """Nothing."""
        return Known({}, {}, {}, {})

    def approved_between(self, start: datetime, end: datetime, after: Booked | None, limit: int) -> Sequence[Booked]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def booked(self, attempt_id: str) -> Booked:
        """Nobody compares any. Raises NotFound."""
        raise NotFound("attempt", attempt_id)

    def doubted(self, before: datetime, limit: int) -> Sequence[Booked]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    def close_settled(self, now: datetime) -> None:
        """There are none."""

    def close_shown(self, shown: Sequence[str], given_back: Sequence[str], now: datetime) -> None:
        """There are none."""
