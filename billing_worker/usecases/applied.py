"""What became of a notification once it was looked into."""

from dataclasses import dataclass, field

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.notification import MOST_TRIES
from billing_worker.ports import InboxStatus, Ports, UnitOfWork
from billing_worker.usecases.unlock import unlock


@dataclass(slots=True)
class Applied:
    """What became of a notification."""

    status: InboxStatus
    note: str
    most_tries: int = MOST_TRIES
    """While it stays `received`: how many answers of the gateway are waited for."""
    unlocked: list[str] = field(default_factory=list)
    """Keys that may be charged from now on."""
    subject_id: str | None = None
    """The invoice or key that it led to."""


def apply_confirmation(ports: Ports, uow: UnitOfWork, key: BillingKey) -> Applied:
    """The gateway confirms this key: activate it, once."""
    if unlock(ports, uow, key):
        return Applied(InboxStatus.APPLIED, f"key {key.id} is {KeyStatus.ACTIVE}", unlocked=[key.id], subject_id=key.id)
    return Applied(InboxStatus.APPLIED, f"key {key.id} is {key.status}, as was known", subject_id=key.id)
