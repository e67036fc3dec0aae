"""Cards that expire before their next charge, as a condition on keys: `domain/card_expiry.expires_soon` in SQL."""

from typing import Any

from sqlalchemy import bindparam, text

from billing_worker.domain.card_expiry import WARNS_AHEAD
from billing_worker.domain.subscription import RENEWING

_NOW = "CAST(:expiring_at AS timestamptz)"
_MONTH = "to_char(({}) AT TIME ZONE 'Asia/Seoul', 'YYYY-MM')"
_END = "((to_date(billing_keys.card_expires, 'YYYY-MM') + interval '1 month') AT TIME ZONE 'Asia/Seoul')"
_RENEWED = ", ".join(f"'{status}'" for status in sorted(RENEWING))
_LIVE = f"s.status IN ({_RENEWED}) AND NOT s.cancel_at_period_end"
LAST_MONTH = f"""
    billing_keys.status = 'active'
    AND billing_keys.card_expires >= {_MONTH.format(_NOW)}
    AND billing_keys.card_expires < {_MONTH.format(f"{_NOW} + interval '{WARNS_AHEAD.days} days'")}
"""
EXPIRING = f"""{LAST_MONTH}
    AND (SELECT min(one.next_period_start) FROM (
            SELECT s.next_period_start FROM subscriptions s WHERE s.billing_key_id = billing_keys.id AND {_LIVE}
            UNION ALL SELECT s.next_period_start FROM subscriptions s WHERE {_LIVE} AND s.id = ANY(ARRAY(
                SELECT subscription_id FROM fallback_keys
                WHERE billing_key_id = billing_keys.id AND ended_at IS NULL))) one) >= {_END}
"""  # noqa: S608 - made of constants


def expiring(now: Any) -> Any:
    """Keys whose card expires soon, and whose next charge falls after that; `now` is billing time."""
    return text(EXPIRING).bindparams(bindparam("expiring_at", now))
