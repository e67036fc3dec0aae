"""Register billing keys that PortOne already stores."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

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
    first_status,
)
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.moment import Moment
from billing_worker.domain.pgs.rules import require_buyer, require_pg
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.confirm import FIRST_LOOK

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
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None


def register_key(ports: Ports, wanted: NewKey) -> BillingKey:
    """Register a billing key that PortOne already stores. Raises InvalidInput, or Conflict for a known one."""
    moment = ports.clock.moment()
    key = new_key(ports, moment, wanted)
    with ports.database.transaction() as uow:
        uow.keys.add(key)
        note(ports, uow, Verb.KEY_REGISTERED, key.id, at=moment.real)
        uow.commit()
    return key


def new_key(ports: Ports, moment: Moment, wanted: NewKey) -> BillingKey:
    """A new billing key, not stored yet. Raises InvalidInput, also for a PG that is not known or has no keys."""
    pg_provider = require_pg(entered("pg_provider", wanted.pg_provider, LONGEST_PG)).code
    status = first_status(pg_provider)
    key = BillingKey(
        id=ports.ids.new("key"),
        customer_uid=entered("customer_uid", wanted.customer_uid, LONGEST_CUSTOMER_UID, ascii_only=True, secret=True),
        pg_provider=pg_provider,
        status=status,
        buyer_name=_optional("buyer_name", wanted.buyer_name, LONGEST_BUYER_NAME),
        buyer_email=_optional("buyer_email", wanted.buyer_email, LONGEST_BUYER_EMAIL),
        buyer_tel=_optional("buyer_tel", wanted.buyer_tel, LONGEST_BUYER_TEL),
        created_at=moment.billing,
        activated_at=moment.billing if status is KeyStatus.ACTIVE else None,
        next_look_at=moment.real + FIRST_LOOK if status is KeyStatus.PENDING else None,
        goodsid=_optional("goodsid", wanted.goodsid, LONGEST_GOODSID),
        issue_claim=IssueUse.OPEN if pg_provider in ISSUED_BY_PAYMENT else IssueUse.NONE,
        external_id=entered_external_id(wanted.external_id),
        metadata=entered_metadata(wanted.metadata),
    )
    require_buyer(pg_provider, {name: getattr(key, name) for name in BUYER})
    return key


def _optional(field: str, value: str | None, longest: int) -> str | None:
    return None if value is None else entered(field, value, longest)
