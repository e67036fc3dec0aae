"""Audits in PostgreSQL: whose turn it is, the checks, and what must be compared with the gateway."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from billing_worker.adapters.database.audit_checks import CHECKS, SHARED, TEXTS, Check
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.money import Money
from billing_worker.domain.subscription import COLLECTING, RENEWING
from billing_worker.ports import AuditWindow, PaidAttempt

MOST_SHOWN = 50
"""Breaches of one check that are told; where there are more, the first ones say enough. What a person accepted comes
last: however much that is, it must not stand before a breach that nobody has seen."""

KEPT = timedelta(days=30)

_CLAIM = text("""
    INSERT INTO audits (began_at, until) SELECT :real_now, :now
    WHERE NOT EXISTS (SELECT FROM audits WHERE began_at > :since) RETURNING id
""")

_FINISH = text("""
    UPDATE audits SET finished_at = :real_now, checked = :checked, breaches = :breaches WHERE id = :id
""")

_PAID = text("""
    SELECT a.id, a.invoice_id, a.merchant_uid, a.imp_uid, a.amount, a.currency, k.customer_uid,
           ARRAY(SELECT o.imp_uid FROM payment_attempts o WHERE o.invoice_id = a.invoice_id AND o.imp_uid IS NOT NULL)
               AS known,
           ARRAY(SELECT o.imp_uid FROM payment_attempts o WHERE o.invoice_id = a.invoice_id AND o.surplus) AS surplus,
           EXISTS (SELECT FROM payment_attempts o WHERE o.invoice_id = a.invoice_id AND o.imp_uid IS NULL) AS nameless
    FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id JOIN evidence e ON e.id = a.evidence_id
    WHERE a.status = 'approved' AND a.imp_uid IS NOT NULL AND a.closed_at >= :since AND e.received_at <= :settled
    ORDER BY a.closed_at DESC LIMIT :most
""")

_UNSEEN_FIRST = """
    SELECT subject, detail FROM ({breaches}) found (subject, detail)
    ORDER BY :invariant || ' ' || subject = ANY(:accepted), subject LIMIT :shown
"""


class SqlAudits:
    """Audits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, now: datetime, real_now: datetime, interval: timedelta) -> int | None:
        """The id of a new audit, where none began within the interval; never to two callers."""
        recent = text("SELECT EXISTS (SELECT FROM audits WHERE began_at > :since)")
        since = real_now - interval
        if self._connection.execute(recent, {"since": since}).scalar_one():
            return None
        self._connection.execute(text(f"SELECT pg_advisory_xact_lock({AdvisoryLock.AUDITING.value})"))
        claimed = self._connection.execute(_CLAIM, {"now": now, "real_now": real_now, "since": since})
        return claimed.scalar_one_or_none()

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit was finished."""
        newest = text("SELECT until FROM audits WHERE finished_at IS NOT NULL ORDER BY began_at DESC LIMIT 1")
        return self._connection.execute(newest).scalar_one_or_none()

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that it is done; records of a month ago are thrown away."""
        values = {"id": audit_id, "real_now": real_now, "checked": checked, "breaches": breaches}
        self._connection.execute(_FINISH, values)
        self._connection.execute(text("DELETE FROM audits WHERE began_at < :before"), {"before": real_now - KEPT})

    def checks(self, window: AuditWindow) -> Sequence[Checked]:
        """Every invariant that the database alone can answer."""
        wanted = {
            "since": _or_ever(window.since),
            "now": window.now,
            "real_now": window.real_now,
            "grace": window.grace,
            "skew": window.skew,
            "collecting": [str(status) for status in COLLECTING],
            "renewing": [str(status) for status in RENEWING],
            "accepted": sorted(window.accepted),
        }
        return [self._checked(check, wanted) for check in CHECKS]

    def texts(self, most: int) -> Iterator[tuple[str, str, str]]:
        """Table, id and text of what was written last."""
        for table, query in TEXTS.items():
            for ident, written in self._connection.execute(text(query), {"most": most}):
                yield table, ident, written

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:
        """The newest approvals whose evidence came before `settled`, for comparing with the gateway's books."""
        wanted = {"since": _or_ever(since), "settled": settled, "most": most}
        found = self._connection.execute(_PAID, wanted).mappings()
        return [_paid(dict(row)) for row in found]

    def _checked(self, check: Check, wanted: dict[str, Any]) -> Checked:
        rows, wrong = SHARED + check.rows, SHARED + _UNSEEN_FIRST.format(breaches=check.breaches)
        count = int(self._connection.execute(text(rows), _used(rows, wanted)).scalar_one())
        own = {"invariant": check.invariant, "shown": MOST_SHOWN}
        found = self._connection.execute(text(wrong), _used(wrong, wanted) | own)
        return Checked(check.invariant, check.what, count, tuple(Breach(*each) for each in found))


def _used(statement: str, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if f":{name}" in statement}


def _or_ever(since: datetime | None) -> Any:
    return since if since is not None else "-infinity"


def _paid(row: dict[str, Any]) -> PaidAttempt:
    money = Money(row.pop("amount"), row.pop("currency"))
    known, surplus = frozenset(row.pop("known")), frozenset(row.pop("surplus"))
    return PaidAttempt(**row, money=money, known=known, surplus=surplus)
