"""Recent charges, summed in PostgreSQL."""

from datetime import datetime

from sqlalchemy import Connection, text

from billing_worker.domain.text import spellings
from billing_worker.ports.control import Spent

_SPENT = text("""
    SELECT count(*) AS count,
           coalesce(sum(amount) FILTER (WHERE currency = :currency AND status <> 'declined'), 0)::bigint AS amount
    FROM payment_attempts WHERE started_at > :since AND status <> 'failed' AND NOT found
""")
"""A charge by a clerk at the gateway's console is not one of this worker's charges."""


_SPENT_BY_CUSTOMER = text("""
    SELECT count(*) AS count, coalesce(sum(a.amount), 0)::bigint AS amount
    FROM payment_attempts a JOIN (
        SELECT i.id FROM invoices i JOIN subscriptions s ON s.id = i.subscription_id
        WHERE s.customer = ANY(:customers)
        UNION ALL SELECT id FROM invoices WHERE customer = ANY(:customers)) own ON own.id = a.invoice_id
    WHERE a.started_at > :since AND a.currency = :currency AND a.status IN ('in_flight', 'unknown', 'approved')
""")


# By way of its customers: attempts have no index by key, which each charge would have to maintain. A subscription that
# has another key now may have used this one.
_USES_OF_KEY = text("""
    SELECT count(*) FROM payment_attempts a JOIN (
        SELECT i.id FROM subscriptions s JOIN invoices i ON i.subscription_id = s.id
        WHERE s.customer IN (SELECT customer FROM subscriptions WHERE billing_key_id = :key_id)
        UNION ALL SELECT id FROM invoices WHERE subscription_id IS NULL AND billing_key_id = :key_id
    ) own ON own.id = a.invoice_id
    WHERE a.billing_key_id = :key_id AND a.started_at >= :since
      AND a.status IN ('in_flight', 'unknown', 'approved')
""")


_KEYS_LOST = text("""
    SELECT count(DISTINCT billing_key_id) FILTER (WHERE decline_kind = 'hard' AND imp_uid IS NULL),
           count(DISTINCT billing_key_id)
    FROM payment_attempts WHERE started_at > :since AND closed_at IS NOT NULL AND status <> 'failed'
""")


class SqlSpending:
    """Recent charges. Read only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def since(self, since: datetime, currency: str) -> Spent:
        """All charges begun after `since`: their number, and the sum that was or may have been taken."""
        row = self._connection.execute(_SPENT, {"since": since, "currency": currency})
        return Spent(**row.mappings().one())

    def of_customer(self, customer: str, since: datetime, currency: str) -> Spent:
        """The same for one customer in this currency, over all their subscriptions in any spelling of the customer."""
        wanted = {"customers": list(spellings(customer)), "since": since, "currency": currency}
        return Spent(**self._connection.execute(_SPENT_BY_CUSTOMER, wanted).mappings().one())

    def uses_of_key(self, key_id: str, since: datetime) -> int:
        """Charges of this key begun since then that were made, or may have been."""
        found = self._connection.execute(_USES_OF_KEY, {"key_id": key_id, "since": since})
        return int(found.scalar_one())

    def lost_keys(self, since: datetime) -> tuple[int, int]:
        """Keys that the gateway refused without a payment, and all keys charged since then."""
        lost, charged = self._connection.execute(_KEYS_LOST, {"since": since}).one()
        return lost, charged
