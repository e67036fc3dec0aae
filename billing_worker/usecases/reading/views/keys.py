"""The views of a billing key."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.billing_key import BillingKey, IssueUse, KeyStatus
from billing_worker.usecases.reading.views.fields import (
    EXTERNAL_ID,
    KEY_ID,
    METADATA,
    SECRET,
    described,
    masked,
    minor,
    view_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySummary:
    """A billing key in a list."""

    id: str = field(metadata=KEY_ID)
    customer_uid: str = field(metadata=described("Masked in lists", example="user…-1"))
    pg_provider: str = field(metadata=described(example="nice_v2"))
    status: KeyStatus
    invalid_reason: str | None
    external_id: str | None = field(metadata=EXTERNAL_ID)
    metadata: dict[str, str] = field(metadata=METADATA)
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView(KeySummary):
    """A billing key."""

    customer_uid: str = field(metadata=described("Its name at PortOne", example="user-1-card-1", **{SECRET: True}))
    buyer_name: str | None
    buyer_email: str | None
    buyer_tel: str | None
    goodsid: str | None
    issuing_payment: str | None = field(
        metadata=described("imp_uid of the payment that issued it, after its first read")
    )
    issuing_amount: int | None = field(metadata=minor("Minor units of that payment", of="issuing_currency"))
    issuing_currency: str | None = field(metadata=described("ISO 4217", example="KRW"))
    issuing_claim: IssueUse = field(metadata=described("What that payment pays"))
    counts_for: str | None = field(metadata=described("The subscription whose period it pays"))


def summary_of_key(key: BillingKey) -> KeySummary:
    """The view of a key in a list."""
    return view_of(KeySummary, key, customer_uid=masked(key.customer_uid), metadata=dict(key.metadata))


def of_key(key: BillingKey) -> KeyView:
    """The view of a key."""
    issue = key.issue
    return view_of(
        KeyView,
        key,
        metadata=dict(key.metadata),
        issuing_payment=issue.imp_uid if issue else None,
        issuing_amount=issue.money.amount if issue else None,
        issuing_currency=issue.money.currency if issue else None,
        issuing_claim=key.issue_claim,
        counts_for=key.issue_for,
    )
