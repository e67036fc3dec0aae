"""The queues at the broker."""

from enum import StrEnum


class Queue(StrEnum):
    """Separate queues, so that a thousand renewals never delay the webhook that unlocks a key."""

    SCANS = "scans"
    CHARGES = "charges"
    LOOKUPS = "lookups"
    NOTICES = "notices"
