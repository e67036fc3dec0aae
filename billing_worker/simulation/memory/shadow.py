"""Shadow mode in memory: which keys are in it. The simulation decides nothing in shadow."""

from collections.abc import Sequence
from typing import Any

from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.unserved import Unserved


class MemoryShadow:
    """What this worker would have charged."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def keys_in_shadow(self, customer_uids: Sequence[str], *, everything: bool) -> dict[str, str]:
        """Those of these customer_uids that only decisions are made for, each with the id of such a subscription."""
        found = {}
        for row in sorted(self._rows.subscriptions.rows.values(), key=lambda row: row.id, reverse=True):
            uid = self._rows.keys.rows[row.billing_key_id].customer_uid
            in_shadow = everything or row.collection is Collection.SHADOW
            if uid in customer_uids and in_shadow and row.status is not SubscriptionStatus.CANCELED:
                found[uid] = row.id
        return found

    add: Any = Unserved()
    save_all: Any = Unserved()
    claim_day: Any = Unserved()
    lock_day: Any = Unserved()
    close_day: Any = Unserved()
    decided_between: Any = Unserved()
    explained_by: Any = Unserved()
