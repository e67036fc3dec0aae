"""Audits in PostgreSQL: which one runs next, the checks, and the payments to compare with the gateway."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, TextClause, text

from billing_worker.adapters.database import twins
from billing_worker.adapters.database.audit_checks import CHECKS, SHARED, TEXTS, Check
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.runaway import Reached
from billing_worker.domain.subscription import COLLECTING, RENEWING
from billing_worker.ports.review import AuditWindow, PaidAttempt

MOST_SHOWN = 50
"""The reported breaches of one check; the first ones say enough. Accepted breaches come last, so that they never hide a
new one."""

KEPT = timedelta(days=30)

_CLAIM = text("""
    INSERT INTO audits (began_at, until) SELECT :real_now, :now
    WHERE NOT EXISTS (SELECT FROM audits WHERE began_at > :since) RETURNING id
""")

_FINISH = text("""
    UPDATE audits SET finished_at = :real_now, checked = :checked, breaches = :breaches WHERE id = :id
""")

_APPROVAL = """
    SELECT a.id, a.invoice_id, a.merchant_uid, a.imp_uid, a.amount, a.currency, k.customer_uid,
           (SELECT subscription_id FROM invoices WHERE id = a.invoice_id) AS subscription_id,
           EXISTS (SELECT FROM payment_attempts o WHERE o.invoice_id = a.invoice_id AND o.imp_uid IS NULL) AS nameless
    FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id JOIN evidence e ON e.id = a.evidence_id
    WHERE a.status = 'approved' AND a.imp_uid IS NOT NULL
"""
_PAID = text(f"""
    ({_APPROVAL} AND a.id IN (SELECT id FROM doubts ORDER BY looked_at LIMIT :most))
    UNION
    ({_APPROVAL} AND a.closed_at >= :since AND e.received_at <= :settled ORDER BY a.closed_at DESC LIMIT :most)
""")  # noqa: S608 - made of constants

_REACHED = """
    SELECT a.currency, count(DISTINCT s.customer), sum(a.amount)::bigint
    FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id JOIN subscriptions s ON s.id = i.subscription_id
    WHERE a.status = 'approved' AND a.imp_uid IS NOT NULL AND a.closed_at > :since {only}
    GROUP BY GROUPING SETS ((a.currency), ())
"""
_PAID_SINCE = text(_REACHED.format(only=""))
_UNASKED = text(
    _REACHED.format(
        only="""AND a.found AND NOT EXISTS (
            SELECT FROM billing_keys k WHERE k.id = a.billing_key_id AND k.issue_imp_uid = a.imp_uid)"""
    )
)
"""One line per currency, and one without a currency for all: a customer who pays in two counts once."""

_UNSEEN_FIRST = """
    SELECT subject, detail FROM ({breaches}) found (subject, detail)
    ORDER BY :invariant || ' ' || subject = ANY(:accepted), subject LIMIT :shown
"""


class SqlAudits:
    """Audits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, moment: Moment, interval: timedelta) -> int | None:
        """The id of a new audit if none began within the interval. Only one caller gets it."""
        recent = text("SELECT EXISTS (SELECT FROM audits WHERE began_at > :since)")
        since = moment.real - interval
        if self._connection.execute(recent, {"since": since}).scalar_one():
            return None
        self._connection.execute(text(f"SELECT pg_advisory_xact_lock({AdvisoryLock.AUDITING.value})"))
        claimed = self._connection.execute(_CLAIM, {"now": moment.billing, "real_now": moment.real, "since": since})
        return claimed.scalar_one_or_none()

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit ended."""
        newest = text("SELECT until FROM audits WHERE finished_at IS NOT NULL ORDER BY began_at DESC LIMIT 1")
        return self._connection.execute(newest).scalar_one_or_none()

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that the audit ended. Deletes records older than a month."""
        values = {"id": audit_id, "real_now": real_now, "checked": checked, "breaches": breaches}
        self._connection.execute(_FINISH, values)
        self._connection.execute(text("DELETE FROM audits WHERE began_at < :before"), {"before": real_now - KEPT})

    def checks(self, window: AuditWindow) -> Sequence[Checked]:
        """Check every invariant that the database alone can answer."""
        wanted = {
            "since": _or_ever(window.since),
            "now": window.moment.billing,
            "real_now": window.moment.real,
            "grace": window.grace,
            "skew": window.skew,
            "collecting": [str(status) for status in COLLECTING],
            "renewing": [str(status) for status in RENEWING],
            "accepted": sorted(window.accepted),
        }
        return [self._checked(check, wanted) for check in CHECKS]

    def texts(self, most: int) -> Iterator[tuple[str, str, str]]:
        """Table, id and text of the rows written last."""
        for table, query in TEXTS.items():
            for ident, written in self._connection.execute(text(query), {"most": most}):
                yield table, ident, written

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:
        """The newest approvals whose evidence arrived before `settled`, to compare with the gateway's books."""
        wanted = {"since": _or_ever(since), "settled": settled, "most": most}
        found = self._connection.execute(_PAID, wanted).mappings()
        return [_paid(dict(row)) for row in found]

    def unasked(self, since: datetime) -> Reached:
        """The customers and money of unasked payments under our orders since then."""
        return self._reached(_UNASKED, since)

    def paid_since(self, since: datetime) -> Reached:
        """The customers and money of all payments booked since then."""
        return self._reached(_PAID_SINCE, since)

    def live(self) -> int:
        """The number of subscriptions that are not canceled."""
        return int(self._connection.execute(twins.COUNT).scalar_one())

    def twins(self, most: int) -> Sequence[Breach]:
        """Subscriptions with a twin that no operator accepted: the later one of each pair."""
        found = self._connection.execute(twins.FOUND, {"most": most})
        return [_twin(*row) for row in found]

    def part_twins(self, now: datetime) -> None:
        """Close alerts about twins that no longer are."""
        self._connection.execute(twins.PART, {"now": now})

    def _reached(self, statement: TextClause, since: datetime) -> Reached:
        found = self._connection.execute(statement, {"since": since}).all()
        money = {currency: amount for currency, _, amount in found if currency is not None}
        return Reached(sum(customers for currency, customers, _ in found if currency is None), money)

    def _checked(self, check: Check, wanted: dict[str, Any]) -> Checked:
        rows, wrong = SHARED + check.rows, SHARED + _UNSEEN_FIRST.format(breaches=check.breaches)
        count = int(self._connection.execute(text(rows), _used(rows, wanted)).scalar_one())
        own = {"invariant": check.invariant, "shown": MOST_SHOWN}
        found = self._connection.execute(text(wrong), _used(wrong, wanted) | own)
        breaches = tuple(Breach(*each) for each in found)
        return Checked(check.invariant, check.what, count, breaches, standing=check.standing)


def _used(statement: str, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if f":{name}" in statement}


def _or_ever(since: datetime | None) -> Any:
    return since if since is not None else "-infinity"


def _paid(row: dict[str, Any]) -> PaidAttempt:
    money = Money(row.pop("amount"), row.pop("currency"))
    return PaidAttempt(**row, money=money)


def _twin(subject: str, plan_id: str, earlier: str) -> Breach:
    detail = (
        f"is on plan {plan_id} for the same customer as {earlier}, "
        "and both are first charged within a day of each other"
    )
    return Breach(subject, detail, subject, {"plan": plan_id, "earlier": earlier})
