"""The gateway's records: payments, billing keys, schedules. Plain data, written unchanged to the ledger."""

from dataclasses import dataclass, field, fields
from typing import Any

Json = dict[str, Any]

DECIMALS = 6  # amounts are floats here, and 10.01 + 9.98 is 19.990000000000002


@dataclass(slots=True, kw_only=True)
class Payment:
    """One transaction at the gateway, paid or not."""

    imp_uid: str
    merchant_uid: str
    customer_uid: str | None
    amount: float
    currency: str = "KRW"
    status: str = "ready"
    pg_provider: str = ""
    cancel_amount: float = 0
    started_at: int = 0
    paid_at: int = 0
    failed_at: int = 0
    cancelled_at: int = 0
    updated_at: int = 0
    fail_reason: str | None = None
    cancel_reason: str | None = None
    cancel_history: list[Json] = field(default_factory=list)
    usage: str | None = "payment"  # null | issue | payment | payment.scheduled
    channel: str = "api"
    sandbox: bool = False
    card_number: str = ""
    ref: str = ""  # Paymentwall's reference
    origin: str = "again"  # who caused it: again, onetime, issue, schedule, operator
    behaviour: str = "ok"
    nameless: bool = False  # its customer_uid is in no answer
    hidden: bool = False  # no read shows it
    given: Json = field(default_factory=dict)  # buyer_*, name, custom_data, notice_url … as sent
    order: int = 0  # position in the books, from 1

    @property
    def uncompensated(self) -> float:
        """Return the money taken and not given back."""
        return round(self.amount - self.cancel_amount, DECIMALS) if self.status in {"paid", "cancelled"} else 0


@dataclass(slots=True, kw_only=True)
class Key:
    """A billing key: one card under the merchant's customer_uid."""

    customer_uid: str
    pg_provider: str
    card_number: str = ""
    customer_id: str | None = None
    given: Json = field(default_factory=dict)  # customer_name, customer_email …
    inserted: int = 0
    updated: int = 0
    deleted: bool = False
    confirmed: bool = True  # False: a Paymentwall key without its confirmation
    confirm_at: float | None = None  # real unix seconds
    issue_email: str | None = None
    issue_imp_uid: str | None = None
    calls: int = 0  # `again` calls so far; kept only if the behaviour counts them


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A charge that the gateway makes at a virtual time."""

    customer_uid: str
    merchant_uid: str
    schedule_at: int
    amount: float
    currency: str = "KRW"
    given: Json = field(default_factory=dict)
    imp_uid: str | None = None
    executed_at: int = 0
    revoked_at: int = 0
    schedule_status: str = "scheduled"
    created_at: int = 0
    garbled: Json = field(default_factory=dict)  # what reads show instead of these fields


@dataclass(slots=True, kw_only=True)
class Later:
    """A planned event of a payment at a virtual time, which survives a restart."""

    imp_uid: str
    at: float
    to: str
    done: bool = False


def as_row(kind: str, record: Payment | Key | Schedule | Later) -> Json:
    """Return the ledger row of a record: its fields, without empty ones."""
    row: Json = {"kind": kind}
    for name in NAMES[type(record)]:
        value = getattr(record, name)
        if value or value is False:
            row[name] = value
    return row


NAMES = {kind: tuple(one.name for one in fields(kind)) for kind in (Payment, Key, Schedule, Later)}
