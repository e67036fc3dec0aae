"""Sums over the whole database, for reports and for the comparison with the gateway's books."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from billing_worker.adapters.database.expiring import LAST_MONTH
from billing_worker.adapters.database.hourly import SqlHourly
from billing_worker.domain.dunning.recovered import CardAnswer, DeclinedInvoice
from billing_worker.domain.moment import Moment
from billing_worker.domain.notification import UNANSWERED_FOR, WAITING_FOR
from billing_worker.domain.subscription import RENEWING
from billing_worker.ports.books import SettledPayment, Standing, Tally

RENEWED = ", ".join(f"'{status}'" for status in sorted(RENEWING))
"""As the partial indexes have it: with a parameter, a statement that is planned once would not read them."""

_TALLIES = text("""
    SELECT to_char(slot AT TIME ZONE :timezone, 'YYYY-MM') AS month, currency,
           sum(open + paid + uncollectible + void)::bigint AS invoices,
           sum(paid)::bigint AS paid,
           sum(paid_amount)::bigint AS paid_amount,
           sum(open)::bigint AS open,
           sum(uncollectible)::bigint AS uncollectible,
           sum(void)::bigint AS void,
           sum(recovered)::bigint AS recovered,
           sum(refunded_amount)::bigint AS refunded_amount
    FROM (SELECT * FROM invoice_totals UNION ALL SELECT * FROM invoice_deltas) kept
    GROUP BY 1, 2 HAVING sum(open + paid + uncollectible + void) <> 0 ORDER BY 1, 2
""")

# Rows that another folding holds are left to it. Deltas are not found by an index: they are few, and all are read.
_FOLD = text("""
    WITH taken AS (
        DELETE FROM invoice_deltas
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM invoice_deltas LIMIT :most FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO invoice_totals AS kept
    SELECT slot, currency, sum(open), sum(paid), sum(uncollectible), sum(void), sum(in_dunning), sum(recovered),
           sum(paid_amount), sum(refunded_amount)
    FROM taken GROUP BY slot, currency ORDER BY slot, currency
    ON CONFLICT (slot, currency) DO UPDATE SET
        open = kept.open + excluded.open, paid = kept.paid + excluded.paid,
        uncollectible = kept.uncollectible + excluded.uncollectible, void = kept.void + excluded.void,
        in_dunning = kept.in_dunning + excluded.in_dunning, recovered = kept.recovered + excluded.recovered,
        paid_amount = kept.paid_amount + excluded.paid_amount,
        refunded_amount = kept.refunded_amount + excluded.refunded_amount
""")

_COMPARED_UNTIL = """
    SELECT max(ends_at) FROM comparisons WHERE status = 'done' AND ends_at < coalesce(
        (SELECT min(ends_at) FROM comparisons WHERE status <> 'done'), 'infinity')
"""

# Each part reads an index of what waits, and nothing of what is done.
_STANDING = text(f"""
    WITH due AS (
        SELECT i.next_attempt_at, i.next_attempt_at <= :old OR i.failures > 0 AS late, k.status AS key_status
        FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
        WHERE i.status = 'open' AND i.next_attempt_at <= :now AND NOT EXISTS (
            SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))),
    counted AS (
        SELECT count(*) FILTER (WHERE key_status <> 'pending') AS due,
               count(*) FILTER (WHERE key_status = 'pending') AS waiting_for_key,
               count(*) FILTER (WHERE key_status <> 'pending' AND late) AS late,
               min(next_attempt_at) FILTER (WHERE key_status <> 'pending') AS oldest_due
        FROM due),
    asked AS (
        SELECT count(*) FILTER (WHERE status = 'in_flight') AS in_flight,
               count(*) FILTER (WHERE status = 'unknown') AS unknown,
               min(started_at) FILTER (WHERE status = 'unknown') AS oldest_unknown
        FROM payment_attempts WHERE next_look_at IS NOT NULL),
    unplaced AS (
        SELECT count(*) AS unplaced, min(failing.since) AS oldest_unplaced
        FROM invoices i CROSS JOIN LATERAL (
            SELECT min(started_at) AS since FROM payment_attempts a
            WHERE a.invoice_id = i.id AND a.status = 'failed') failing
        WHERE i.status = 'open' AND i.failures > 0 AND EXISTS (
            SELECT FROM payment_attempts a
            WHERE a.invoice_id = i.id AND a.number = i.attempts AND a.status = 'failed')),
    begun AS (
        SELECT count(*) AS periods_due, count(*) FILTER (WHERE next_period_start <= :old) AS late,
               min(next_period_start) AS oldest_period_due
        FROM subscriptions
        WHERE status IN ({RENEWED}) AND held_since IS NULL AND next_period_start <= :now),
    received AS (
        SELECT count(*) AS unapplied_notifications,
               count(*) FILTER (WHERE NOT is_foreign AND (
                   (tries = 0 AND coalesce(waiting_since, received_at) <= :unanswered)
                   OR coalesce(waiting_since, received_at) <= :waiting)) AS stuck_notifications,
               count(*) FILTER (WHERE is_foreign) AS foreign_notifications,
               min(coalesce(waiting_since, received_at)) AS oldest_notification
        FROM inbox WHERE status = 'received')
    SELECT begun.periods_due, begun.late + counted.late AS late, counted.due, counted.waiting_for_key,
           counted.oldest_due, begun.oldest_period_due, unplaced.unplaced, unplaced.oldest_unplaced,
           asked.in_flight, asked.unknown, asked.oldest_unknown,
           (SELECT count(*) FROM subscriptions
            WHERE held_since IS NOT NULL AND status IN ({RENEWED})) AS on_hold,
           (SELECT coalesce(sum(in_dunning), 0)::bigint
            FROM (SELECT in_dunning FROM invoice_totals UNION ALL SELECT in_dunning FROM invoice_deltas) kept)
               AS in_dunning,
           (SELECT count(*) FROM billing_keys WHERE {LAST_MONTH}) AS expiring_cards,
           (SELECT count(*) FROM alerts WHERE closed_at IS NULL) AS open_alerts,
           (SELECT count(*) FROM stops WHERE closed_at IS NULL) AS open_stops,
           CASE WHEN :receiver THEN (
               SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND abandoned_at IS NULL)
               ELSE 0 END AS undelivered_events,
           (SELECT count(*) FROM outbox WHERE abandoned_at IS NOT NULL) AS abandoned_events,
           received.*, ({_COMPARED_UNTIL}) AS compared_until
    FROM counted, asked, unplaced, begun, received
""")  # noqa: S608 - made of constants

_DECLINED = text("""
    SELECT i.dunning_policy AS policy, k.pg_provider AS pg, coalesce(first.decline_category, 'unknown') AS category,
           to_char(first.closed_at AT TIME ZONE :timezone, 'YYYY-MM') AS month, i.declines, i.currency, i.amount,
           i.status = 'paid' AS is_paid, i.status = 'open' AS is_open,
           CASE WHEN i.status = 'paid'
                THEN extract(epoch FROM i.closed_at - first.closed_at)::float8 / 86400 END AS days
    FROM invoices i
    JOIN LATERAL (
        SELECT closed_at, decline_category, billing_key_id FROM payment_attempts a
        WHERE a.invoice_id = i.id AND a.status = 'declined' ORDER BY number LIMIT 1) first ON true
    JOIN billing_keys k ON k.id = first.billing_key_id
    WHERE i.created_at >= :since AND i.created_at < :until AND (i.declines > 0 OR i.spared > 0)
    ORDER BY i.created_at, i.id
""")

_ANSWERS = text("""
    SELECT i.id AS invoice_id, i.amount, a.billing_key_id, a.closed_at AS at,
           CASE WHEN a.status = 'declined' THEN coalesce(a.decline_category, 'unknown') END AS category,
           CASE WHEN i.status = 'paid' THEN i.closed_at END AS paid_at
    FROM invoices i JOIN payment_attempts a ON a.invoice_id = i.id
    WHERE i.created_at >= :since AND i.created_at < :until AND (i.declines > 0 OR i.spared > 0)
      AND a.status IN ('declined', 'approved') AND a.closed_at IS NOT NULL
    ORDER BY i.created_at, i.id, a.number
""")

_PAYMENTS = text("""
    SELECT a.merchant_uid, a.imp_uid, a.amount, a.currency, i.period_start, a.surplus
    FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
    WHERE a.status = 'approved' ORDER BY i.period_start, a.merchant_uid
""")


class SqlBooks:
    """Sums over the whole database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.hourly = SqlHourly(connection)

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line per month and currency, oldest first."""
        rows = self._connection.execute(_TALLIES, {"timezone": timezone}).mappings()
        return [Tally(**row) for row in rows]

    def standing(self, moment: Moment, late_until: datetime, *, receiver: bool) -> Standing:
        """The present state; work due up to `late_until` is late. Without a receiver no event waits for one."""
        wanted = {"now": moment.billing, "old": late_until, "receiver": receiver}
        wanted |= {
            "expiring_at": moment.billing,
            "unanswered": moment.real - UNANSWERED_FOR,
            "waiting": moment.real - WAITING_FOR,
        }
        return Standing(**self._connection.execute(_STANDING, wanted).mappings().one())

    def answers(self, since: datetime, until: datetime) -> Iterator[CardAnswer]:
        """What cards said to the tries of declined invoices made in this span: by invoice, in order."""
        for row in self._connection.execute(_ANSWERS, {"since": since, "until": until}).mappings():
            yield CardAnswer(**row)

    def declined(self, since: datetime, until: datetime, timezone: str) -> Iterator[DeclinedInvoice]:
        """Invoices made in this span whose charge was declined; their months are those of `timezone`."""
        wanted = {"since": since, "until": until, "timezone": timezone}
        for row in self._connection.execute(_DECLINED, wanted).mappings():
            yield DeclinedInvoice(**row)

    def compared_until(self) -> datetime | None:
        """Billing time up to which both books were compared, without a gap; None before the first comparison."""
        found: datetime | None = self._connection.execute(text(_COMPARED_UNTIL)).scalar_one()
        return found

    def fold(self, most: int) -> int:
        """Add up at most so many of the differences that statements left; returns to how many slots."""
        return self._connection.execute(_FOLD, {"most": most}).rowcount

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""
        return [SettledPayment(**row) for row in self._connection.execute(_PAYMENTS).mappings()]
