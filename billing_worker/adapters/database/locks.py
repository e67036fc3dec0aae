"""The advisory locks of this package, all in one place: two purposes that share a number hold each other up."""

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """What a lock is for. The numbers are any that nobody else in the same database takes, and never change."""

    UPGRADING = 727_001
    """Two `db upgrade` at the same moment."""
    CHARGING = 727_002
    """Every first act shares it while it runs: whoever holds it alone knows that none runs."""
    AUDITING = 727_003
    """Claiming an audit."""
    COMPARING = 727_004
    """Planning which span of time is compared next."""
    SUBSCRIBING = 727_006
    """Putting a customer on a plan. Beside it stands the hash of both."""
    ANSWERING = 727_005
    """Serving a request that has an Idempotency-Key. Beside it stands the key's hash: a pair is no single number."""
