"""Register billing keys that PortOne already stores."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    ISSUED_BY_PAYMENT,
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
    LONGEST_CUSTOMER_UID,
    LONGEST_GOODSID,
    LONGEST_PG,
    BillingKey,
    IssueUse,
    KeyStatus,
    KeyWait,
)
from billing_worker.domain.card_expiry import entered_month
from billing_worker.domain.errors import InvalidInput, Unavailable
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.moment import Moment
from billing_worker.domain.pgs.rules import require_buyer, require_pg
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.confirm import confirm
from billing_worker.usecases.key.wait import FIRST_LOOK

LONGEST_IMP_UID = 64

BUYER = ("buyer_name", "buyer_email", "buyer_tel")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A caller's description of a billing key that PortOne stores; `new_key` checks it."""

    customer_uid: str = field(repr=False)
    pg_provider: str
    _: KW_ONLY
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    goodsid: str | None = None
    imp_uid: str | None = None
    """The result of the payment window that issued it; PortOne is read about it before the key is active."""
    card_expires: str | None = None
    """The month in which the card expires, as YYYY-MM, if the merchant knows it: PortOne does not tell it."""
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None


def register_key(ports: Ports, wanted: NewKey) -> BillingKey:
    """Register a billing key that PortOne already stores: it stays pending until PortOne has shown it (`confirm`).

    Raises InvalidInput, or Conflict for a known one.
    """
    moment = ports.clock.moment()
    key = new_key(ports, moment, wanted)
    with ports.database.transaction() as uow:
        uow.keys.add(key)
        note(ports, uow, Verb.KEY_REGISTERED, key.id, at=moment.real)
        uow.commit()
    return key


def register_and_confirm(ports: Ports, wanted: NewKey) -> BillingKey:
    """Register a key, and read PortOne about it at once: it is active if PortOne has it.

    Not for callers within a transaction. What is missing otherwise is in `waits_for`, and later reads follow. Raises as
    `register_key` does.
    """
    key = register_key(ports, wanted)
    confirm(ports, key.id, announce=False)
    with ports.database.transaction() as uow:
        return uow.keys.get(key.id)


def pg_of_payment(ports: Ports, customer_uid: str, imp_uid: str | None) -> str:
    """The PG of the payment that issued a key, read at PortOne.

    Raises InvalidInput without an `imp_uid`, for a payment that is not of this key or tells no PG, and Unavailable if
    PortOne could not be read.
    """
    if imp_uid is None:
        raise InvalidInput("pg_provider", None, "is needed, or the imp_uid of the payment that issued the key")
    listing = ports.gateway.payment(imp_uid)
    if listing.trouble is not None:
        raise Unavailable(f"PortOne could not be read about {imp_uid}: {listing.trouble}; name the PG, or try again")
    for payment, _ in listing.payments:
        if payment.customer_uid == customer_uid and payment.pg_provider is not None:
            return payment.pg_provider
    raise InvalidInput("imp_uid", imp_uid, "is no payment of this key that tells its PG; name the PG")


def new_key(ports: Ports, moment: Moment, wanted: NewKey) -> BillingKey:
    """A new billing key, not stored yet. Raises InvalidInput, also for a PG that is not known or has no keys."""
    pg_provider = require_pg(entered("pg_provider", wanted.pg_provider, LONGEST_PG)).code
    is_paid_for = pg_provider in ISSUED_BY_PAYMENT  # its payment is confirmed first, and a notification tells that
    key = BillingKey(
        id=ports.ids.new("key"),
        customer_uid=entered("customer_uid", wanted.customer_uid, LONGEST_CUSTOMER_UID, ascii_only=True, secret=True),
        pg_provider=pg_provider,
        status=KeyStatus.PENDING,
        buyer_name=_optional("buyer_name", wanted.buyer_name, LONGEST_BUYER_NAME),
        buyer_email=_optional("buyer_email", wanted.buyer_email, LONGEST_BUYER_EMAIL),
        buyer_tel=_optional("buyer_tel", wanted.buyer_tel, LONGEST_BUYER_TEL),
        created_at=moment.billing,
        next_look_at=moment.real + (FIRST_LOOK if is_paid_for else timedelta(0)),
        waits_for=KeyWait.UNREAD,
        imp_uid=_optional("imp_uid", wanted.imp_uid, LONGEST_IMP_UID),
        goodsid=_optional("goodsid", wanted.goodsid, LONGEST_GOODSID),
        issue_claim=IssueUse.OPEN if is_paid_for else IssueUse.NONE,
        external_id=entered_external_id(wanted.external_id),
        metadata=entered_metadata(wanted.metadata),
    )
    if wanted.card_expires is not None:
        key.set_expiry(entered_month(wanted.card_expires), moment.billing)
    require_buyer(pg_provider, {name: getattr(key, name) for name in BUYER})
    return key


def _optional(field: str, value: str | None, longest: int) -> str | None:
    return None if value is None else entered(field, value, longest)
