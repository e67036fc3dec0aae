"""Sums over the whole database, for reports and for the comparison with the gateway's books."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from billing_worker.domain.catch_up import BACKLOG_AFTER
from billing_worker.domain.moment import Moment
from billing_worker.domain.notification import UNANSWERED_FOR, WAITING_FOR
from billing_worker.domain.subscription import RENEWING
from billing_worker.ports.review import SettledPayment, Standing, Tally

_TALLIES = text("""
    SELECT to_char(period_start AT TIME ZONE :timezone, 'YYYY-MM') AS month, currency,
           count(*) AS invoices,
           count(*) FILTER (WHERE status = 'paid') AS paid,
           coalesce(sum(amount) FILTER (WHERE status = 'paid'), 0)::bigint AS paid_amount,
           count(*) FILTER (WHERE status = 'open') AS open,
           count(*) FILTER (WHERE status = 'uncollectible') AS uncollectible,
           count(*) FILTER (WHERE status = 'void') AS void,
           count(*) FILTER (WHERE status = 'paid' AND declines > 0) AS recovered,
           coalesce(sum(refunded), 0)::bigint AS refunded_amount
    FROM invoices
    LEFT JOIN (SELECT invoice_id, refunded FROM payment_attempts WHERE refunded > 0 AND NOT surplus) given
           ON given.invoice_id = invoices.id
    GROUP BY 1, 2 ORDER BY 1, 2
""")

_STANDING = text("""
    WITH waiting AS (
        SELECT i.next_attempt_at, i.declines, i.failures, k.status AS key_status, a.status AS attempt_status
        FROM invoices i
        JOIN billing_keys k ON k.id = i.billing_key_id
        LEFT JOIN payment_attempts a ON a.invoice_id = i.id AND a.closed_at IS NULL
        WHERE i.status = 'open')
    SELECT (SELECT count(*) FROM subscriptions
            WHERE status = ANY(:renewing) AND held_since IS NULL AND next_period_start <= :now) AS periods_due,
           (SELECT count(*) FROM subscriptions
            WHERE status = ANY(:renewing) AND held_since IS NULL AND next_period_start <= :old)
               + count(*) FILTER (WHERE (next_attempt_at <= :old OR (next_attempt_at <= :now AND failures > 0))
                                    AND key_status <> 'pending' AND attempt_status IS NULL) AS late,
           (SELECT count(*) FROM subscriptions WHERE held_since IS NOT NULL AND status = ANY(:renewing)) AS on_hold,
           count(*) FILTER (WHERE next_attempt_at <= :now AND key_status <> 'pending' AND attempt_status IS NULL)
               AS due,
           count(*) FILTER (WHERE attempt_status = 'in_flight') AS in_flight,
           count(*) FILTER (WHERE attempt_status = 'unknown') AS unknown,
           count(*) FILTER (WHERE key_status = 'pending' AND next_attempt_at <= :now) AS waiting_for_key,
           count(*) FILTER (WHERE declines > 0) AS in_dunning,
           min(next_attempt_at) FILTER (
               WHERE next_attempt_at <= :now AND key_status <> 'pending' AND attempt_status IS NULL) AS oldest_due,
           (SELECT count(*) FROM alerts WHERE closed_at IS NULL) AS open_alerts,
           (SELECT count(*) FROM stops WHERE closed_at IS NULL) AS open_stops,
           (SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND abandoned_at IS NULL) AS undelivered_events,
           (SELECT count(*) FROM outbox WHERE abandoned_at IS NOT NULL) AS abandoned_events,
           received.unapplied_notifications, received.stuck_notifications, received.foreign_notifications,
           received.oldest_notification,
           (SELECT max(ends_at) FROM comparisons WHERE status = 'done' AND ends_at < coalesce(
               (SELECT min(ends_at) FROM comparisons WHERE status <> 'done'), 'infinity')) AS compared_until
    FROM (
        SELECT count(*) AS unapplied_notifications,
               count(*) FILTER (WHERE NOT is_foreign AND (
                   (tries = 0 AND coalesce(waiting_since, received_at) <= :unanswered)
                   OR coalesce(waiting_since, received_at) <= :waiting)) AS stuck_notifications,
               count(*) FILTER (WHERE is_foreign) AS foreign_notifications,
               min(coalesce(waiting_since, received_at)) AS oldest_notification
        FROM inbox WHERE status = 'received') received
    LEFT JOIN waiting ON true
    GROUP BY unapplied_notifications, stuck_notifications, foreign_notifications, oldest_notification
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

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line per month and currency, oldest first."""
        rows = self._connection.execute(_TALLIES, {"timezone": timezone}).mappings()
        return [Tally(**row) for row in rows]

    def standing(self, moment: Moment) -> Standing:
        """The present state."""
        now = moment.billing
        wanted = {"now": now, "old": now - BACKLOG_AFTER, "renewing": [str(status) for status in RENEWING]}
        wanted |= {"unanswered": moment.real - UNANSWERED_FOR, "waiting": moment.real - WAITING_FOR}
        return Standing(**self._connection.execute(_STANDING, wanted).mappings().one())

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""
        return [SettledPayment(**row) for row in self._connection.execute(_PAYMENTS).mappings()]
