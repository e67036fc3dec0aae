"""Dunning policies, each version for good."""

from sqlalchemy import CheckConstraint, Column, Integer, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from billing_worker.adapters.database.tables.schema import metadata, moment
from billing_worker.domain.dunning.version import LONGEST_DERIVED_NAME

LONGEST_VERSION_ID = LONGEST_DERIVED_NAME + 16

dunning_policies = Table(
    "dunning_policies",
    metadata,
    Column("id", String(LONGEST_VERSION_ID), primary_key=True),
    Column("name", String(LONGEST_DERIVED_NAME), nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSONB, nullable=False),
    moment("created_at"),
    UniqueConstraint("name", "version"),
    CheckConstraint("version > 0 AND id = name || '@' || version", name="id_is_name_and_version"),
)
