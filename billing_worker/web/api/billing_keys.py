"""Billing keys: cards that PortOne stores under names of the merchant."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.billing_key import (
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
    LONGEST_GOODSID,
    KeyStatus,
)
from billing_worker.ports.lists import Kind
from billing_worker.usecases.jobs import JobName
from billing_worker.usecases.key import decide
from billing_worker.usecases.key.change import change_key
from billing_worker.usecases.key.register import NewKey, register_key
from billing_worker.usecases.reading.one import key_with
from billing_worker.usecases.reading.views.keys import KeySummary, KeyView, of_key
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    METADATA_CHANGES,
    READS,
    READS_ONE,
    Created,
    Described,
    Ident,
    Input,
    LabelledInput,
    Lists,
    MetadataChanges,
    Name,
    OwnId,
    Page,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/billing-keys", tags=["billing keys"])


CardExpires = Annotated[Text, Described(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")]
Email = Annotated[Text, Described(maxLength=LONGEST_BUYER_EMAIL, pattern=r"^[!-?A-~]+@[!-?A-~]+$")]


class KeyInput(LabelledInput):
    """A billing key that PortOne already stores. Never card data: they go to PortOne only."""

    model_config = example(customer_uid="user-1-card-1", pg_provider="nice_v2")

    customer_uid: Annotated[Text, Described(pattern=r"^[\x21-\x7e]{1,80}$")] = Field(
        description="Its name at PortOne; one per card", examples=["user-1-card-1"]
    )
    pg_provider: Annotated[Text, Described(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="PortOne's code of the PG, as `/v1/pgs` lists it", examples=["nice_v2"]
    )
    buyer_name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_NAME)] | None = Field(
        None, description="Needed by some PGs (`/v1/pgs`); for paymentwall: 'First Last'"
    )
    buyer_email: Email | None = Field(
        None, description="For paymentwall: the one with which the key was issued; taken from there if left out"
    )
    buyer_tel: Annotated[Text, Described(minLength=1, maxLength=LONGEST_BUYER_TEL)] | None = None
    goodsid: Annotated[Text, Described(minLength=1, maxLength=LONGEST_GOODSID)] | None = Field(
        None, description="The product that Paymentwall's pingbacks about this key must name"
    )
    imp_uid: Annotated[Text, Described(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        None, description="The result of the payment window that issued it; PortOne is read about it"
    )
    card_expires: CardExpires | None = Field(
        None,
        description="The month in which the card expires, if you know it: PortOne does not tell it",
        examples=["2031-04"],
    )


class KeyChanges(Input):
    """The fields of a key that may change. A missing field stays as it is."""

    model_config = example(buyer_email="gildong@example.com")

    buyer_email: Email | None = Field(None, description="For paymentwall: the one with which the key was issued")
    pg_provider: Annotated[Text, Described(pattern=r"^[a-z0-9_]{1,40}$")] | None = Field(
        None, description="Of a pending key: the PG at which PortOne stores it"
    )
    card_expires: CardExpires | None = Field(
        None, description="The month in which the card expires", examples=["2031-04"]
    )
    metadata: MetadataChanges | None = METADATA_CHANGES


class KeyQuery(Created):
    """The filters of the list of keys."""

    external_id: OwnId = None
    customer_uid: Word | None = Field(None, description="Only the one with this name at PortOne")
    customer: Word | None = Field(None, description="Only those that pay for this customer's subscriptions")
    pg_provider: Word | None = Field(None, description="Only of this PG")
    status: KeyStatus | None = Field(None, description="Only with this status")
    expiring: bool = Field(default=False, description="Only cards that expire within 30 days, before the next charge")


class IssuingPaymentInput(Input):
    """The decision on what the payment that issued a key pays."""

    model_config = example(counts_for="sub_0123456789abcdef")

    counts_for: Name | None = Field(description="Pays the next unpaid period of this subscription; null: of none")


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="register_billing_key")
def register(key: KeyInput, context: Ctx) -> KeyView:
    """Register a key that PortOne stores. It is pending until PortOne has shown it: `billing_key.activated` tells.

    A Paymentwall key stays pending until its payment is confirmed.
    """
    registered = register_key(context.ports, NewKey(**key.model_dump()))
    context.ring(JobName.CONFIRM, registered.id)
    return of_key(registered)


@router.get("", responses=READS, name="list_billing_keys")
def list_keys(query: Annotated[KeyQuery, Query()], lists: Lists, context: Ctx) -> Page[KeySummary]:
    """List billing keys, newest first, each customer_uid masked."""
    wanted = dict(query.wanted())
    if wanted.pop("expiring"):
        wanted["expiring_at"] = context.ports.clock.moment().billing
    return lists.of(Kind.BILLING_KEYS, query, wanted)


@router.get("/{billing_key_id}", responses=READS_ONE, name="get_billing_key")
def get(billing_key_id: Ident, context: Ctx) -> KeyView:
    """Show one billing key."""
    return key_with(context.ports, billing_key_id)


@router.patch("/{billing_key_id}", dependencies=[JSON], responses=CHANGES, name="change_billing_key")
def change(billing_key_id: Ident, changes: KeyChanges, context: Ctx) -> KeyView:
    """Change a key's e-mail, metadata or, while it is pending, PG. A key that waits for it is looked up at once."""
    changed = change_key(
        context.ports,
        billing_key_id,
        buyer_email=changes.buyer_email,
        metadata=changes.metadata,
        pg_provider=changes.pg_provider,
        card_expires=changes.card_expires,
    )
    if changes.pg_provider is not None or (changes.buyer_email is not None and decide.given_up(changed)):
        context.ring(JobName.CONFIRM, changed.id)
    return of_key(changed)


@router.post(
    "/{billing_key_id}/issuing-payment",
    dependencies=[JSON],
    responses=CHANGES,
    name="count_issuing_payment",
    openapi_extra=MONEY,
)
def count_issuing_payment(billing_key_id: Ident, wanted: IssuingPaymentInput, context: Ctx) -> KeyView:
    """Decide what the payment that issued a Paymentwall key pays, if that is unclear."""
    return of_key(decide.decide(context.ports, billing_key_id, wanted.counts_for))
