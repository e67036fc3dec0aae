"""The watch of the gateway in PostgreSQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.control import gateway_watch
from billing_worker.domain.gateway_watch import GATEWAY, GatewayWatch
from billing_worker.domain.moment import Moment
from billing_worker.domain.timing import LARGEST_BACKOFF

_ANSWERED = text("""
    SELECT EXISTS (SELECT FROM payment_attempts WHERE closed_at > :noted_at AND imp_uid IS NOT NULL)
""")

_WAKE = tuple(
    text(statement)
    for statement in (
        """
        UPDATE payment_attempts SET next_look_at = :real_now
        WHERE id IN (SELECT id FROM payment_attempts WHERE next_look_at > :real_now AND status = 'unknown'
                     ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        """
        UPDATE refunds SET next_step_at = :real_now
        WHERE id IN (SELECT id FROM refunds WHERE next_step_at > :real_now AND status IN ('pending', 'unknown')
                     ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        """
        UPDATE billing_keys SET next_look_at = :real_now
        WHERE id IN (SELECT id FROM billing_keys WHERE next_look_at > :real_now AND looks > 0
                     ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        """
        UPDATE key_calls SET next_step_at = :real_now
        WHERE id IN (SELECT id FROM key_calls WHERE next_step_at > :real_now AND lease_until <= :real_now
                     ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        """
        UPDATE schedules SET next_step_at = :real_now
        WHERE id IN (SELECT id FROM schedules WHERE next_step_at > :real_now AND status <> 'registered'
                     AND (lease_until IS NULL OR lease_until <= :real_now) ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        """
        UPDATE invoices SET next_attempt_at = :now
        WHERE id IN (
            SELECT i.id FROM invoices i
            WHERE i.status = 'open' AND i.next_attempt_at > :now AND i.next_attempt_at <= :latest
              AND i.failures > 0 AND i.taken_back = 0 AND NOT i.awaits_key
              AND 'failed' = (SELECT a.status FROM payment_attempts a WHERE a.invoice_id = i.id
                              ORDER BY a.number DESC LIMIT 1)
            ORDER BY i.id FOR UPDATE OF i SKIP LOCKED)
        """,
    )
)
"""A row that another transaction holds is skipped: that transaction learns something new about it just now."""


class SqlGatewayWatch(Repository[GatewayWatch]):
    """The watch of the gateway: one row."""

    table = gateway_watch
    kind = "watch"
    hydrate = staticmethod(rows.to_gateway_watch)

    def get(self, ident: str = GATEWAY) -> GatewayWatch:
        """The watch as committed last."""
        return self.find(ident) or GatewayWatch()

    def lock(self, ident: str = GATEWAY) -> GatewayWatch:
        """The watch, locked until the end of the transaction."""
        self._connection.execute(insert(gateway_watch).on_conflict_do_nothing(), {"id": ident, "in_a_row": 0})
        return super().lock(ident)

    def answered_since(self, noted_at: datetime) -> bool:
        """Whether an attempt was approved or declined after this moment of billing time."""
        return bool(self._connection.execute(_ANSWERED, {"noted_at": noted_at}).scalar_one())

    def wake(self, moment: Moment) -> None:
        """Make due now what waits for its next try or look."""
        wanted: dict[str, Any] = {"real_now": moment.real, "now": moment.billing}
        for statement in _WAKE[:-1]:
            self._connection.execute(statement, wanted)
        self._connection.execute(_WAKE[-1], wanted | {"latest": moment.billing + LARGEST_BACKOFF})
