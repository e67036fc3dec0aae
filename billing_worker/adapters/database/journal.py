"""The log of events: one line per event, written when its transaction is durable."""

from collections.abc import Iterable

import structlog

from billing_worker.domain.events import Event

_log = structlog.get_logger("billing")
_LOGGED = frozenset(
    {"subscription_id", "invoice_id", "merchant_uid", "imp_uid", "amount", "currency", "reason", "next_attempt_at"}
    | {"skipped_periods", "count", "first", "last", "pg_provider", "refunded"}
)
"""The logged fields of an event: enough to find it, without customer data."""


def log_events(events: Iterable[Event]) -> None:
    """Log each event, without customer data."""
    for event in events:
        data = {name: value for name, value in event.data.items() if name in _LOGGED}
        _log.info(event.type.value, subject=event.subject_id, **data)
