"""Billing keys from card data, and keys on their way out. Card data are taken only where the operator allows it."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field, SecretStr

from billing_worker.domain.billing_key import LONGEST_BUYER_NAME, LONGEST_BUYER_TEL
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.key_call import LONGEST_REASON, LONGEST_REQUESTER
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.entry.issue import (
    CARD_ENTRY_OFF,
    LONGEST_CHANNEL_KEY,
    LONGEST_CUSTOMER_ID,
    Issuing,
    NewCard,
    finish_issue,
    request_issue,
)
from billing_worker.usecases.jobs import JobName
from billing_worker.usecases.reading.one import key_with
from billing_worker.usecases.reading.views.keys import KeyView
from billing_worker.web.api.billing_keys import Email
from billing_worker.web.api.shapes import (
    ACTS,
    CHANGES,
    JSON,
    Described,
    Ident,
    Input,
    LabelledInput,
    Name,
    Text,
    example,
)
from billing_worker.web.context import Context, Ctx
from billing_worker.web.errors import ErrorType, Refused

router = APIRouter(prefix="/billing-keys", tags=["billing keys"])

NOT_PRIVATE = (
    "card data are taken only over TLS or from this machine: send them by https, and name your proxy, which must send"
    " X-Forwarded-Proto, in BILLING_TRUSTED_PROXIES"
)


async def _takes_cards(request: Request) -> None:
    """Refuse before the body is parsed. Async, since a sync dependency would cost a thread."""
    context: Context = request.app.state.context
    if not context.settings.card_entry:
        raise Refused(403, ErrorType.FORBIDDEN, CARD_ENTRY_OFF)
    if not context.sources.came_privately(request.scope):
        raise Refused(403, ErrorType.FORBIDDEN, NOT_PRIVATE)


CARDS = Depends(_takes_cards)


class CardInput(Input):
    """A card. It is sent to PortOne in one call, and neither stored nor logged."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    card_number: Annotated[SecretStr, Described(pattern=r"^ *[0-9]([ -]?[0-9]){13,18} *$")] = Field(
        description="14 to 19 digits", examples=["4242-4242-4242-4242"], repr=False
    )
    expiry: Annotated[SecretStr, Described(pattern=r"^ *2[0-9]{3}-(0[1-9]|1[0-2]) *$")] = Field(
        description="YYYY-MM", examples=["2031-04"], repr=False
    )
    birth: Annotated[SecretStr, Described(pattern=r"^ *([0-9]{6}|[0-9]{10}) *$")] | None = Field(
        None, description="YYMMDD, or the ten digits of a business; most PGs want it", examples=["880301"], repr=False
    )
    pwd_2digit: Annotated[SecretStr, Described(pattern=r"^ *[0-9]{2} *$")] | None = Field(
        None, description="The first two digits of the card's password; most PGs want them", examples=["00"], repr=False
    )

    def entered(self, real_now: datetime) -> Card:
        """The card. Raises InvalidInput with the field and the reason, never with the value."""
        parts = {name: None if value is None else value.get_secret_value() for name, value in self}
        return Card.entered(
            parts["card_number"] or "",
            parts["expiry"] or "",
            birth=parts["birth"],
            pwd_2digit=parts["pwd_2digit"],
            real_now=real_now,
        )


class CardKeyInput(LabelledInput):
    """A billing key to issue from card data. One customer_uid stands for one card."""

    model_config = example(
        customer_uid="user-1-card-1",
        pg_provider="nice_v2",
        card={"card_number": "4242-4242-4242-4242", "expiry": "2031-04", "birth": "880301", "pwd_2digit": "00"},
    ) | ConfigDict(hide_input_in_errors=True)

    customer_uid: Annotated[Text, Described(pattern=r"^[\x21-\x7e]{1,80}$")] = Field(
        description="Its new name at PortOne; one per card", examples=["user-1-card-1"]
    )
    pg_provider: Annotated[Text, Described(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="PortOne's code of a PG that issues keys by the API, as `/v1/pgs` lists it", examples=["nice_v2"]
    )
    card: CardInput = Field(repr=False)
    channel_key: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CHANNEL_KEY)] | None = Field(
        None, description="The channel, from PortOne's console", examples=["channel-key-0123"]
    )
    customer_id: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER_ID)] | None = Field(
        None, description="The customer at the PG; tosspayments needs it", examples=["user-1"]
    )
    buyer_name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_NAME)] | None = Field(
        None, description="Needed by some PGs (`/v1/pgs`)"
    )
    buyer_email: Email | None = None
    buyer_tel: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_TEL)] | None = None
    replaces: Name | None = Field(
        None, description="The key whose subscriptions are charged to the new one", examples=["key_0123456789abcdef"]
    )
    delete_replaced: bool = Field(
        default=False, description="Also delete the replaced key, after its last charge", examples=[True]
    )


@router.post("/issue", status_code=202, dependencies=[JSON, CARDS], responses=CHANGES, name="issue_billing_key")
def issue(wanted: CardKeyInput, context: Ctx) -> KeyView:
    """Issue a key from card data, where BILLING_CARD_ENTRY allows it, over TLS or from this machine only.

    The card is sent to PortOne once. The key is `active`, `invalid` with the reason, or `pending` while the result is
    unclear: read it again with `GET`. With an Idempotency-Key the answer always says `pending`. The card is no part of
    what a repeat is recognised by. Taking card data here widens your PCI scope; PortOne's payment window does not.
    """
    card = wanted.card.entered(context.ports.clock.moment().real)
    issuing = request_issue(
        context.ports,
        NewCard(
            wanted.customer_uid,
            wanted.pg_provider,
            card,
            channel_key=wanted.channel_key,
            customer_id=wanted.customer_id,
            buyer_name=wanted.buyer_name,
            buyer_email=wanted.buyer_email,
            buyer_tel=wanted.buyer_tel,
            external_id=wanted.external_id,
            metadata=wanted.metadata,
            replaces=wanted.replaces,
            deletes_replaced=wanted.delete_replaced,
        ),
    )
    context.then(lambda ports: _finish(replace(ports, actor=context.ports.actor), issuing))
    return key_with(context.ports, issuing.key.id)


def _finish(ports: Ports, issuing: Issuing) -> None:
    """Call PortOne. If the result cannot be written down, the worker finds it out."""
    with suppress(Unavailable):
        finish_issue(ports, issuing)


@router.delete("/{billing_key_id}", responses=ACTS, name="delete_billing_key")
def delete(
    billing_key_id: Ident,
    context: Ctx,
    reason: Annotated[
        str, Query(min_length=1, max_length=LONGEST_REASON, description="Why; PortOne is told", examples=["left"])
    ],
    requester: Annotated[
        str | None, Query(min_length=1, max_length=LONGEST_REQUESTER, description="Who asked; naverpay needs it")
    ] = None,
) -> KeyView:
    """Delete a key: it is not charged from now on, and `deleted` when PortOne has confirmed it.

    Refused while a subscription or a single payment still collects with it. PortOne keeps the schedules of a deleted
    key: revoke them first. A deletion cannot be taken back.
    """
    call_id = request_delete(context.ports, billing_key_id, reason, requester)
    if call_id is not None:
        context.ring(JobName.KEY_CALL, call_id)
    return key_with(context.ports, billing_key_id)
