"""The time of the demonstration: it runs fast, and waits for the work of the moment, as a test clock of Stripe does.

All processes read their time machine from a file. Its clock stands still a little ahead of now, unless it is moved on:
a demonstration that gets no processor time does not run away from its own workers.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from billing_worker.domain.time_machine import IN_A_FILE, TimeMachine
from billing_worker.ports.books import Standing

PATIENCE = timedelta(days=7)
"""Billing time: while anything has been due or unclear for longer, time waits."""
LEASE = 1.2
"""Real seconds for which time goes on without being moved on: three looks."""


class Steering:
    """Writes the time machine of the merchant's processes, which ends at `end`, and the gateway's, which does not.

    At the gateway, planned events still happen after the end: late approvals, webhooks.
    """

    def __init__(self, folder: Path, start: datetime, end: datetime, rate: float, now: datetime) -> None:
        self._merchant, self._gateway = folder / "clock", folder / "clock-of-the-gateway"
        self._end = end
        self._machine = TimeMachine(start, rate, now, start)
        self._write()

    @property
    def of_merchant(self) -> str:
        """The setting for the merchant's processes."""
        return f"{IN_A_FILE}{self._merchant}"

    @property
    def of_gateway(self) -> str:
        """The setting for the sandbox."""
        return f"{IN_A_FILE}{self._gateway}"

    def move_on(self, now: datetime, waits_since: datetime | None) -> bool:
        """Let time go on from this real instant for a moment, or wait; returns whether it goes on.

        `waits_since` is the billing time since which the oldest work waits.
        """
        shown = self._machine.shows(now)
        if waits_since is not None and shown - waits_since > PATIENCE:
            return False
        self._machine = self._machine.carried_on(now, shown + timedelta(seconds=LEASE * self._machine.rate))
        self._write()
        return True

    def _write(self) -> None:
        _replace(self._gateway, str(self._machine))
        ends = min(self._machine.until or self._end, self._end)
        _replace(self._merchant, str(replace(self._machine, until=ends)))


def waits_since(standing: Standing) -> datetime | None:
    """Billing time since which the oldest work waits for a worker; None if none does.

    A charge that could not be placed waits for its next date: if time waited for it, neither would ever come.
    """
    ages = (standing.oldest_due, standing.oldest_period_due, standing.oldest_unknown)
    return min((each for each in ages if each is not None), default=None)


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)
