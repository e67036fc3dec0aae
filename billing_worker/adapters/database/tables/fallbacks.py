"""Fallback keys: the further cards of a subscription, with the customer's consent."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, one_of, partial_index
from billing_worker.domain.fallback import LONGEST_CONSENT, FallbackEnd

fallback_keys = Table(
    "fallback_keys",
    metadata,
    ident(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False),
    Column("position", Integer, nullable=False),
    moment("consented_at"),
    Column("consent", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    moment("added_at"),
    Column("ended_because", Named(FallbackEnd)),
    moment("ended_at", required=False),
    one_of("ended_because", FallbackEnd),
    CheckConstraint("position > 0", name="position_positive"),
    CheckConstraint(f"length(consent) BETWEEN 1 AND {LONGEST_CONSENT}", name="consent_given"),
    CheckConstraint("(ended_because IS NULL) = (ended_at IS NULL)", name="ended_has_time"),
    UniqueConstraint("subscription_id", "position"),
    partial_index(
        "uq_fallback_keys_in_use", "subscription_id", "billing_key_id", where="ended_at IS NULL", unique=True
    ),
    partial_index("ix_fallback_keys_key", "billing_key_id", where="ended_at IS NULL"),
)
"""A row stays after its end: it is the record of the consent."""
