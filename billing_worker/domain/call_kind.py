"""The kinds of calls to the gateway that are timed by kind. Charges are timed with their attempts."""

from enum import StrEnum


class CallKind(StrEnum):
    """What a call is for: few values, since each is a label of a metric."""

    READ = "read"
    """One payment, or the payments of one order or key."""
    LIST = "list"
    """A page of the books, or of the schedules of a span."""
    REFUND = "refund"
    SCHEDULE = "schedule"
    """A schedule is registered, or revoked."""
    SCHEDULE_READ = "schedule_read"
    KEY = "key"
    """A card is stored, or a key deleted."""
    KEY_READ = "key_read"
    TOKEN = "token"  # noqa: S105 - the kind of a call
    """An access token is asked for."""
