"""Payments at Paymentwall, as their pingbacks describe them, in PostgreSQL."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.incoming import pingback_payments
from billing_worker.domain.pingback import PingbackPayment, Verdict

_START = upsert(pingback_payments).on_conflict_do_nothing(index_elements=["ref"])
_BY_REF = select(pingback_payments).where(pingback_payments.c.ref == bindparam("ident")).with_for_update()


class SqlPingbacks(Repository[PingbackPayment]):
    """Payments at Paymentwall, as their pingbacks describe them."""

    table = pingback_payments
    kind = "payment at Paymentwall"
    hydrate = staticmethod(rows.to_pingback_payment)

    def start(self, ref: str, uid: str, goodsid: str | None, now: datetime) -> PingbackPayment:
        """The payment with this ref, locked until the end of the transaction; stored as new if it is unknown."""
        values = {"ref": ref, "uid": uid, "goodsid": goodsid, "verdict": Verdict.UNDECIDED, "created_at": now}
        self._connection.execute(_START, values | {"confirmed_key": False, "seen": [], "waiting": []})
        return self._one(_BY_REF, ref)

    def newest(self, uid: str, goodsid: str | None) -> PingbackPayment | None:
        """The newest payment of this uid that is not undecided; only of this goodsid, if given."""
        own = (pingback_payments.c.uid == uid) & (pingback_payments.c.verdict != Verdict.UNDECIDED)
        if goodsid is not None:
            own &= pingback_payments.c.goodsid == goodsid
        found = self._many(select(pingback_payments).where(own).order_by(pingback_payments.c.id.desc()).limit(1))
        return found[0] if found else None
