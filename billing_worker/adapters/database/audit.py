"""Audits in PostgreSQL: which one runs next, the checks, and the payments to compare with the gateway."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from billing_worker.adapters.database import twins
from billing_worker.adapters.database.audit_checks import CHECKS, END_OF_WINDOW, SHARED, TEXTS, Check
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.runaway import Reached
from billing_worker.domain.subscription import COLLECTING
from billing_worker.ports.review import AuditPlace, AuditWindow, PaidAttempt, Written

MOST_SHOWN = 50
"""The reported breaches of one check; the first ones say enough. Accepted breaches come last, so that they never hide a
new one."""

KEPT = timedelta(days=30)

SHORTEST = timedelta(microseconds=1)
"""PostgreSQL keeps no shorter time."""

# An audit of a release that had no leases counts as leased for the interval.
_NEWEST = text("""
    SELECT id, began_at > :since AS is_recent, finished_at IS NULL AS goes_on,
           coalesce(lease_until > :real_now, began_at > :since) AS is_leased
    FROM audits ORDER BY began_at DESC LIMIT 1
""")

_BEGIN = text("INSERT INTO audits (began_at, until, lease_until) VALUES (:real_now, :now, :lease_until) RETURNING id")

_LEASE = text("UPDATE audits SET lease_until = :lease_until WHERE id = :id")

_REACH = text("""
    UPDATE audits SET reached = :reached, lease_until = :lease_until, checked = coalesce(checked, 0) + :checked,
                      breaches = coalesce(breaches, 0) + :breaches
    WHERE id = :id
""")

_FINISH = text("""
    UPDATE audits SET finished_at = :real_now, lease_until = NULL, checked = coalesce(checked, 0) + :checked,
                      breaches = coalesce(breaches, 0) + :breaches
    WHERE id = :id
""")

_APPROVAL = """
    SELECT a.id, a.invoice_id, a.merchant_uid, a.imp_uid, a.amount, a.currency, k.customer_uid,
           (SELECT coalesce(subscription_id, id) FROM invoices WHERE id = a.invoice_id) AS owner_id,
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
    SELECT a.currency, count(DISTINCT coalesce(s.customer, i.customer)), sum(a.amount)::bigint
    FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
    LEFT JOIN subscriptions s ON s.id = i.subscription_id
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

    def claim(self, moment: Moment, interval: timedelta, lease: timedelta) -> int | None:
        """The id of the unfinished audit, or of a new one if none began within the interval; for one caller only."""
        asked = {"since": moment.real - interval, "real_now": moment.real}
        if not self._is_time(self._newest(asked)):
            return None
        self._connection.execute(text(f"SELECT pg_advisory_xact_lock({AdvisoryLock.AUDITING.value})"))
        newest = self._newest(asked)
        if not self._is_time(newest):
            return None
        lease_until = moment.real + lease
        if newest is not None and newest.goes_on:
            self._connection.execute(_LEASE, {"id": newest.id, "lease_until": lease_until})
            return int(newest.id)
        begun = {"now": moment.billing, "real_now": moment.real, "lease_until": lease_until}
        return int(self._connection.execute(_BEGIN, begun).scalar_one())

    def _newest(self, asked: dict[str, Any]) -> Row[Any] | None:
        return self._connection.execute(_NEWEST, asked).one_or_none()

    def _is_time(self, newest: Row[Any] | None) -> bool:
        if newest is None:
            return True
        return not (newest.is_leased if newest.goes_on else newest.is_recent)

    def place(self, audit_id: int) -> AuditPlace:
        """Where it stands."""
        found = self._connection.execute(text("SELECT until, reached FROM audits WHERE id = :id"), {"id": audit_id})
        until, reached = found.one()
        return AuditPlace(until, reached)

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit ended."""
        newest = text("SELECT until FROM audits WHERE finished_at IS NOT NULL ORDER BY began_at DESC LIMIT 1")
        return self._connection.execute(newest).scalar_one_or_none()

    def reach(self, audit_id: int, reached: datetime, lease_until: datetime, checked: int, breaches: int) -> None:
        """Note that it has looked at everything up to there; what it checked is added up."""
        values = {"id": audit_id, "reached": reached, "lease_until": lease_until}
        self._connection.execute(_REACH, values | {"checked": checked, "breaches": breaches})

    def release(self, audit_id: int, real_now: datetime) -> None:
        """Let the next claim have it at once."""
        self._connection.execute(_LEASE, {"id": audit_id, "lease_until": real_now})

    def end_of(self, since: datetime | None, rows: int) -> datetime | None:
        """Where a window that begins there ends, so that it has about so many rows of a kind; None: that is the end."""
        wanted = {"since": _or_ever(since), "rows": rows}
        end: datetime | None = self._connection.execute(text(END_OF_WINDOW), wanted).scalar_one()
        # All of them bear the time of the beginning: the window is that moment.
        return end if end is None or since is None or end > since else since + SHORTEST

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that the audit ended. Deletes records older than a month."""
        values = {"id": audit_id, "real_now": real_now, "checked": checked, "breaches": breaches}
        self._connection.execute(_FINISH, values)
        self._connection.execute(text("DELETE FROM audits WHERE began_at < :before"), {"before": real_now - KEPT})

    def checks(self, window: AuditWindow, *, standing: bool) -> Sequence[Checked]:
        """Every invariant that the database alone can answer; those of what stands only if asked for."""
        wanted = {
            "since": _or_ever(window.since),
            "until": _or_end(window.until),
            "now": window.moment.billing,
            "real_now": window.moment.real,
            "grace": window.grace,
            "skew": window.skew,
            "collecting": [str(status) for status in COLLECTING],
            "accepted": sorted(window.accepted),
        }
        return [self._checked(check, wanted) for check in CHECKS if standing or not check.standing]

    def texts(self, table: str, most: int, after: Written | None = None) -> Sequence[Written]:
        """What was written last, newest first, from behind `after`."""
        ident, written, order = TEXTS[table]
        names = [f"p{number}" for number in range(len(order))]
        ahead = f"WHERE ({', '.join(order)}) < ({', '.join(f':{name}' for name in names)})" if after else ""
        own = [f"{table}.{column}" for column in order]
        query = f"""
            SELECT {ident}, {written}, {", ".join(own)} FROM {table} {ahead}
            ORDER BY {", ".join(f"{column} DESC" for column in own)} LIMIT :most
        """  # noqa: S608 - made of constants
        wanted = dict(zip(names, after.place, strict=True)) if after else {}
        found = self._connection.execute(text(query), wanted | {"most": most})
        return [Written(table, ident, text_, tuple(place)) for ident, text_, *place in found]

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

    def newcomers(self, since: datetime | None, until: datetime | None) -> int:
        """How many of the subscriptions that were created then are not canceled."""
        window = {"since": _or_ever(since), "until": _or_end(until)}
        return int(self._connection.execute(twins.COUNT, window).scalar_one())

    def twins(self, since: datetime | None, until: datetime | None, most: int) -> Sequence[Breach]:
        """Subscriptions that have a twin that no operator accepted, the later one of each pair."""
        window = {"since": _or_ever(since), "until": _or_end(until)}
        found = self._connection.execute(twins.FOUND, window | {"most": most})
        return [_twin(*row) for row in found]

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


def _or_end(until: datetime | None) -> Any:
    return until if until is not None else "infinity"


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
