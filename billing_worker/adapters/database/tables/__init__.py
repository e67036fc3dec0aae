"""The schema: the last guard of every promise.

Each rule that must never break is a constraint here, so that a bug in the code above causes an error instead of a
second charge: one invoice per period, one owner per merchant_uid, one open attempt and one settling payment per
invoice, no approval without evidence.

Foreign keys name their tables by text, so that importing any table loads all of them.
"""

from billing_worker.adapters.database.tables import (
    access,
    billing,
    card_sessions,
    control,
    dunning,
    fallbacks,
    hourly,
    incoming,
    notices,
    operation,
    outgoing,
    payments,
    review,
)

__all__ = [
    "access",
    "billing",
    "card_sessions",
    "control",
    "dunning",
    "fallbacks",
    "hourly",
    "incoming",
    "notices",
    "operation",
    "outgoing",
    "payments",
    "review",
]
