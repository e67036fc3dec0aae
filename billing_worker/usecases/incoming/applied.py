"""The result of looking into a notification."""

from dataclasses import dataclass, field

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.issuing_payment import Seen
from billing_worker.domain.moment import Moment
from billing_worker.domain.notification import MOST_TRIES
from billing_worker.ports.incoming import InboxStatus
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.key.unlock import unlock


@dataclass(slots=True)
class Applied:
    """The result of a notification."""

    status: InboxStatus
    note: str
    most_tries: int = MOST_TRIES
    """While it stays `received`: the number of gateway answers before it is given up."""
    unlocked: list[str] = field(default_factory=list)
    """Keys that may be charged from now on."""
    to_confirm: list[str] = field(default_factory=list)
    """Keys to confirm at once, because their issuing payment was not read yet."""
    to_advance: list[str] = field(default_factory=list)
    """Card sessions whose window has a result at PortOne."""
    subject_id: str | None = None
    """The invoice or key that it is about."""


def apply_confirmation(uow: UnitOfWork, key: BillingKey, moment: Moment, issued_by: Seen | None = None) -> Applied:
    """Activate a key that the gateway confirms, once. `issued_by` is the payment that issued it.

    Without a fresh read of that payment, the key is not activated. Instead a look at the key becomes due at once
    (`confirm`). No scan reads a key that was given up, so the notification keeps asking until the key has been read.
    """
    if not key.awaits_confirmation:
        return Applied(InboxStatus.APPLIED, f"key {key.id} is {key.status}, as was known", subject_id=key.id)
    if issued_by is None:
        key = uow.keys.lock(key.id)
        if key.status is KeyStatus.PENDING:
            key.next_look_at = moment.real
            uow.keys.save(key)
        note = f"key {key.id} is looked up at the gateway"
        status = InboxStatus.RECEIVED if key.status is KeyStatus.INVALID else InboxStatus.APPLIED
        return Applied(status, note, to_confirm=[key.id], subject_id=key.id)
    if unlock(uow, key, *issued_by, moment):
        return Applied(InboxStatus.APPLIED, f"key {key.id} is {KeyStatus.ACTIVE}", unlocked=[key.id], subject_id=key.id)
    return Applied(InboxStatus.APPLIED, f"key {key.id} is not chargeable: see its alert", subject_id=key.id)
