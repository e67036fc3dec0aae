"""The views of a billing key."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.billing_key import BillingKey, IssueUse, KeyStatus, KeyWait
from billing_worker.domain.card import CardKind
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
    waits_for: KeyWait | None = field(metadata=described("Why a pending key is not active"))
    invalid_reason: str | None
    card_issuer: str | None = field(metadata=described("The card's company, as PortOne tells it", example="신한카드"))
    card_last_digits: str | None = field(metadata=described("At most four, as PortOne tells them", example="1234"))
    card_expires: str | None = field(
        metadata=described("The month in which the card expires, if it was told: PortOne does not", example="2031-04")
    )
    external_id: str | None = field(metadata=EXTERNAL_ID)
    metadata: dict[str, str] = field(metadata=METADATA)
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView(KeySummary):
    """A billing key."""

    customer_uid: str = field(metadata=described("Its name at PortOne", example="user-1-card-1", **{SECRET: True}))
    card_code: str | None = field(metadata=described("KFTC's code of that company", example="366"))
    card_kind: CardKind | None
    imp_uid: str | None = field(metadata=described("The payment of the window that issued it, if it was named"))
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
    return view_of(
        KeySummary, key, customer_uid=masked(key.customer_uid), metadata=dict(key.metadata), **_recognised(key)
    )


def _recognised(key: BillingKey) -> dict[str, str | None]:
    return {"card_issuer": key.card.issuer, "card_last_digits": key.card.last_digits}


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
        card_code=key.card.code,
        card_kind=key.card.kind,
        **_recognised(key),
    )
