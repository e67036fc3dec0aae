"""The view of a card session."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.card_session import CardSession, CardSessionStatus
from billing_worker.domain.language import Language
from billing_worker.usecases.reading.views.fields import CURRENCY, described, minor, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSessionView:
    """A visit of a customer to the card page."""

    id: str = field(metadata=described(example="cs_0123456789abcdef"))
    url: str = field(metadata=described("Send the customer there, once", example="https://billing.example.com/card/…"))
    status: CardSessionStatus
    customer: str = field(metadata=described(example="user-1"))
    pg: str = field(metadata=described(example="kakaopay"))
    amount: int = field(metadata=minor("What the window charges, in minor units; 0 registers the card only"))
    currency: str = field(metadata=CURRENCY)
    product: str
    language: Language
    subscription_id: str | None = field(metadata=described("Charged to the new key from then on"))
    billing_key_id: str | None = field(metadata=described("The key that it made"))
    imp_uid: str | None = field(metadata=described("The payment, or registration, at PortOne"))
    problem: str | None = field(metadata=described("The last refusal, or why it failed"))
    return_url: str | None
    expires_at: datetime
    created_at: datetime


def of_card_session(session: CardSession, url: str) -> CardSessionView:
    """The view of a card session, whose page is at `url`."""
    money = session.money
    return view_of(CardSessionView, session, url=url, amount=money.amount, currency=money.currency)
