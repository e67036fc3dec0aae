"""A key may be charged from now on: what waited for it is due at once."""

from collections.abc import Sequence

from billing_worker.ports import Ports


def waiting(ports: Ports, key_id: str) -> Sequence[str]:
    """Ids of the due invoices that waited for this key, oldest first.

    Nothing needs to be changed for them: the scans leave out pending keys and nothing else, so a lost ring costs one
    tick.
    """
    with ports.database.transaction() as uow:
        return uow.invoices.waiting_for_key(key_id, ports.clock.now())
