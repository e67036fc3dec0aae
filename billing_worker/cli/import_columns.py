"""The columns of a file of customers: their names, their parts, and the readers of their cells.

A new column is one line in `COLUMNS`. A column of KEY or SUBSCRIPTION is passed to `new_key` or `new_subscription`
under its name, and compared with the stored value.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from billing_worker.cli.parsing import moment
from billing_worker.domain.billing_key import require_customer_uid
from billing_worker.domain.card_expiry import entered_month
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import entered, normal_form

REASON = "reason"
"""A column of the file of rejected rows, ignored when that file is imported."""

LONGEST_CELL = 256
"""Characters, for every column. The domain's limits are shorter, and their errors name the field."""

CHANGED = "a spreadsheet changed this; format the column as text, and fill in the original value"

_ROUNDED = re.compile(r"[+-]?\d+(?:[.,]\d+)?E[+-]\d{1,3}")
_ERRORS = re.compile(r"#(?:N/A|[A-Z0-9/_]{2,20}[!?])|#{2,}|Err:\d{3}|Loading\.\.\.")
_DATES = re.compile(
    r"\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{2}|\d{1,2}월 ?\d{1,2}일"
)
_NO_LEADING_ZERO = re.compile(r"(?!0|82|1[5-8]\d{6}$)\d{8,11}")
"""A telephone number of digits only. Numbers such as 1588-1234 have no leading 0, and 82 is Korea's country code."""


class Part(Enum):
    """The part that a column belongs to."""

    KEY = auto()
    SUBSCRIPTION = auto()
    FILE = auto()
    """An instruction for the import, which is not stored."""


Reader = Callable[[str, str], Any]


def _text(name: str, cell: str) -> str:
    return entered(name, cell, LONGEST_CELL)


def _customer_uid(name: str, cell: str) -> str:
    uid = entered(name, cell, LONGEST_CELL, ascii_only=True, secret=True)
    require_customer_uid(uid)
    return uid


def _moment(name: str, cell: str) -> datetime | None:
    """The instant in the cell's own zone, so that an operator can compare it with the file."""
    text = normal_form(cell)
    instant = moment(name, text)
    return instant.astimezone(datetime.fromisoformat(text).tzinfo) if instant else None


def _telephone(name: str, cell: str) -> str:
    number = entered(name, cell, LONGEST_CELL)
    if _NO_LEADING_ZERO.fullmatch(number):
        raise InvalidInput(name, number, f"has lost its leading 0: {CHANGED}")
    return number


def _month(_name: str, cell: str) -> str:
    return entered_month(normal_form(cell))


def _yes(name: str, cell: str) -> bool:
    word = normal_form(cell).lower()
    if word not in ("yes", "no"):
        raise InvalidInput(name, cell, "must be yes or no")
    return word == "yes"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    part: Part
    also: tuple[str, ...]
    """Other names for it. Case, spaces and _ do not matter."""
    needed: bool = False
    read: Reader = _text
    stored_as: str | None = None
    """The attribute of the stored key or subscription, if its name differs from the column's."""

    @property
    def attribute(self) -> str:
        """The attribute with the stored value."""
        return self.stored_as or self.name


COLUMNS = (
    Column("customer_uid", Part.KEY, ("고객키", "빌링키"), needed=True, read=_customer_uid),
    Column("pg_provider", Part.KEY, ("PG사", "PG", "결제사"), needed=True),
    Column("plan_id", Part.SUBSCRIPTION, ("요금제", "요금제ID", "플랜", "플랜ID"), needed=True),
    Column("customer", Part.SUBSCRIPTION, ("고객번호", "고객ID", "고객", "회원번호", "회원ID"), needed=True),
    Column("start", Part.SUBSCRIPTION, ("시작일", "시작일시", "시작"), read=_moment, stored_as="anchor"),
    Column("buyer_name", Part.KEY, ("이름", "고객명", "구매자명", "성명")),
    Column("buyer_email", Part.KEY, ("이메일", "메일", "구매자이메일")),
    Column("buyer_tel", Part.KEY, ("전화번호", "휴대폰", "휴대폰번호", "연락처"), read=_telephone),
    Column("card_expires", Part.KEY, ("유효기간", "카드유효기간"), read=_month),
    Column("external_id", Part.SUBSCRIPTION, ("외부ID", "주문번호")),
    Column("allow_duplicate", Part.FILE, ("중복허용",), read=_yes),
)

NEEDED = tuple(column.name for column in COLUMNS if column.needed)
KNOWN = (*(column.name for column in COLUMNS), REASON)


def _folded(name: str) -> str:
    return re.sub(r"[\s_]", "", normal_form(name)).casefold()


_BY_NAME = {_folded(name): column.name for column in COLUMNS for name in (column.name, *column.also)}
_BY_NAME |= {_folded(name): REASON for name in (REASON, "사유")}


def column_named(name: str) -> str | None:
    """The column for a name in the file's first line; None for an unknown name."""
    return _BY_NAME.get(_folded(name))


def read_cells(cells: dict[str, str | None], needed: Collection[str] = NEEDED) -> dict[str, Any]:
    """The values of a row by column; empty cells are left out. Raises InvalidInput with the wrong column."""
    for name, cell in cells.items():
        if cell is not None and name != REASON:
            _refuse_changed(name, cell)
    values: dict[str, Any] = {}
    for column in COLUMNS:
        cell = cells.get(column.name)
        if cell is not None:
            values[column.name] = column.read(column.name, cell)
        elif column.name in needed:
            raise InvalidInput(column.name, None, "is needed")
    return values


def _refuse_changed(name: str, cell: str) -> None:
    text = normal_form(cell)
    if any(mark.fullmatch(text) for mark in (_ROUNDED, _ERRORS, _DATES)):
        raise InvalidInput(name, text, CHANGED)
