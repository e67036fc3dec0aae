"""A card session: one visit of a customer to the card page, which makes at most one billing key.

The names that PortOne sees (customer_uid, merchant_uid) are made with the session, before any window opens. So every
reload, second tab or lost answer meets the same names, and PortOne takes one paid merchant_uid only once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.language import Language
from billing_worker.domain.money import Money
from billing_worker.domain.payment import GatewayPayment, PaymentStatus

LONGEST_LIFE = timedelta(days=30)
SHORTEST_LIFE = timedelta(minutes=1)
LONGEST_RETURN_URL = 500
LONGEST_PRODUCT = 40
"""PortOne's limit for the name of a product."""

BEGUN_AGAIN = timedelta(seconds=5)
"""A second begin within this time is another tab, or a second click: its window stays closed."""

FIRST_LOOK = timedelta(seconds=30)
LONGEST_LOOK = timedelta(hours=1)
LOOKS_AFTER_EXPIRY = timedelta(days=1)
"""A window that opened in time may end later: the session is read for so long after its link expired."""


class CardSessionStatus(StrEnum):
    """The state of a session."""

    OPEN = "open"
    """The customer has not given a card yet."""
    REGISTERED = "registered"
    """PortOne showed the result of the window, and its key is registered here; it is not active yet."""
    DONE = "done"
    """The key is active, and charged for the subscription if one was named."""
    FAILED = "failed"
    """The key was never confirmed, or the subscription cannot be charged any more."""
    EXPIRED = "expired"
    """No card was given in time."""


WAITING = (CardSessionStatus.OPEN, CardSessionStatus.REGISTERED)


class WindowResult(StrEnum):
    """What PortOne shows about the window of a session."""

    NOTHING = "nothing"
    """No payment, and no key: it is open, or it was closed."""
    DECLINED = "declined"
    PENDING = "pending"
    """A payment that is neither paid nor failed yet."""
    GIVEN = "given"
    """A payment, or a registration, that issued the key of this session."""
    STRANGE = "strange"
    """A payment under the names of this session that differs in its sum or its key."""


@dataclass(slots=True)
class CardSession:
    """One visit to the card page."""

    id: str
    customer: str
    customer_uid: str = field(repr=False)
    merchant_uid: str
    pg: str
    """As `IMP.request_pay` takes it: a code, or a code with the account, such as `kakaopay.MID`."""
    money: Money
    """What the window charges; 0 registers the card only."""
    product: str
    language: Language
    created_at: datetime
    expires_at: datetime
    """Real time."""
    status: CardSessionStatus = CardSessionStatus.OPEN
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    subscription_id: str | None = None
    """Charged to the new key from then on, and what it owes at once."""
    return_url: str | None = None
    billing_key_id: str | None = None
    imp_uid: str | None = None
    """What the browser said; a hint, until PortOne shows it."""
    problem: str | None = None
    """The last refusal of the window, or why the session failed."""
    begun_at: datetime | None = None
    """Real time: when the window opened last."""
    looks: int = 0
    next_look_at: datetime | None = None
    """Real time: when PortOne is read next; None before the window opened, and at the end."""

    def __post_init__(self) -> None:
        if self.money.amount < 0:
            raise InvalidInput("amount", str(self.money.amount), "must be 0 or more, in minor units")

    @property
    def pg_provider(self) -> str:
        """The PG's code."""
        return self.pg.partition(".")[0]

    @property
    def is_paymentwall(self) -> bool:
        """Whether the window's payment has to be confirmed later."""
        return self.pg_provider == PAYMENTWALL

    def is_over(self, real_now: datetime) -> bool:
        """Whether the link has expired before a card was given."""
        expired = self.status is CardSessionStatus.OPEN and real_now >= self.expires_at
        return self.status is CardSessionStatus.EXPIRED or expired

    def begin(self, real_now: datetime) -> bool:
        """Note that the window opens; False if another one opened just now."""
        if self.begun_at is not None and real_now - self.begun_at < BEGUN_AGAIN:
            return False
        self.begun_at, self.looks = real_now, 0
        self.next_look_at = real_now + FIRST_LOOK
        return True

    def close_window(self, real_now: datetime) -> None:
        """Note that the browser saw the window close: another one may open at once."""
        if self.begun_at is not None:
            self.begun_at = min(self.begun_at, real_now - BEGUN_AGAIN)

    def wait(self, real_now: datetime) -> None:
        """Read PortOne again later; an open session ends when no window can still be open."""
        if self.status is CardSessionStatus.OPEN and real_now >= self.expires_at + LOOKS_AFTER_EXPIRY:
            self.end(CardSessionStatus.EXPIRED)
            return
        self.next_look_at = real_now + min(FIRST_LOOK * 2 ** min(self.looks, 10), LONGEST_LOOK)
        self.looks += 1

    def end(self, status: CardSessionStatus, problem: str | None = None) -> None:
        """Finish it."""
        self.status, self.next_look_at = status, None
        self.problem = problem

    def judge(self, payment: GatewayPayment) -> WindowResult:
        """What a payment under this session's merchant_uid shows."""
        same = payment.merchant_uid == self.merchant_uid and payment.customer_uid == self.customer_uid
        if payment.status is PaymentStatus.FAILED:
            return WindowResult.DECLINED
        if not same or payment.money != self.money:
            return WindowResult.STRANGE
        if payment.status in (PaymentStatus.PAID, PaymentStatus.CANCELLED) or self.money.amount == 0:
            return WindowResult.GIVEN
        # Paymentwall shows `ready` until the payment is confirmed: the key exists, and waits for it.
        return WindowResult.GIVEN if self.is_paymentwall else WindowResult.PENDING
