"""Card sessions: the visits of customers to the card page."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from billing_worker.adapters.database.tables.schema import (
    Named,
    ident,
    in_list,
    metadata,
    moment,
    one_of,
    partial_index,
)
from billing_worker.domain.card_session import WAITING, CardSessionStatus
from billing_worker.domain.language import Language

card_sessions = Table(
    "card_sessions",
    metadata,
    ident(),
    Column("customer", String(120), nullable=False),
    Column("customer_uid", String(80), nullable=False, unique=True),
    Column("merchant_uid", String(40), nullable=False, unique=True),
    Column("pg", String(80), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("product", String(40), nullable=False),
    Column("language", Named(Language), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    Column("status", Named(CardSessionStatus), nullable=False),
    Column("buyer_name", String(16)),
    Column("buyer_email", String(64)),
    Column("buyer_tel", String(16)),
    Column("subscription_id", ForeignKey("subscriptions.id")),
    Column("return_url", Text),
    Column("billing_key_id", ForeignKey("billing_keys.id"), unique=True),
    Column("imp_uid", String(64)),
    Column("problem", Text),
    moment("begun_at", required=False),
    Column("looks", Integer, nullable=False),
    moment("next_look_at", required=False),
    one_of("status", CardSessionStatus),
    one_of("language", Language),
    CheckConstraint("amount >= 0", name="amount_not_negative"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
    CheckConstraint("status NOT IN ('registered', 'done') OR billing_key_id IS NOT NULL", name="registered_has_key"),
    CheckConstraint(f"{in_list('status', WAITING)} OR next_look_at IS NULL", name="only_waiting_is_looked_at"),
    partial_index("ix_card_sessions_looks", "next_look_at", where="next_look_at IS NOT NULL"),
    Index("ix_card_sessions_subscription_id", "subscription_id"),
)
"""A session makes one key at most: `billing_key_id` is unique, and the row is the lock."""
