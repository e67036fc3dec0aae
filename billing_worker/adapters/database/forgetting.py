"""The emptying of records in PostgreSQL.

To forget a customer reads the whole of three tables, for seconds: it is asked for rarely, and an index would cost every
charge.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from billing_worker.adapters.ids import TAIL
from billing_worker.domain.stop import INVOICE, SUBSCRIPTION
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.forgetting import Blanked, Held, StillOpen

EVIDENCE = "evidence"
FORGOTTEN = "forgotten"
"""Stands in a field that must not be empty."""

_QUOTED = ("reason", "key_reason", "registered", "issued", "problem")
"""Facts of alerts that quote what an operator, a customer or a gateway wrote."""

_SUBSCRIPTIONS = text("SELECT id FROM subscriptions WHERE customer = ANY(:names) ORDER BY id FOR UPDATE")
_INVOICES = text("SELECT id FROM invoices WHERE subscription_id = ANY(:subscriptions) OR customer = ANY(:names)")
_CARD_SESSIONS = text("SELECT id FROM card_sessions WHERE customer = ANY(:names)")
_KEYS = text("""
    WITH used AS (
        SELECT billing_key_id AS id FROM subscriptions WHERE id = ANY(:subscriptions)
        UNION SELECT billing_key_id FROM fallback_keys WHERE subscription_id = ANY(:subscriptions)
        UNION SELECT billing_key_id FROM schedules WHERE subscription_id = ANY(:subscriptions)
        UNION SELECT billing_key_id FROM invoices WHERE id = ANY(:invoices)
        UNION SELECT billing_key_id FROM payment_attempts WHERE invoice_id = ANY(:invoices)
        UNION SELECT billing_key_id FROM card_sessions WHERE id = ANY(:card_sessions) AND billing_key_id IS NOT NULL),
    replaced AS (
        SELECT id FROM used
        UNION SELECT replaces FROM key_calls WHERE replaces IS NOT NULL AND key_id IN (SELECT id FROM used)),
    charged AS (
        SELECT billing_key_id AS id, id AS invoice_id FROM invoices WHERE billing_key_id IN (SELECT id FROM replaced)
        UNION SELECT billing_key_id, invoice_id FROM payment_attempts
            WHERE billing_key_id IN (SELECT id FROM replaced)),
    named AS (
        SELECT billing_key_id AS id, id AS subscription_id FROM subscriptions
        UNION ALL SELECT billing_key_id, subscription_id FROM fallback_keys
        UNION ALL SELECT billing_key_id, subscription_id FROM schedules),
    users AS (
        SELECT n.id, s.customer FROM named n JOIN subscriptions s ON s.id = n.subscription_id
            WHERE n.id IN (SELECT id FROM replaced)
        UNION ALL SELECT c.id, coalesce(i.customer, s.customer) FROM charged c
            JOIN invoices i ON i.id = c.invoice_id LEFT JOIN subscriptions s ON s.id = i.subscription_id
        UNION ALL SELECT billing_key_id, customer FROM card_sessions
            WHERE billing_key_id IN (SELECT id FROM replaced))
    SELECT id, EXISTS (SELECT FROM users u WHERE u.id = k.id AND u.customer <> ALL(:names)) AS is_shared
    FROM billing_keys k WHERE id IN (SELECT id FROM replaced) ORDER BY id FOR UPDATE
""")
_STILL_OPEN = text("""
    SELECT 'subscription' AS kind, id, status FROM subscriptions
        WHERE id = ANY(:subscriptions) AND status <> 'canceled'
    UNION ALL SELECT 'invoice', id, status FROM invoices WHERE id = ANY(:invoices) AND status = 'open'
    UNION ALL SELECT 'attempt', id, status FROM payment_attempts
        WHERE invoice_id = ANY(:invoices) AND closed_at IS NULL
    UNION ALL SELECT 'refund', r.id, r.status FROM refunds r JOIN payment_attempts a ON a.id = r.attempt_id
        WHERE a.invoice_id = ANY(:invoices) AND r.closed_at IS NULL
    UNION ALL SELECT 'schedule', id, status FROM schedules
        WHERE subscription_id = ANY(:subscriptions) AND closed_at IS NULL
    UNION ALL SELECT 'key call', id, status FROM key_calls WHERE key_id = ANY(:keys) AND closed_at IS NULL
    UNION ALL SELECT 'billing key', id, status FROM billing_keys
        WHERE id = ANY(:keys) AND status IN ('pending', 'active')
    UNION ALL SELECT 'card session', id, status FROM card_sessions
        WHERE id = ANY(:card_sessions) AND status IN ('open', 'registered')
    UNION ALL SELECT 'alert', id::text, kind FROM alerts
        WHERE closed_at IS NULL AND (subject_id = ANY(:own) OR subject_id IN (
            SELECT id FROM payment_attempts WHERE invoice_id = ANY(:invoices)
            UNION SELECT r.id FROM refunds r JOIN payment_attempts a ON a.id = r.attempt_id
                WHERE a.invoice_id = ANY(:invoices)))
    UNION ALL SELECT 'stop', id::text, cause FROM stops WHERE closed_at IS NULL AND scope = ANY(:scopes)
    UNION ALL SELECT 'notification', id::text, status FROM inbox
        WHERE status = 'received' AND payload ->> 'merchant_uid' IN (
            SELECT merchant_uid FROM merchant_uids WHERE invoice_id = ANY(:invoices))
    ORDER BY 1, 2
""")
_ATTEMPTS = text("SELECT id FROM payment_attempts WHERE invoice_id = ANY(:invoices)")
_REFUNDS = text("SELECT id FROM refunds WHERE attempt_id = ANY(:attempts)")
_STOPS = text("SELECT id::text FROM stops WHERE scope = ANY(:scopes)")
_ALERTS = text("""
    SELECT id FROM alerts WHERE closed_at IS NOT NULL AND (
        subject_id = ANY(:own) OR subject_id = ANY(:attempts) OR subject_id = ANY(:refunds)
        OR (kind = 'stopped' AND subject_id = ANY(:stops))
        OR facts ->> 'key' = ANY(:keys) OR facts ->> 'invoice' = ANY(:invoices)
        OR facts ->> 'subscription' = ANY(:subscriptions)
        OR subject_id IN (SELECT id FROM schedules WHERE subscription_id = ANY(:subscriptions)))
""")
_WITHOUT_QUOTES = """{facts} || (
            SELECT coalesce(jsonb_object_agg(key, CAST(:forgotten AS text)), '{{}}')
            FROM jsonb_each({facts}) WHERE key = ANY(:quoted) AND value <> 'null')"""
_BLANK: Mapping[str, str] = {
    "billing_keys": """
        UPDATE billing_keys SET buyer_name = NULL, buyer_email = NULL, buyer_tel = NULL, issue_buyer_email = NULL,
            card_issuer = NULL, card_code = NULL, card_last_digits = NULL, card_kind = NULL, card_expires = NULL,
            expiry_look_at = NULL, metadata = '{}'
        WHERE id = ANY(:keys)""",
    "card_sessions": """
        UPDATE card_sessions SET buyer_name = NULL, buyer_email = NULL, buyer_tel = NULL, return_url = NULL
        WHERE id = ANY(:card_sessions)""",
    "subscriptions": """
        UPDATE subscriptions SET metadata = '{}' WHERE id = ANY(:subscriptions)""",
    "invoices": """
        UPDATE invoices SET custom_data = NULL, notice_url = NULL WHERE id = ANY(:invoices)""",
    "evidence": """
        UPDATE evidence SET body = '' WHERE body <> '' AND (attempt_id = ANY(:attempts) OR id IN (
            SELECT issue_evidence_id FROM billing_keys WHERE id = ANY(:keys)
            UNION SELECT evidence_id FROM key_calls WHERE key_id = ANY(:keys)
            UNION SELECT evidence_id FROM schedules WHERE subscription_id = ANY(:subscriptions)
            UNION SELECT evidence_id FROM alerts WHERE subject_id = ANY(:own) OR id = ANY(:alerts)
            UNION SELECT evidence_id FROM refunds WHERE attempt_id = ANY(:attempts)))""",
    "notifications": """
        UPDATE inbox SET payload = '{}', answer = NULL WHERE status <> 'received' AND (
            subject_id = ANY(:own) OR subject_id = ANY(:names)
            OR payload ->> 'merchant_uid' IN (SELECT merchant_uid FROM merchant_uids WHERE invoice_id = ANY(:invoices)
                UNION SELECT merchant_uid FROM card_sessions WHERE id = ANY(:card_sessions)
                UNION SELECT issue_merchant_uid FROM billing_keys WHERE id = ANY(:keys))
            OR payload ->> 'imp_uid' IN (SELECT imp_uid FROM payment_attempts WHERE id = ANY(:attempts)
                UNION SELECT issue_imp_uid FROM billing_keys WHERE id = ANY(:keys))
            OR payload ->> 'uid' = ANY(:names))""",
    "events": """
        UPDATE outbox SET data = data
            || CASE WHEN data ? 'custom_data' THEN '{"custom_data": null}'::jsonb ELSE '{}' END
            || CASE WHEN data ->> 'reason' IS NULL OR NOT (type LIKE 'refund.%' OR data ->> 'reason' LIKE 'deleted: %')
                THEN '{}'::jsonb ELSE jsonb_build_object('reason', CAST(:forgotten AS text)) END
        WHERE stream_id = ANY(:own)""",
    "answers": """
        UPDATE kept_answers SET body = :emptied
        WHERE EXISTS (SELECT FROM string_to_table(encode(body, 'escape'), '_') AS part
            WHERE left(part, :tail) = ANY(:tails))""",
}
_BLANK_NOTES = (
    f"UPDATE alerts SET facts = {_WITHOUT_QUOTES.format(facts='facts')} WHERE id = ANY(:alerts) AND facts IS NOT NULL",  # noqa: S608 - made of constants
    "UPDATE alerts SET detail = :forgotten WHERE id = ANY(:alerts) AND detail IS NOT NULL",
    f"""UPDATE outbox SET data = jsonb_set(data, '{{facts}}', {_WITHOUT_QUOTES.format(facts="(data -> 'facts')")})
        WHERE stream_id IN (SELECT 'alert_' || each FROM unnest(CAST(:alerts AS bigint[])) each)
            AND jsonb_typeof(data -> 'facts') = 'object'""",  # noqa: S608 - made of constants
    "UPDATE stops SET reason = :forgotten WHERE id::text = ANY(:stops)",
    "UPDATE stops SET note = :forgotten WHERE id::text = ANY(:stops) AND note IS NOT NULL",
    """UPDATE actions SET detail = :forgotten WHERE verb = 'stop.cleared'
        AND subject_id IN (SELECT 'stop:' || each FROM unnest(CAST(:stops AS text[])) each)""",
    "UPDATE refunds SET reason = :forgotten WHERE attempt_id = ANY(:attempts)",
    "UPDATE key_calls SET reason = :forgotten WHERE key_id = ANY(:keys) AND reason IS NOT NULL",
    "UPDATE key_calls SET requester = NULL WHERE key_id = ANY(:keys) AND requester IS NOT NULL",
    "UPDATE fallback_keys SET consent = :forgotten WHERE subscription_id = ANY(:subscriptions)",
    "UPDATE actions SET detail = :forgotten WHERE verb = 'key.delete_requested' AND subject_id = ANY(:keys)",
    "UPDATE billing_keys SET invalid_reason = :forgotten WHERE id = ANY(:keys) AND invalid_reason LIKE 'deleted: %'",
)

_MARK = text("INSERT INTO retention_marks (id, last_id) VALUES (:mark, 0) ON CONFLICT DO NOTHING")
# Numbers are given in the order of statements, times are those of answers: the mark stops before the first that is new.
# The next rows by number are read, and no others: while none is old, the whole table would be.
_EMPTY_EVIDENCE = text("""
    WITH mark AS MATERIALIZED (SELECT last_id FROM retention_marks WHERE id = :mark FOR UPDATE),
    following AS MATERIALIZED (
        SELECT id, received_at FROM evidence WHERE id > (SELECT last_id FROM mark) ORDER BY id LIMIT :limit),
    chosen AS MATERIALIZED (
        SELECT id FROM following
        WHERE id < ALL (SELECT min(id) FROM following WHERE received_at >= :before HAVING count(*) > 0)),
    emptied AS (
        UPDATE evidence SET body = '' WHERE id IN (SELECT id FROM chosen) AND body <> ''),
    moved AS (
        UPDATE retention_marks SET last_id = (SELECT max(id) FROM chosen)
        WHERE id = :mark AND EXISTS (SELECT FROM chosen))
    SELECT count(*) FROM chosen
""")
_FORGET_ALERTS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM alerts WHERE closed_at < :before ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM alerts WHERE id IN (SELECT id FROM chosen)
""")


class SqlForgetting:
    """Emptying of records."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def held(self, customer: str) -> Held:
        """The ids of what is this customer's. Locks the subscriptions, then the keys."""
        known: dict[str, list[str]] = {"names": list(spellings(normal_form(customer)))}
        for name, statement in (
            ("subscriptions", _SUBSCRIPTIONS),
            ("invoices", _INVOICES),
            ("card_sessions", _CARD_SESSIONS),
        ):
            known[name] = list(self._connection.execute(statement, known).scalars())
        keys = self._connection.execute(_KEYS, known).all()
        return Held(
            customer=customer,
            subscriptions=known["subscriptions"],
            keys=[each.id for each in keys if not each.is_shared],
            shared_keys=[each.id for each in keys if each.is_shared],
            invoices=known["invoices"],
            card_sessions=known["card_sessions"],
        )

    def still_open(self, held: Held) -> Sequence[StillOpen]:
        """What of it is not closed."""
        return [StillOpen(*row) for row in self._connection.execute(_STILL_OPEN, _named(held))]

    def blank(self, held: Held) -> Blanked:
        """Empty every field of it that may hold a name, an address, a telephone number or a merchant's text."""
        wanted = _named(held)
        for name, statement in (("attempts", _ATTEMPTS), ("refunds", _REFUNDS), ("stops", _STOPS), ("alerts", _ALERTS)):
            wanted[name] = list(self._connection.execute(statement, wanted).scalars())
        # One pass over each answer, however many ids there are: an id is its kind, `_`, and a tail of one length.
        wanted["tails"] = [each[-TAIL:] for each in (*wanted["own"], *wanted["refunds"])]
        counts = {kind: self._connection.execute(text(each), wanted).rowcount for kind, each in _BLANK.items()}
        notes = sum(self._connection.execute(text(each), wanted).rowcount for each in _BLANK_NOTES)
        return Blanked(**counts, notes=notes)

    def evidence(self, before: datetime, limit: int) -> int:
        """Empty up to `limit` answers of the gateway from before this moment; returns their number."""
        wanted = {"before": before, "limit": limit, "mark": EVIDENCE}
        self._connection.execute(_MARK, wanted)
        return int(self._connection.execute(_EMPTY_EVIDENCE, wanted).scalar_one())

    def alerts(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` alerts that were closed before this moment; returns their number."""
        return self._connection.execute(_FORGET_ALERTS, {"before": before, "limit": limit}).rowcount


def _named(held: Held) -> dict[str, Any]:
    return {
        "names": list(spellings(normal_form(held.customer))),
        "subscriptions": list(held.subscriptions),
        "keys": list(held.keys),
        "invoices": list(held.invoices),
        "card_sessions": list(held.card_sessions),
        "own": [*held.subscriptions, *held.keys, *held.invoices, *held.card_sessions],
        "scopes": [*(SUBSCRIPTION + each for each in held.subscriptions), *(INVOICE + each for each in held.invoices)],
        "quoted": list(_QUOTED),
        "tail": TAIL,
        "forgotten": FORGOTTEN,
        "emptied": b'{"detail":"the customer of this request was forgotten"}',
    }
