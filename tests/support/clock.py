"""A clock that stands still until the test moves it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from billing_worker.domain.moment import Moment

START = datetime(2026, 1, 31, 0, 0, tzinfo=UTC)
"""31 January 2026, 09:00 in Seoul: an anchor that most months cannot hold."""


class FrozenClock:
    """Billing time and real time, both moved by hand; `advance` moves both, as in production."""

    def __init__(self, at: datetime = START) -> None:
        self._lock = threading.Lock()
        self._billing, self._real = at, at

    def moment(self) -> Moment:
        """Both times, as the port has it."""
        with self._lock:
            return Moment(self._billing, self._real)

    def wait_until(self, real: datetime) -> None:
        """Nobody else moves this clock: waiting moves it."""
        with self._lock:
            passing = max(timedelta(0), real - self._real)
            self._billing += passing
            self._real += passing

    def now(self) -> datetime:
        """Billing time: what tests mostly ask for."""
        with self._lock:
            return self._billing

    def real_now(self) -> datetime:
        """Real time."""
        with self._lock:
            return self._real

    def advance(self, **by: Any) -> datetime:
        """Let time pass: `advance(days=1)`."""
        with self._lock:
            self._billing += timedelta(**by)
            self._real += timedelta(**by)
            return self._billing

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until billing time shows this moment."""
        with self._lock:
            passing = moment - self._billing
            assert passing >= timedelta(0), "time does not run backwards"
            self._billing += passing
            self._real += passing


class RunningClock(FrozenClock):
    """The host's clock, for tests with real processes on the same host: it cannot be moved."""

    def moment(self) -> Moment:
        """The time of this host, for both."""
        now = self.now()
        return Moment(now, now)

    def now(self) -> datetime:
        """The time of this host."""
        return datetime.now(UTC)

    def real_now(self) -> datetime:
        """The same."""
        return datetime.now(UTC)

    def wait_until(self, real: datetime) -> None:
        """Really wait."""
        time.sleep(max(0.0, (real - self.real_now()).total_seconds()))

    def advance(self, **by: Any) -> datetime:
        """Refused."""
        raise AssertionError(f"a running clock cannot be moved by {by}")

    def advance_to(self, moment: datetime) -> None:
        """Refused."""
        raise AssertionError(f"a running clock cannot be moved to {moment}")


class LinkedClock(FrozenClock):
    """Moved by hand, and the gateway's clock with it: what PortOne does at a date happens then."""

    def __init__(self, hold: Callable[[datetime], None], at: datetime = START) -> None:
        super().__init__(at)
        self._hold = hold
        self._shown = at
        hold(at)

    def advance(self, **by: Any) -> datetime:
        """Let time pass here and at the gateway."""
        now = super().advance(**by)
        self.show_there(now)
        return now

    def advance_to(self, moment: datetime) -> None:
        """Let time pass here and at the gateway until this moment."""
        super().advance_to(moment)
        self.show_there(moment)

    def show_there(self, moment: datetime) -> None:
        """It is this moment at the gateway, whose clock may be ahead of ours, and never goes back."""
        self._shown = max(self._shown, moment)
        self._hold(self._shown)
