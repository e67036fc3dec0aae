"""The parts of all tables: the one MetaData, the types, and shared columns."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out; a naive time is refused before it can be misread."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database."""
        if value is not None and value.tzinfo is None:
            raise AssertionError("a naive datetime reached the database")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return value.astimezone(UTC) if value is not None else None


class Named(TypeDecorator[Any]):
    """A StrEnum stored as text; a CHECK on the column refuses unknown words."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else self.enum(value)


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """A condition: the column has a word of this enum."""
    return CheckConstraint(in_list(column, enum), name=f"{column}_known")


def in_list(column: str, values: Any) -> str:
    """A condition: the column has one of these values, or words of an enum."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that match `where`."""
    return Index(name, *columns, unique=unique, postgresql_where=text(where))


def ident() -> Column[str]:
    """One of our ids: a prefix, `_`, and 16 characters."""
    return Column("id", String(40), primary_key=True)


def moment(name: str, *, required: bool = True) -> Column[datetime]:
    """A point in time, aware UTC; required by default."""
    return Column(name, UtcDateTime, nullable=not required)


def money() -> tuple[Column[int], Column[str], CheckConstraint, CheckConstraint]:
    """An amount in minor units with its currency, and the constraints on both."""
    return (
        Column("amount", BigInteger, nullable=False),
        Column("currency", String(3), nullable=False),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
    )


def payment_options() -> tuple[Column[Any] | CheckConstraint, ...]:
    """The optional fields of a charge over the row's amount."""
    return (
        Column("tax_free", BigInteger),
        Column("vat_amount", BigInteger),
        Column("card_quota", SmallInteger),
        Column("custom_data", Text),
        Column("notice_url", Text),
        CheckConstraint(
            "tax_free > 0 AND vat_amount >= 0 AND coalesce(tax_free, 0) + coalesce(vat_amount, 0) <= amount",
            name="parts_within_amount",
        ),
    )


def labels() -> tuple[Column[str], Column[dict[str, str]]]:
    """The merchant's labels."""
    return (
        Column("external_id", String(120), unique=True),
        Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )
