"""What PostgreSQL makes of the statements that a piece of the program sends, over a portfolio that has grown."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

GROWN = 4000
"""Rows of each kind: enough that reading a whole table costs more than its index."""
_PARAMETER = re.compile(r"%\((\w+)\)s")

_COPIES = (
    "copy.* FROM {table} r, generate_series(1, :count) n,"
    " LATERAL jsonb_populate_record(r, to_jsonb(r) || {changed}) copy"
)
_OWN = {
    "subscriptions": "'next_period_start', r.next_period_start + interval '1 year',"
    " 'customer', r.customer || n, 'created_at', r.created_at + n * interval '1 second'",
    "invoices": "'subscription_id', r.subscription_id || n, 'merchant_uid', 'o' || n,"
    " 'status', CASE WHEN n % 100 = 0 THEN 'open' ELSE r.status END,"
    " 'created_at', r.created_at + n * interval '1 second',"
    " 'closed_at', CASE WHEN n % 100 > 0 THEN r.closed_at + n * interval '1 second' END,"
    " 'next_attempt_at', CASE WHEN n % 100 = 0 THEN r.period_start + interval '1 year' END",
    "merchant_uids": "'merchant_uid', 'o' || n, 'invoice_id', r.invoice_id || n",
    "payment_attempts": "'invoice_id', r.invoice_id || n, 'merchant_uid', 'o' || n, 'imp_uid', 'imp' || n,"
    " 'started_at', r.started_at + n * interval '1 second', 'closed_at', r.closed_at + n * interval '1 second'",
    "evidence": "'attempt_id', r.attempt_id || n",
    "inbox": "'dedupe_key', r.dedupe_key || n",
    "outbox": "'subject_id', r.subject_id || n, 'stream_id', r.stream_id || n, 'sequence', r.sequence + 1000 * n,"
    " 'delivered_at', r.occurred_at",
    "notices": "'subject_id', r.subject_id || n, 'invoice_id', r.invoice_id || n, 'number', r.number + 1000 * n",
}
"""What tells the copies of one row apart, besides their ids."""


def let_it_grow(engine: Engine, rows: int = GROWN) -> None:
    """Many rows that are settled, or due in a year, beside the few that are there; and statistics that know of them."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # copies are past, not transitions
        for table, own in _OWN.items():
            number = table in ("inbox", "evidence")
            ident = "'id', 1000000 + n" if number else "" if table == "merchant_uids" else "'id', r.id || n"
            changed = f"jsonb_build_object({', '.join(filter(None, (ident, own)))})"
            copies = _COPIES.format(changed=changed, table=table)
            overriding = " OVERRIDING SYSTEM VALUE" if number else ""
            connection.execute(text(f"INSERT INTO {table}{overriding} SELECT {copies}"), {"count": rows})
        connection.execute(text("SELECT recount_invoices()"))
        connection.execute(text("ANALYZE"))


def _numbered(statement: str) -> str:
    """Ask for the generic plan. The same name has the same number."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
    return f"EXPLAIN (GENERIC_PLAN) {numbered}"


@contextmanager
def plans_of(engine: Engine, *, generic: bool = False) -> Iterator[list[str]]:
    """The plan of each statement that is sent meanwhile; filled when the block ends.

    A `generic` plan is made once for all parameters, as PostgreSQL may do for a prepared statement.
    """
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            sent.append((statement, parameters))

    plans: list[str] = []
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        for statement, parameters in sent:
            asked = (_numbered(statement), None) if generic else (f"EXPLAIN {statement}", parameters)
            lines = connection.exec_driver_sql(*asked).scalars()
            plans.append("\n".join((statement, *lines)))
