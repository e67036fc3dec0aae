"""Notice that the gateway itself fails: some calls in a row learn nothing, all for one reason.

Charging is paused then, and a read probes the gateway until it answers. Neither a decline nor a payment that is not
ours counts: then the gateway answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.payment import Declined, Failed, Outcome, Trouble, Unknown

GATEWAY = "gateway"
"""The id of the watch: there is one gateway."""
PAUSE_AFTER = 5
"""Calls in a row with one kind of trouble. Fewer happen by chance while single calls fail."""
PROBE_EVERY = timedelta(seconds=15)
"""Real time between two probes: an outage ends unnoticed for this long at most."""
WAKE_AFTER = timedelta(minutes=1)
"""A pause of this length or more wakes what waits: the shortest wait of a charge that could not be placed."""

TEXTS = {
    Trouble.NOT_REACHED: "no connection to it",
    Trouble.UNAUTHORIZED: "it gives no access token, or refuses ours",
    Trouble.NO_ANSWER: "no answer came in time",
    Trouble.SERVER_ERROR: "it answered with errors of its own",
}


@dataclass(slots=True)
class GatewayWatch:
    """The latest calls in a row that met one kind of trouble."""

    id: str = GATEWAY
    trouble: Trouble | None = None
    in_a_row: int = 0
    """Counted up to PAUSE_AFTER."""
    noted_at: datetime | None = None
    """Billing time of the last of them."""
    next_probe_at: datetime | None = None
    """Real time; None while charging is not paused for the gateway."""

    @property
    def reason(self) -> str:
        """Why charging is paused, for an operator."""
        what = TEXTS[self.trouble] if self.trouble is not None else "unknown"
        seconds = PROBE_EVERY.seconds
        return (
            f"the gateway failed {self.in_a_row} calls in a row ({what}); it is read every {seconds} s, "
            "and charging goes on as soon as it answers"
        )

    def note(self, outcomes: Sequence[Outcome], now: datetime) -> bool:
        """Note the outcomes of calls, oldest first; returns whether the row is long enough to pause."""
        for outcome in outcomes:
            trouble = trouble_of(outcome)
            if trouble is None:
                self.break_off()
                continue
            self.in_a_row = min(self.in_a_row + 1, PAUSE_AFTER) if trouble is self.trouble else 1
            self.trouble, self.noted_at = trouble, now
        return self.in_a_row >= PAUSE_AFTER

    def break_off(self) -> None:
        """The gateway answered: the row of failed calls ends."""
        self.trouble, self.in_a_row, self.noted_at = None, 0, None


def trouble_of(outcome: Outcome) -> Trouble | None:
    """What the call met where the gateway itself failed; None where it answered."""
    return outcome.trouble if isinstance(outcome, Failed | Unknown) else None


def is_noted(outcome: Outcome) -> bool:
    """Whether the watch must be told at once: of trouble, and of an answer without a payment to find it by later."""
    return trouble_of(outcome) is not None or (isinstance(outcome, Declined) and outcome.imp_uid is None)
