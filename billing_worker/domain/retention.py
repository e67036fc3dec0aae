"""How long records are kept that no charge needs any more."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """The spans after which upkeep deletes or empties records; real time."""

    evidence: timedelta = timedelta(days=90)
    """From the gateway's answer until its text is emptied. The gateway keeps the payment itself."""
    alerts: timedelta = timedelta(days=400)
    """From the end of an alert until it is deleted: a year's report may still count it."""
    answers: timedelta = timedelta(days=30)
    """From a request with an Idempotency-Key until its answer is deleted: then the same key is a new request."""
