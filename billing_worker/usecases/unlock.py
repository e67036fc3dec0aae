"""A key may be charged from now on: what waited for it is due at once."""

from collections.abc import Sequence

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.events import EventType, of_key
from billing_worker.ports import Ports, UnitOfWork
from billing_worker.usecases.held import held_by


def unlock(ports: Ports, uow: UnitOfWork, key: BillingKey) -> bool:
    """Activate a pending key, within the caller's transaction; False when that was done before, or is held back."""
    key = uow.keys.lock(key.id)
    now = ports.clock.now()
    if held_by(uow, key) is not None or not key.activate(now):
        return False
    uow.keys.save(key)
    uow.alerts.close("key_pending", key.id, now)
    uow.tell([of_key(EventType.BILLING_KEY_ACTIVATED, key)], now, ports.clock.real_now())
    return True


def waiting(ports: Ports, key_id: str) -> Sequence[str]:
    """Ids of the due invoices that waited for this key, oldest first.

    Nothing needs to be changed for them: the scans leave out pending keys and nothing else, so a lost ring costs one
    tick.
    """
    with ports.database.transaction() as uow:
        return uow.invoices.waiting_for_key(key_id, ports.clock.now())
