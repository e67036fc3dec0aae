"""All advisory locks of this package: two purposes with the same number would block each other."""

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """The purposes of the locks. The numbers are arbitrary, unused by others in the same database, and never change."""

    UPGRADING = 727_001
    """Two `db upgrade` at the same moment."""
    CHARGING = 727_002
    """Every first act shares it while it runs: an exclusive holder knows that none runs."""
    AUDITING = 727_003
    """Claiming an audit."""
    COMPARING = 727_004
    """Planning the next span to compare."""
    SUBSCRIBING = 727_006
    """Putting a customer on a plan. The second number is the hash of both."""
    ANSWERING = 727_005
    """Serving a request with an Idempotency-Key. The second number is the key's hash; pairs never equal single
    numbers."""
