"""A payment as the gateway reports it, and the four outcomes an attempt can have."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.declines.reasons import Decline, DeclineKind
from billing_worker.domain.money import Money
from billing_worker.domain.payment_options import PLAIN, PaymentOptions


class PaymentStatus(StrEnum):
    """The state of a payment in the gateway's books. A word that an adapter does not know is UNRECOGNISED."""

    READY = "ready"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """One refund in the gateway's list of a payment's cancellations."""

    money: Money
    reason: str | None


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """One payment in the gateway's books, parsed and checked for shape, not yet compared with our books."""

    imp_uid: str
    merchant_uid: str
    customer_uid: str | None = field(repr=False)
    status: PaymentStatus
    money: Money
    cancelled: Money
    pg_provider: str | None
    fail_reason: str | None
    started_at: datetime | None
    paid_at: datetime | None
    cancellations: tuple[Cancellation, ...] = ()
    issues_key: bool | None = None
    """Whether it was made to issue the billing key; None if the gateway does not say."""
    buyer_email: str | None = field(default=None, repr=False)
    """The buyer's e-mail as the gateway shows it; None if it shows none of a documented length."""

    def may_be_of(self, customer_uid: str) -> bool:
        """Whether this billing key may have been charged: the one rule for proof, comparison and audit.

        PortOne's specification does not require a `customer_uid` in an answer. An absent one is no mismatch: order,
        amount and currency then decide. Only a different one is.
        """
        return not self.customer_uid or self.customer_uid == customer_uid

    @property
    def holds_money(self) -> bool:
        """Whether the customer's money is (partly) with the merchant now."""
        if self.status is PaymentStatus.PAID:
            return True
        # PortOne calls a partly refunded payment cancelled as well (observed by public clients).
        return self.status is PaymentStatus.CANCELLED and 0 < self.cancelled.amount < self.money.amount


@dataclass(frozen=True, slots=True)
class Evidence:
    """The gateway's answer, kept as received: size-capped, with card-like numbers and secrets masked."""

    source: str
    request: str
    http_status: int | None
    body: str


class Trouble(StrEnum):
    """Why a call learned nothing from the gateway: the gateway itself fails, whatever was asked."""

    NOT_REACHED = "not_reached"
    """No byte of the request was sent: no connection."""
    UNAUTHORIZED = "unauthorized"
    """PortOne gave no access token, or refuses ours."""
    NO_ANSWER = "no_answer"
    """The request was sent, and no whole answer came."""
    SERVER_ERROR = "server_error"
    """An answer with a 5xx or 429 status, or one that is not PortOne's."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The money was taken, and every field that the payment shows equals what was asked for."""

    payment: GatewayPayment
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Declined:
    """The card company or the gateway refused, definitely."""

    decline: Decline
    """What it is about, and what helps."""
    reason: str
    evidence: Evidence
    imp_uid: str | None = None
    """Empty if the gateway refused the key itself: it does not know it, and created no payment."""

    @property
    def kind(self) -> DeclineKind:
        """Whether the key may be charged again after it."""
        return self.decline.kind


@dataclass(frozen=True, slots=True)
class Failed:
    """Provably not placed: it never reached the gateway, or was refused before any try. Uses up no dunning."""

    reason: str
    evidence: Evidence | None = None
    new_merchant_uid: bool = False
    """The gateway will not take this merchant_uid again, and nothing is paid under it."""
    taken_back: bool = False
    """Money was taken and given back, by the PG (a net-cancel) or by a clerk: charge again, but not at once."""
    trouble: Trouble | None = None
    """Set where the gateway itself failed."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Any other answer. Only a read of the gateway resolves it: never another charge, never the passing of time."""

    reason: str
    evidence: Evidence | None = None
    alarming: bool = False
    """The gateway shows a different amount, currency or customer. An operator must look."""
    trouble: Trouble | None = None
    """Set where the gateway itself failed."""
    duplicate: bool = False
    """The gateway refused the merchant_uid because it was used before, usually by a charge of ours."""


Outcome = Approved | Declined | Failed | Unknown


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What one charge asks for: a snapshot, fixed when the attempt was written down."""

    merchant_uid: str
    customer_uid: str = field(repr=False)
    money: Money
    name: str
    pg_provider: str
    options: PaymentOptions = PLAIN
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None


def charge_request(
    merchant_uid: str, money: Money, key: BillingKey, name: str, options: PaymentOptions
) -> ChargeRequest:
    """The charge of a key under an order number, as the gateway is asked for it, now or by a schedule."""
    return ChargeRequest(
        merchant_uid=merchant_uid,
        customer_uid=key.customer_uid,
        money=money,
        name=name,
        pg_provider=key.pg_provider,
        options=options,
        buyer_name=key.buyer_name,
        buyer_email=key.buyer_email,
        buyer_tel=key.buyer_tel,
    )
