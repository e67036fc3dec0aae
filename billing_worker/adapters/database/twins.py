"""Twins: two live subscriptions of one customer on one plan, first charged within a day of each other.

One is probably a mistake: a double click, or a file imported twice. The window names the customers: those with a
subscription created within it. The index of live subscriptions finds all of theirs on that plan. Only if there are
several is their first charge looked up: the start of the first period with an invoice or, before there is one, of the
next period. An anchor may be years older.
"""
# ruff: noqa: S608 - the statements are made of constants

from sqlalchemy import text

LIVE = "status <> 'canceled' AND NOT allow_duplicate"
"""The subscriptions that count. An intended duplicate is left out."""

_WITHIN = f"{LIVE} AND created_at >= :since AND created_at < :until"
_NEW = f"SELECT DISTINCT customer, plan_id FROM subscriptions WHERE {_WITHIN}"
_TOLD = """
    SELECT DISTINCT customer, plan_id FROM alerts JOIN subscriptions s ON s.id = alerts.subject_id
    WHERE alerts.kind = 'twin_subscription' AND alerts.closed_at IS NULL"""

# The condition of the index stands in both places: a row is looked up in it for each customer, never in the table.
_PAIRS = f"""
    WITH chosen AS MATERIALIZED ({{chosen}}),
    shared AS (
        SELECT found.ids FROM chosen CROSS JOIN LATERAL (
            SELECT array_agg(id) AS ids FROM subscriptions s
            WHERE s.customer = chosen.customer AND s.plan_id = chosen.plan_id AND {LIVE} HAVING count(*) > 1) found),
    own AS (
        SELECT s.id, s.customer, s.plan_id, coalesce(i.period_start, s.next_period_start) AS first_charge
        FROM shared, unnest(shared.ids) AS member (id) JOIN subscriptions s ON s.id = member.id
        LEFT JOIN LATERAL (
            SELECT period_start FROM invoices WHERE subscription_id = s.id ORDER BY period_index LIMIT 1) i ON true),
    beside AS (
        SELECT id, plan_id, lag(id) OVER line AS earlier, first_charge - lag(first_charge) OVER line AS apart
        FROM own WINDOW line AS (PARTITION BY customer, plan_id ORDER BY first_charge, id)),
    pairs AS (
        SELECT id, plan_id, earlier, jsonb_build_object('plan', plan_id, 'earlier', earlier) AS facts
        FROM beside WHERE apart <= interval '1 day')
"""

COUNT = text(f"SELECT count(*) FROM subscriptions WHERE {_WITHIN}")

FOUND = text(
    _PAIRS.format(chosen=_NEW)
    + """
    SELECT id, plan_id, earlier FROM pairs
    WHERE NOT EXISTS (
        SELECT FROM alerts WHERE kind = 'twin_subscription' AND subject_id = pairs.id
        AND alerts.facts = pairs.facts AND closed_at IS NOT NULL)
    ORDER BY id LIMIT :most
"""
)

PART = (
    _PAIRS.format(chosen=_TOLD)
    + """
    UPDATE alerts SET closed_at = :now
    WHERE kind = 'twin_subscription' AND closed_at IS NULL AND NOT EXISTS (
        SELECT FROM pairs WHERE pairs.id = alerts.subject_id AND pairs.facts = alerts.facts)
"""
)
