"""Card sessions: links to the page on which a customer gives a card."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from billing_worker.domain.billing_key import LONGEST_BUYER_NAME, LONGEST_BUYER_TEL
from billing_worker.domain.card_session import (
    LONGEST_LIFE,
    LONGEST_PRODUCT,
    LONGEST_RETURN_URL,
    SHORTEST_LIFE,
    CardSession,
)
from billing_worker.domain.language import Language
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.subscription import LONGEST_CUSTOMER
from billing_worker.usecases.card.create import DEFAULT_LIFE, NewCardSession, create_session
from billing_worker.usecases.card.link import link_of
from billing_worker.usecases.card.visit import session_with
from billing_worker.usecases.reading.views.card_sessions import CardSessionView, of_card_session
from billing_worker.web.api.billing_keys import Email
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS_ONE,
    Described,
    Ident,
    Input,
    Name,
    Text,
    example,
)
from billing_worker.web.context import Context, Ctx, card_page_of

router = APIRouter(prefix="/card-sessions", tags=["billing keys"])

_PRODUCT = NewCardSession("any").product


class CardSessionInput(Input):
    """A visit to the card page. Never card data: the customer gives them to the PG."""

    model_config = example(pg="kakaopay", customer="user-1", language="ko")

    pg: Annotated[Text, Described(pattern=r"^[a-z0-9_]{1,40}(\.[A-Za-z0-9_-]{1,39})?$")] = Field(
        description="PortOne's code of a PG with a window (`/v1/pgs`), or code.MID", examples=["kakaopay"]
    )
    customer: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER)] | None = Field(
        None, description="Your own id of the customer; needed without a subscription", examples=["user-1"]
    )
    amount: Annotated[int, Described(minimum=0, maximum=LARGEST_AMOUNT)] = Field(
        0, description="What the window charges, in minor units; 0 registers the card only, where the PG allows it"
    )
    currency: Annotated[Text, Described(pattern="^[A-Z]{3}$")] = Field("KRW", description="ISO 4217", examples=["KRW"])
    product: Annotated[Text, Described(minLength=1, maxLength=LONGEST_PRODUCT)] = Field(
        _PRODUCT, description="The name that the window shows"
    )
    buyer_name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_NAME)] | None = None
    buyer_email: Email | None = None
    buyer_tel: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_TEL)] | None = None
    subscription_id: Name | None = Field(
        None, description="Replaces the card of this subscription, and pays what it owes at once"
    )
    return_url: Annotated[Text, Described(minLength=1, maxLength=LONGEST_RETURN_URL)] | None = Field(
        None, description="Where the customer goes from the page; its host is in BILLING_CARD_RETURN_HOSTS"
    )
    language: Annotated[Text, Described(enum=["ko", "en"])] = Field("ko", description="ko or en", examples=["ko"])
    expires_in: Annotated[
        int,
        Described(minimum=int(SHORTEST_LIFE.total_seconds()), maximum=int(LONGEST_LIFE.total_seconds())),
    ] = Field(int(DEFAULT_LIFE.total_seconds()), description="Seconds until the link expires", examples=[3600])


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_card_session")
def create(wanted: CardSessionInput, context: Ctx) -> CardSessionView:
    """Make a link to the card page. The customer gives a card there, and it becomes a billing key."""
    page = card_page_of(context)
    given = wanted.model_dump(exclude={"expires_in", "language"})
    new = NewCardSession(**given, language=Language(wanted.language), life=timedelta(seconds=wanted.expires_in))
    return _shown(context, create_session(context.ports, new, return_hosts=page.return_hosts))


@router.get("/{card_session_id}", responses=READS_ONE, name="get_card_session")
def get(card_session_id: Ident, context: Ctx) -> CardSessionView:
    """Show a card session: what became of the visit, and the key that it made."""
    return _shown(context, session_with(context.ports, card_session_id))


def _shown(context: Context, session: CardSession) -> CardSessionView:
    page = card_page_of(context)
    return of_card_session(session, link_of(page.secret, page.url, session))
