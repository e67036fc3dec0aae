"""Change the changeable fields of a billing key."""

from collections.abc import Mapping
from dataclasses import replace

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.labels import merged
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.confirm import confirm
from billing_worker.usecases.key.decide import given_up, with_email

Changes = Mapping[str, str | None]
"""Pairs of text to set; None removes a pair."""


def change_key(
    ports: Ports, key_id: str, *, buyer_email: str | None = None, metadata: Changes | None = None
) -> BillingKey:
    """Change the e-mail that is sent with every charge, or the metadata; None changes nothing.

    Raises NotFound, or InvalidInput, also for another e-mail than that of a known issuing payment.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        changed = replace(key, metadata=merged(key.metadata, metadata or {}))
        if buyer_email is not None:
            changed = with_email(uow, changed, buyer_email, moment)
        uow.keys.save(changed)
        note(ports, uow, Verb.KEY_CHANGED, key.id, "e-mail" if buyer_email is not None else "metadata", at=moment.real)
        uow.commit()
    return changed


def set_email(ports: Ports, key_id: str, email: str) -> BillingKey:
    """Change the e-mail of a key. A key that was given up, which no scan reads, is read at once.

    Raises as `change_key` does.
    """
    changed = change_key(ports, key_id, buyer_email=email)
    if not given_up(changed) or not confirm(ports, key_id):
        return changed
    with ports.database.transaction() as uow:
        return uow.keys.get(key_id)
