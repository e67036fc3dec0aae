"""A billing key: one card, stored at PortOne under a `customer_uid`, that may be charged without the customer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.card import UNTOLD, CardFacts
from billing_worker.domain.card_expiry import ends_at, entered_month, first_look
from billing_worker.domain.errors import InvalidInput, InvalidTransition
from billing_worker.domain.labels import require_external_id, require_metadata
from billing_worker.domain.money import Money
from billing_worker.domain.pgs.facts import Rule
from billing_worker.domain.pgs.table import following
from billing_worker.domain.text import require_printable, require_visible_ascii

LONGEST_CUSTOMER_UID = 80
LONGEST_BUYER_NAME = 16
LONGEST_BUYER_EMAIL = 64
LONGEST_BUYER_TEL = 16
"""PortOne's limits for a charge: a key whose values keep them can be charged."""

LONGEST_PG = 40
"""The longest PG code at PortOne is half as long."""

LONGEST_GOODSID = 256
"""Paymentwall's limit for a product id."""

PAYMENTWALL = "paymentwall"

ISSUED_BY_PAYMENT = following(Rule.KEY_WAITS)
"""PGs that issue a key with a payment. The key may be charged again only after that payment is confirmed."""

BOUND_TO_EMAIL = following(Rule.EMAIL_OF_ISSUE)
"""PGs that refuse any e-mail but that of the payment that issued the key."""

NEVER_REUSES_IDS = following(Rule.NEW_ID)
"""PGs that refuse a merchant_uid for ever, even after a declined payment."""

_CARD_NUMBER = re.compile(r"(?:\d[ -]?){13,19}")
_PG = re.compile(rf"[a-z0-9_]{{1,{LONGEST_PG}}}")
_IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class KeyStatus(StrEnum):
    """The state of a key."""

    PENDING = "pending"
    ACTIVE = "active"
    INVALID = "invalid"
    DELETED = "deleted"


KEY_TRANSITIONS: dict[KeyStatus, frozenset[KeyStatus]] = {
    KeyStatus.PENDING: frozenset({KeyStatus.ACTIVE, KeyStatus.INVALID, KeyStatus.DELETED}),
    KeyStatus.ACTIVE: frozenset({KeyStatus.INVALID, KeyStatus.DELETED}),
    KeyStatus.INVALID: frozenset({KeyStatus.ACTIVE, KeyStatus.DELETED}),
    KeyStatus.DELETED: frozenset(),
}


class KeyWait(StrEnum):
    """Why a key is pending: what the last read of the gateway showed. Also the case of its alert."""

    UNREAD = "unread"
    """The gateway has not been read yet."""
    UNREADABLE = "unreadable"
    """The gateway could not be read."""
    NOT_STORED = "not_stored"
    """The gateway has no such key."""
    OTHER_PG = "other_pg"
    """The gateway stores the key at a PG with other rules than the registered one."""
    OTHER_PAYMENT = "other_payment"
    """The payment that is said to have issued it is not there, or belongs to another key."""
    NOT_PAID = "not_paid"
    """The payment that is said to have issued it is not paid."""
    FIRST_PAYMENT = "first_payment"
    """The payment by card data that issues it is not known yet. It is never read before that."""
    NO_PAYMENT = "no_payment"
    """Paymentwall: the gateway shows no payment that issued it."""
    NO_KEY = "no_key"
    """Paymentwall: the gateway shows that payment, and no key yet."""
    HAS_KEY = "has_key"
    """Paymentwall: the gateway shows both, and the payment does not count (yet)."""


class IssueUse(StrEnum):
    """What the payment that issued a key counts for. Only Paymentwall charges when it issues a key."""

    OPEN = "open"
    """Not decided yet. It must be decided before the first charge of the key."""
    CHOSEN = "chosen"
    """It pays the next unpaid period of the subscription that an operator named."""
    COUNTED = "counted"
    """It paid a period, and pays no other."""
    NONE = "none"
    """It pays for nothing here: there is no such payment, it was given back, or an operator said so."""


@dataclass(frozen=True, slots=True)
class IssuingPayment:
    """The payment that issued a key, as the gateway's books showed it."""

    imp_uid: str
    merchant_uid: str
    money: Money
    paid_at: datetime | None
    buyer_email: str | None = field(repr=False)
    evidence_id: int


@dataclass(slots=True)
class BillingKey:
    """One stored card. `customer_uid` is its name at PortOne, worthless without the API secret."""

    id: str
    customer_uid: str = field(repr=False)
    pg_provider: str
    status: KeyStatus
    buyer_name: str | None
    buyer_email: str | None
    buyer_tel: str | None
    created_at: datetime
    activated_at: datetime | None = None
    invalid_reason: str | None = None
    looks: int = 0
    next_look_at: datetime | None = None
    """Real time: when the gateway is asked next whether it has confirmed a pending key."""
    goodsid: str | None = None
    """The product that Paymentwall's pingbacks about this key must name; None: any."""
    issue: IssuingPayment | None = None
    issue_claim: IssueUse = IssueUse.NONE
    issue_for: str | None = None
    """The subscription that an operator chose, or whose period the issuing payment paid."""
    external_id: str | None = None
    """The merchant's own id, unique among billing keys."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    card: CardFacts = UNTOLD
    """The card, as the gateway told it when it confirmed the key."""
    imp_uid: str | None = None
    """The payment, or the registration, of the payment window that issued it, if it was named."""
    waits_for: KeyWait | None = None
    """Why a pending key is not active."""
    card_expires: str | None = None
    """The month in which the card expires, as YYYY-MM; None: not known."""
    expiry_look_at: datetime | None = None
    """Billing time: when it is looked at next, to warn of that month ahead."""
    declined_at: tuple[datetime, ...] = ()
    """Its last declines, oldest first: card networks limit the tries of a card that declines."""

    def __post_init__(self) -> None:
        require_customer_uid(self.customer_uid)
        if self.goodsid is not None:
            require_printable("goodsid", self.goodsid, LONGEST_GOODSID)
        if not _PG.fullmatch(self.pg_provider):
            raise InvalidInput("pg_provider", self.pg_provider, "is a PortOne PG code such as nice_v2 or paymentwall")
        for name, value, longest in (
            ("buyer_name", self.buyer_name, LONGEST_BUYER_NAME),
            ("buyer_email", self.buyer_email, LONGEST_BUYER_EMAIL),
            ("buyer_tel", self.buyer_tel, LONGEST_BUYER_TEL),
        ):
            if value is not None:
                require_printable(name, value, longest)
        if self.buyer_email is not None and not is_email(self.buyer_email):
            raise InvalidInput("buyer_email", self.buyer_email, "is not an e-mail address")
        if self.imp_uid is not None and not _IMP_UID.fullmatch(self.imp_uid):
            raise InvalidInput("imp_uid", self.imp_uid, "is no id of a payment at PortOne, such as imp_123456789012")
        if self.card_expires is not None:
            entered_month(self.card_expires)
        require_external_id(self.external_id)
        require_metadata(self.metadata)

    @property
    def awaits_confirmation(self) -> bool:
        """Whether its issuing payment could still make it chargeable.

        That includes a key that was given up and never worked.
        """
        given_up = self.status is KeyStatus.INVALID and self.activated_at is None
        return self.status is KeyStatus.PENDING or (given_up and self.pg_provider in ISSUED_BY_PAYMENT)

    @property
    def email_agrees(self) -> bool:
        """Whether a charge would carry the e-mail of the issuing payment, letter for letter.

        Paymentwall refuses any other; how it compares is not documented, so equal means identical.
        """
        if self.pg_provider not in BOUND_TO_EMAIL:
            return True
        return self.issue is not None and self.buyer_email is not None and self.buyer_email == self.issue.buyer_email

    def undecided_issue(self, subscription_id: str) -> IssuingPayment | None:
        """The issuing payment, while it may still pay a period of this subscription.

        No charge comes before that decision.
        """
        chosen = self.issue_claim is IssueUse.CHOSEN and self.issue_for == subscription_id
        return self.issue if self.issue_claim is IssueUse.OPEN or chosen else None

    def issued_by(self, payment: IssuingPayment) -> None:
        """Note the payment that issued it. A key without an e-mail takes the one of that payment."""
        self.issue = payment
        self.buyer_email = self.buyer_email or payment.buyer_email

    def use_issue(self, claim: IssueUse, subscription_id: str | None = None) -> None:
        """Decide what the issuing payment counts for."""
        self.issue_claim, self.issue_for = claim, subscription_id

    def set_expiry(self, month: str | None, now: datetime) -> None:
        """Note the month in which the card expires; None: not known. A month is warned of once."""
        if month == self.card_expires:
            return
        self.card_expires = month
        self.expiry_look_at = max(first_look(month), now) if month is not None and ends_at(month) > now else None

    def show_card(self, card: CardFacts, now: datetime) -> None:
        """Note the card as the gateway shows it. The month of another card says nothing about this one."""
        if self.card not in (UNTOLD, card):
            self.set_expiry(None, now)
        self.card = card

    def move_to(self, status: KeyStatus) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in KEY_TRANSITIONS[self.status]:
            raise InvalidTransition("billing key", self.id, self.status, status)
        self.status = status

    def activate(self, now: datetime) -> bool:
        """Note that the gateway confirmed the key; False when the key was not waiting for that."""
        if not self.awaits_confirmation:
            return False
        self.move_to(KeyStatus.ACTIVE)
        self.activated_at, self.invalid_reason = now, None
        self.next_look_at = self.waits_for = None
        return True

    def invalidate(self, reason: str) -> bool:
        """The card will not work again (lost, expired, key gone); False when it was already out of use."""
        if self.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
            return False
        self.move_to(KeyStatus.INVALID)
        self.invalid_reason = reason
        self.next_look_at = self.waits_for = None
        return True


def is_email(text: str) -> bool:
    """Whether a key may carry this e-mail. A key with any other value could be stored but never read again."""
    return len(text) <= LONGEST_BUYER_EMAIL and text.isprintable() and _EMAIL.fullmatch(text) is not None


def masked_email(email: str | None) -> str:
    """The e-mail, masked but recognisable: g***@example.com."""
    if email is None:
        return "none"
    name, _, host = email.rpartition("@")
    return f"{name[:1]}***@{host}"


def require_customer_uid(customer_uid: str) -> None:
    """Raises InvalidInput for a value that PortOne refuses or that may be a card number. The error never repeats it."""
    if not 0 < len(customer_uid) <= LONGEST_CUSTOMER_UID:
        problem = f"must have 1 to {LONGEST_CUSTOMER_UID} characters; it has {len(customer_uid)}"
        raise InvalidInput("customer_uid", customer_uid[:12] + "…", problem)
    require_visible_ascii("customer_uid", customer_uid)
    if _CARD_NUMBER.fullmatch(customer_uid):
        raise InvalidInput("customer_uid", "…", "looks like a card number; card numbers must never be stored here")
