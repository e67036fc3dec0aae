"""API tokens, the log of actions, and kept answers."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, one_of, partial_index
from billing_worker.domain.access import Scope
from billing_worker.domain.action import Verb

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    moment("created_at"),
    CheckConstraint("status BETWEEN 200 AND 499", name="status_is_kept"),
    Index("ix_kept_answers_created_at", "created_at"),
)


api_tokens = Table(
    "api_tokens",
    metadata,
    ident(),
    Column("name", String(40), nullable=False),
    Column("scope", Named(Scope), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("revoked_at", required=False),
    Column("revoked_by", Text),
    one_of("scope", Scope),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest_only"),
    partial_index("uq_api_tokens_one_in_force", "name", where="revoked_at IS NULL", unique=True),
)


actions = Table(
    "actions",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("verb", Named(Verb), nullable=False),
    Column("subject_id", Text, nullable=False),
    moment("at"),
    Column("detail", Text),
    Index("ix_actions_subject_id", "subject_id", "id"),
    Index("ix_actions_actor", "actor", "id"),
)
