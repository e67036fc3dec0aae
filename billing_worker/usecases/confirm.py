"""Ask the gateway about keys that wait for their confirmation: its webhook is sent once, and may be lost.

PortOne stores a Paymentwall key under its customer_uid only after Paymentwall confirmed the payment that issued it
(PortOne's Paymentwall guide). So that it has the key says the same as the webhook.
"""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.ports import Ports
from billing_worker.usecases.held import held_by
from billing_worker.usecases.unlock import unlock

FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=1)
HUMAN_AFTER = 29
"""Looks, with doubling waits from a minute to an hour: about a day."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim pending keys whose next look has come."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        ids = uow.keys.claim_looks(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def confirm(ports: Ports, key_id: str) -> bool:
    """Ask once; returns whether the key may be charged from now on."""
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    if key.status is not KeyStatus.PENDING:
        return False
    known = ports.gateway.knows_key(key.customer_uid)
    now, real_now = ports.clock.now(), ports.clock.real_now()
    with ports.database.transaction() as uow:
        if known and held_by(uow, key) is None:
            unlocked = unlock(ports, uow, key)
            uow.commit()
            return unlocked
        key = uow.keys.lock(key_id)
        if key.status is KeyStatus.PENDING:
            key.next_look_at = real_now + min(FIRST_LOOK * 2 ** min(key.looks, 20), LONGEST_LOOK)
            key.looks += 1
            uow.keys.save(key)
            if key.looks >= HUMAN_AFTER:
                detail = "not confirmed for a day: look for its issuing payment in PortOne's console, or issue it anew"
                uow.alerts.open("key_pending", key.id, detail, now)
        uow.commit()
    return False
