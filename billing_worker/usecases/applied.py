"""What became of a notification once it was looked into."""

from dataclasses import dataclass, field

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.ports import InboxStatus, Ports, UnitOfWork
from billing_worker.usecases.unlock import unlock

MOST_TRIES = 34
"""With doubling waits from 5 s to an hour this is a day: for a gateway that is away, and for a merchant who registers
the key that a webhook confirms only later."""


@dataclass(slots=True)
class Applied:
    """What became of a notification."""

    status: InboxStatus
    note: str
    most_tries: int = MOST_TRIES
    """While it stays `received`: how often to try."""
    unlocked: list[str] = field(default_factory=list)
    """Keys that may be charged from now on."""


def apply_confirmation(ports: Ports, uow: UnitOfWork, key: BillingKey) -> Applied:
    """The gateway confirms this key: activate it, once."""
    if unlock(ports, uow, key):
        return Applied(InboxStatus.APPLIED, f"key {key.id} is {KeyStatus.ACTIVE}", unlocked=[key.id])
    return Applied(InboxStatus.APPLIED, f"key {key.id} is {key.status}, as was known")
