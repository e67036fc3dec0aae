"""The schema: the last guard of every promise.

Each rule that must never break stands here as a constraint, so that a bug in the code above meets an error and not a
second charge: one invoice per period, one owner per merchant_uid, one open attempt and one settling payment per
invoice, no approval without evidence.

Foreign keys name their tables by text, so that all of them are loaded together, whichever is asked for first.
"""

from billing_worker.adapters.database.tables import access, billing, control, incoming, outgoing, payments, review

__all__ = ["access", "billing", "control", "incoming", "outgoing", "payments", "review"]
