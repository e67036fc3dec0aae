"""The invariants that the database alone can answer, one pair of queries each: the number of rows, and the wrong ones.

Read only. `since`, `until`, `now`, `real_now` and `grace` are parameters. What changed outside of `since` to `until` is
left out, and each window has a bounded number of rows, so that no query costs more in a big database than in a small
one. What stands (`standing`) is read by the indexes of what is due or open.
"""

# ruff: noqa: S608 - the queries are made of constants

from dataclasses import dataclass

from billing_worker.adapters.database.books import RENEWED
from billing_worker.adapters.database.stops import SCOPE_OF_INVOICE


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `breaches` selects a subject and a detail per row."""

    invariant: str
    what: str
    rows: str
    breaches: str
    standing: bool = False
    """Whether it looks at everything that is so now, whatever the window is."""


SHARED = f"""
    WITH paid AS (
        SELECT * FROM payment_attempts WHERE status = 'approved' AND imp_uid IS NOT NULL AND closed_at >= :since
          AND closed_at < :until),
    started AS (SELECT * FROM payment_attempts WHERE started_at >= :since AND started_at < :until),
    begun AS (
        SELECT a.*, i.subscription_id, i.period_start, i.status AS invoice_status, i.amount AS owed,
               i.currency AS owed_currency
        FROM started a JOIN invoices i ON i.id = a.invoice_id),
    opened AS (SELECT * FROM invoices WHERE created_at >= :since AND created_at < :until),
    asked AS (SELECT * FROM refunds WHERE created_at >= :since AND created_at < :until),
    lost AS (
        SELECT i.*, s.status AS subscription_status, k.pg_provider, k.status AS key_status,
               {SCOPE_OF_INVOICE} AS scope
        FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
        LEFT JOIN subscriptions s ON s.id = i.subscription_id
        WHERE i.status = 'open' AND i.next_attempt_at <= :now - :grace
          AND NOT EXISTS (
            SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown')))
"""
"""The rows for the checks. PostgreSQL evaluates only those that a query names."""

CHECKS = (
    Check(
        "I1",
        "payments of one invoice",
        "SELECT count(DISTINCT invoice_id) FROM paid",
        """
        SELECT a.invoice_id, 'is paid ' || count(*) || ' times: ' || string_agg(a.imp_uid, ', ' ORDER BY a.number)
        FROM payment_attempts a WHERE a.status = 'approved' AND NOT a.surplus
          AND a.invoice_id IN (SELECT invoice_id FROM paid)
        GROUP BY 1 HAVING count(*) > 1
        UNION ALL
        SELECT a.invoice_id, 'has the surplus payment ' || a.imp_uid || ', and no alert was opened'
        FROM paid a WHERE a.surplus
          AND NOT EXISTS (SELECT FROM alerts WHERE kind = 'surplus_payment' AND subject_id = a.invoice_id)""",
    ),
    Check(
        "I2",
        "paid invoices, in the database",
        "SELECT count(*) FROM invoices WHERE status = 'paid' AND closed_at >= :since AND closed_at < :until",
        """
        SELECT i.id, 'is paid, and no approved attempt paid it' FROM invoices i
        WHERE i.status = 'paid' AND i.closed_at >= :since AND i.closed_at < :until AND NOT EXISTS (
            SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status = 'approved' AND NOT a.surplus)""",
    ),
    Check(
        "I4",
        "due invoices and periods",
        f"""
        SELECT (SELECT count(*) FROM invoices WHERE status = 'open' AND next_attempt_at <= :now)
             + (SELECT count(*) FROM subscriptions
                WHERE status IN ({RENEWED}) AND held_since IS NULL AND next_period_start <= :now)""",
        f"""
        SELECT id, 'is due since ' || next_attempt_at || ', and no worker has it' FROM lost
        WHERE key_status <> 'pending' AND (subscription_id IS NULL OR subscription_status = ANY(:collecting))
          AND NOT EXISTS (SELECT FROM stops WHERE closed_at IS NULL
                          AND stops.scope IN ('all', 'pg:' || pg_provider, lost.scope))
        UNION ALL
        SELECT id, 'has not opened the period of ' || next_period_start FROM subscriptions
        WHERE status IN ({RENEWED}) AND next_period_start <= :now - :grace AND held_since IS NULL
        UNION ALL
        SELECT id, 'is due since ' || next_attempt_at || ', and its subscription is canceled' FROM lost
        WHERE subscription_status = 'canceled'""",
        standing=True,
    ),
    Check(
        "I5",
        "money of attempts and invoices",
        "SELECT (SELECT count(*) FROM started) + (SELECT count(*) FROM opened)",
        """
        SELECT id, 'is over ' || amount || ' ' || currency || ', its invoice over ' || owed || ' ' || owed_currency
        FROM begun WHERE (amount, currency) <> (owed, owed_currency)
        UNION ALL
        SELECT i.id, 'is over ' || i.amount || ' ' || i.currency || ', its plan over ' || p.amount || ' ' || p.currency
        FROM opened i JOIN subscriptions s ON s.id = i.subscription_id JOIN plans p ON p.id = s.plan_id
        WHERE (i.amount, i.currency) <> (p.amount, p.currency)""",
    ),
    Check(
        "I6",
        "attempts after a cancellation",
        "SELECT count(*) FROM started",
        """
        SELECT b.id, 'began at ' || started_at || ', after ' || subscription_id || ' was canceled at ' || canceled_at
        FROM begun b JOIN subscriptions s ON s.id = b.subscription_id
        WHERE NOT found AND started_at > canceled_at + :skew""",
    ),
    Check(
        "I7",
        "tries of one invoice within a day",
        "SELECT count(*) FROM started",
        """
        SELECT DISTINCT invoice_id, 'was tried more than 5 times within a day' FROM (
            SELECT invoice_id, started_at, lag(started_at, 5) OVER (PARTITION BY invoice_id ORDER BY number) AS sixth
            FROM payment_attempts WHERE status <> 'failed' AND NOT found
              AND invoice_id IN (SELECT invoice_id FROM started WHERE number > 5)) t
        WHERE sixth > started_at - interval '1 day' AND started_at >= :since AND started_at < :until""",
    ),
    Check(
        "I8",
        "open attempts",
        "SELECT count(*) FROM payment_attempts WHERE status IN ('in_flight', 'unknown')",
        """
        SELECT invoice_id, 'has ' || count(*) || ' open attempts' FROM payment_attempts
        WHERE status IN ('in_flight', 'unknown') GROUP BY 1 HAVING count(*) > 1""",
        standing=True,
    ),
    Check(
        "I10",
        "refunds",
        "SELECT count(*) FROM asked",
        """
        SELECT a.id, 'got back ' || greatest(a.refunded, r.given) || ' of ' || a.amount || ' ' || a.currency
        FROM payment_attempts a JOIN (
            SELECT attempt_id, sum(amount) FILTER (WHERE status = 'succeeded') AS given
            FROM refunds WHERE attempt_id IN (SELECT attempt_id FROM asked)
            GROUP BY 1) r ON r.attempt_id = a.id
        WHERE greatest(a.refunded, r.given) > a.amount
        UNION ALL
        SELECT r.id, 'has no sound amount, checksum or payment' FROM asked r
        JOIN payment_attempts a ON a.id = r.attempt_id
        WHERE r.amount <= 0 OR r.amount > r.balance OR r.balance > a.amount OR r.currency <> a.currency
           OR a.status <> 'approved'
        UNION ALL
        SELECT attempt_id, 'has ' || count(*) || ' open refunds' FROM refunds WHERE closed_at IS NULL
        GROUP BY 1 HAVING count(*) > 1""",
    ),
    Check(
        "I12",
        "evidence of approvals and refunds",
        "SELECT (SELECT count(*) FROM paid) + (SELECT count(*) FROM asked)",
        """
        SELECT a.id, 'is approved, and has no stored evidence of the gateway'
        FROM paid a LEFT JOIN evidence e ON e.id = a.evidence_id AND e.attempt_id = a.id WHERE e.id IS NULL
        UNION ALL
        SELECT id, 'is approved, and no payment of the gateway is named' FROM started
        WHERE status = 'approved' AND imp_uid IS NULL
        UNION ALL
        SELECT id, 'has succeeded, and has no stored evidence of the gateway' FROM asked
        WHERE status = 'succeeded' AND evidence_id IS NULL""",
    ),
    Check(
        "I14",
        "contradicting states",
        "SELECT count(*) FROM started",
        """
        SELECT invoice_id, 'is ' || invoice_status || ', and attempt ' || id || ' paid it'
        FROM begun WHERE status = 'approved' AND NOT surplus AND invoice_status <> 'paid'
        UNION ALL
        SELECT torn.id, 'is open, and its subscription is canceled' FROM (
            SELECT i.id FROM opened i JOIN subscriptions s ON s.id = i.subscription_id
            WHERE i.status = 'open' AND s.status = 'canceled'
            UNION
            SELECT i.id FROM subscriptions s JOIN invoices i ON i.subscription_id = s.id
            WHERE s.canceled_at >= :since AND s.canceled_at < :until AND s.status = 'canceled' AND i.status = 'open'
        ) torn
        WHERE NOT EXISTS (
            SELECT FROM payment_attempts a WHERE a.invoice_id = torn.id AND a.status IN ('in_flight', 'unknown'))
        UNION ALL
        SELECT id, 'is approved without a payment, or open and closed' FROM started
        WHERE (status = 'approved' AND imp_uid IS NULL)
           OR (status IN ('in_flight', 'unknown')) <> (closed_at IS NULL)""",
    ),
    Check(
        "I15",
        "periods of subscriptions",
        "SELECT count(*) FROM opened",
        """
        SELECT id, CASE WHEN period_start < before_end THEN 'begins before the period before it ends'
                        ELSE 'does not begin where the period before it ends' END
        FROM (SELECT i.*, lag(period_end) OVER own AS before_end, lag(period_index) OVER own AS before_index,
                     lag(status) OVER own AS before_status
              FROM invoices i WHERE subscription_id IN (SELECT subscription_id FROM opened)
              WINDOW own AS (PARTITION BY subscription_id ORDER BY period_index)) t
        WHERE (period_start < before_end AND (before_status <> 'void' OR period_index = before_index + 1))
           OR (period_index = before_index + 1 AND period_start <> before_end)
        UNION ALL
        SELECT invoice_id, 'was charged at ' || started_at || ', before it was due'
        FROM begun WHERE NOT found AND started_at < period_start""",
    ),
    Check(
        "I17",
        "unasked payments without an alert",
        "SELECT count(*) FROM paid",
        """
        SELECT imp_uid, 'was taken under our order ' || merchant_uid || ', and we had not asked for it'
        FROM paid WHERE found AND NOT surplus
          AND NOT EXISTS (
            SELECT FROM billing_keys k WHERE k.id = paid.billing_key_id AND k.issue_imp_uid = paid.imp_uid)
          AND NOT EXISTS (SELECT FROM alerts WHERE kind = 'unasked_payment' AND subject_id = paid.id)""",
    ),
    Check(
        "I23",
        "doubt and stops without an alert",
        """
        SELECT (SELECT count(*) FROM payment_attempts WHERE status = 'unknown')
             + (SELECT count(*) FROM stops WHERE closed_at IS NULL)""",
        """
        SELECT a.id, 'is unknown for more than a day, and no alert is open' FROM payment_attempts a
        WHERE a.status = 'unknown' AND a.lease_until < :real_now - interval '26 hours' AND NOT EXISTS (
            SELECT FROM alerts WHERE kind = 'unknown' AND subject_id = a.id AND closed_at IS NULL)
        UNION ALL
        SELECT id::text, 'is an open stop, and no alert is open' FROM stops
        WHERE closed_at IS NULL AND NOT EXISTS (
            SELECT FROM alerts WHERE kind = 'stopped' AND subject_id = stops.id::text AND alerts.closed_at IS NULL)""",
        standing=True,
    ),
)

TEXTS = {
    "evidence": ("id::text", "body", ("id",)),
    # The facts in an event of an alert are those of the alert, which may quote the order number of a shop.
    "outbox": ("id", "(data - 'customer' - 'facts')::text", ("sequence",)),
    "alerts": ("id::text", "concat(detail, proposal, facts)", ("id",)),
    "payment_attempts": ("id", "coalesce(reason, '')", ("started_at", "id")),
    "inbox": ("id::text", "concat(payload, note, answer)", ("id",)),
}
"""By table: the id, the text, and in which order it was written."""

_DATED = {
    "payment_attempts": (("started_at", "true"), ("closed_at", "imp_uid IS NOT NULL")),
    "invoices": (("created_at", "true"), ("closed_at", "status = 'paid'")),
    "refunds": (("created_at", "true"),),
    "subscriptions": (("created_at", "true"), ("canceled_at", "canceled_at IS NOT NULL")),
}
"""The times by which the checks choose their rows; each has an index."""

END_OF_WINDOW = "SELECT least({})".format(
    ", ".join(
        f"(SELECT {moment} FROM {table} WHERE {rows} AND {moment} >= :since ORDER BY {moment} OFFSET :rows LIMIT 1)"
        for table, times in _DATED.items()
        for moment, rows in times
    )
)
