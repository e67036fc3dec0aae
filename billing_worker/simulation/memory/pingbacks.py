"""Payments at Paymentwall in memory, as their SQL table stores them."""

from datetime import datetime

from billing_worker.domain.pingback import PingbackPayment, Verdict
from billing_worker.simulation.memory.tables import Entry, Table, either


class MemoryPingbacks(Table[PingbackPayment]):
    """Payments at Paymentwall, as their pingbacks describe them."""

    kind, entity = "payment at Paymentwall", PingbackPayment

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self._by_ref: dict[str, int] = {}
        self._number = 0

    def watch(self, before: PingbackPayment | None, after: PingbackPayment | None) -> None:
        """Index payments by ref."""
        row = either(before, after)
        if after is None:
            del self._by_ref[row.ref]
        else:
            self._by_ref[row.ref] = row.id

    def start(self, ref: str, uid: str, goodsid: str | None, now: datetime) -> PingbackPayment:
        """The payment with this ref; stored as new if it is unknown."""
        known = self._by_ref.get(ref)
        if known is None:
            self._number += 1
            known = self._number
            self.add(PingbackPayment(known, ref, uid, goodsid, Verdict.UNDECIDED, now))
        return self.get(known)

    def newest(self, uid: str, goodsid: str | None) -> PingbackPayment | None:
        """The newest payment of this uid that is not undecided; only of this goodsid, if given."""
        for row in reversed(self.rows.values()):
            if row.uid == uid and row.verdict is not Verdict.UNDECIDED and goodsid in (None, row.goodsid):
                return self.get(row.id)
        return None
