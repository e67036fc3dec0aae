"""Card sessions in memory, with the constraints of their SQL table."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.card_session import WAITING, CardSession, CardSessionStatus
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either


class MemoryCardSessions(Table[CardSession]):
    """Card sessions."""

    kind, entity = "card session", CardSession

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self._by_order: dict[str, str] = {}
        self.looks = DueIndex()

    def guard(self, before: CardSession | None, after: CardSession) -> None:  # noqa: ARG002 - one interface
        """Check: a registered session has its key, and only a waiting one is looked at."""
        needs_key = after.status in (CardSessionStatus.REGISTERED, CardSessionStatus.DONE)
        if needs_key and after.billing_key_id is None:
            raise GuardBroken(f"card session {after.id} is {after.status} without a key")
        if after.next_look_at is not None and after.status not in WAITING:
            raise GuardBroken(f"card session {after.id} is looked at for nothing")

    def watch(self, before: CardSession | None, after: CardSession | None) -> None:
        """Index sessions by their merchant_uid and by the next look."""
        row = either(before, after)
        if after is None:
            del self._by_order[row.merchant_uid]
        else:
            self._by_order[row.merchant_uid] = row.id
        self.looks.set(row.id, after.next_look_at if after is not None else None)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of sessions whose next look is due. Postpones their look to `lease_until`."""
        ids: Sequence[str] = self.looks.take(real_now, limit)
        for ident in ids:
            session = self.get(ident)
            session.next_look_at = lease_until
            self.save(session)
        return ids

    def with_merchant_uid(self, merchant_uid: str) -> CardSession | None:
        """The session whose window has this merchant_uid."""
        found = self._by_order.get(merchant_uid)
        return None if found is None else self.get(found)
