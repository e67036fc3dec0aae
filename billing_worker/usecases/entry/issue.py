"""Issue a billing key from card data: the intent, the call, the result.

The card is in memory for the one call. A missing or unclear answer is never followed by a second call: reads of the key
find out what became of it (`calls`).
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, BillingKey, KeyStatus
from billing_worker.domain.card_entry import Card, IssueAnswer, Issued, IssueRequest, NotIssued
from billing_worker.domain.errors import Conflict, InvalidInput, SettingsInvalid
from billing_worker.domain.key_call import CallKind, CallStatus, KeyCall
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence, Failed
from billing_worker.domain.pgs.facts import Flow
from billing_worker.domain.pgs.rules import named, require_issue, require_pg
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.entry.replace import follow
from billing_worker.usecases.entry.result import conclude_issue, lock_for_result
from billing_worker.usecases.key.register import NewKey, new_key
from billing_worker.usecases.settle.record import retry_write

LONGEST_CHANNEL_KEY = 55
LONGEST_CUSTOMER_ID = 50
"""PortOne's limit of a channel key; Toss's limit of a customer (PortOne names none)."""

CARD_ENTRY_OFF = (
    "BILLING_CARD_ENTRY: is off, so no card data are taken here; let the customer enter the card in PortOne's payment"
    " window, or set it to true after reading docs/card-entry.md"
)


@dataclass(frozen=True, slots=True)
class NewCard:
    """A caller's description of a key to issue; `request_issue` checks it."""

    customer_uid: str = field(repr=False)
    pg_provider: str
    card: Card
    _: KW_ONLY
    channel_key: str | None = None
    customer_id: str | None = None
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None
    replaces: str | None = None
    """The key whose subscriptions are charged to the new one."""
    deletes_replaced: bool = False


def in_place_of(ports: Ports, key_id: str, card: Card, customer_uid: str | None = None) -> NewCard:
    """A key for another card of the same customer, at the same PG. Raises NotFound.

    Without a `customer_uid` it gets a random one: issuing under the old one would overwrite the old key at PortOne, and
    not revoke it at the PG.
    """
    with ports.database.transaction() as uow:
        old = uow.keys.get(key_id)
    return NewCard(
        customer_uid or ports.ids.new("card"),
        old.pg_provider,
        card,
        buyer_name=old.buyer_name,
        buyer_email=old.buyer_email,
        buyer_tel=old.buyer_tel,
        replaces=old.id,
    )


@dataclass(frozen=True, slots=True)
class Issuing:
    """An issue whose intent is stored. It holds the card, until its call has ended."""

    key: BillingKey
    call_id: str
    lease_until: datetime
    request: IssueRequest


def issue_key(ports: Ports, wanted: NewCard) -> BillingKey:
    """Issue a key; returns it active, invalid with the reason, or pending while the result is unclear.

    Raises as `request_issue`.
    """
    issuing = request_issue(ports, wanted)
    finish_issue(ports, issuing)
    with ports.database.transaction() as uow:
        return uow.keys.get(issuing.key.id)


def finish_issue(ports: Ports, issuing: Issuing) -> None:
    """All that follows the intent. Raises Unavailable if the result cannot be written down: then reads find it out."""
    place_issue(ports, issuing)
    follow(ports, issuing.call_id)


def request_issue(ports: Ports, wanted: NewCard) -> Issuing:
    """Act one: store the pending key and the intent. Nothing of the card is stored.

    Raises SettingsInvalid while card entry is off, InvalidInput, also for a PG that issues no keys by the API, and
    Conflict for a customer_uid that is known here: one customer_uid stands for one card.
    """
    with ports.database.transaction() as uow:
        issuing = add_issue(ports, uow, wanted, ports.clock.moment())
        uow.commit()
    return issuing


def add_issue(ports: Ports, uow: UnitOfWork, wanted: NewCard, moment: Moment) -> Issuing:
    """Act one, within the caller's transaction. Raises as `request_issue`."""
    if not ports.card_entry:
        raise SettingsInvalid(CARD_ENTRY_OFF)
    request = _checked(wanted)
    buyer = {"buyer_name": wanted.buyer_name, "buyer_email": wanted.buyer_email, "buyer_tel": wanted.buyer_tel}
    described = NewKey(
        wanted.customer_uid,
        wanted.pg_provider,
        **buyer,
        card_expires=wanted.card.expires,
        external_id=wanted.external_id,
        metadata=wanted.metadata,
    )
    key = replace(new_key(ports, moment, described), next_look_at=None)  # the call is looked at, not the key
    # Two calls at most: a read and the issue. Later, it is not sent any more.
    lease_until = moment.real + timedelta(seconds=3 * ports.timing.http_deadline)
    call = KeyCall(
        id=ports.ids.new("kc"),
        key_id=key.id,
        kind=CallKind.ISSUE,
        status=CallStatus.OPEN,
        created_at=moment.billing,
        lease_until=lease_until,
        next_step_at=lease_until,
        replaces=wanted.replaces,
        deletes_replaced=wanted.deletes_replaced,
    )
    if wanted.replaces is not None and uow.keys.get(wanted.replaces).status is KeyStatus.DELETED:
        raise Conflict(f"billing key {wanted.replaces} is deleted: it pays for nothing", field="replaces")
    uow.keys.add(key)
    uow.key_calls.add(call)
    note(ports, uow, Verb.KEY_ISSUE_REQUESTED, key.id, at=moment.real)
    request = replace(
        request,
        customer_uid=key.customer_uid,
        buyer_name=key.buyer_name,
        buyer_email=key.buyer_email,
        buyer_tel=key.buyer_tel,
    )
    return Issuing(key, call.id, lease_until, request)


def _checked(wanted: NewCard) -> IssueRequest:
    pg = require_pg(entered("pg_provider", wanted.pg_provider, 40), Flow.ISSUE)
    if pg.code in ISSUED_BY_PAYMENT:
        problem = f"{named(pg)} issues a key with a payment, in the payment window only"
        raise InvalidInput("pg_provider", None, problem)
    channel = wanted.channel_key and entered("channel_key", wanted.channel_key, LONGEST_CHANNEL_KEY, ascii_only=True)
    customer = wanted.customer_id and entered("customer_id", wanted.customer_id, LONGEST_CUSTOMER_ID)
    given = set(wanted.card.given)
    given |= {"customer_name"} if wanted.buyer_name else set()
    given |= {"customer_id"} if customer else set()
    require_issue(pg.code, given)
    return IssueRequest(wanted.customer_uid, pg.code, wanted.card, channel or None, customer or None)


def place_issue(ports: Ports, issuing: Issuing) -> None:
    """Acts two and three: read the customer_uid, send the card once, and note the result.

    A key that PortOne has already would be overwritten there, and not revoked at the PG; and a read after an unclear
    answer would prove nothing. So nothing is sent then.
    """
    known = ports.gateway.read_key(issuing.request.customer_uid).known
    if known is None:
        answer: IssueAnswer = Failed("PortOne could not be read first")
    elif known:
        answer = Failed(TAKEN)
    elif not _sending(ports, issuing):
        return
    else:
        answer = ports.gateway.issue_key(issuing.request)
    retry_write(lambda: _record(ports, issuing, answer, taken=bool(known)))


def _sending(ports: Ports, issuing: Issuing) -> bool:
    """Note, before the first byte, that the card may reach PortOne; False if this process stalled for too long."""
    with ports.database.transaction() as uow:
        uow.keys.lock(issuing.key.id)
        call = uow.key_calls.get(issuing.call_id)
        ends_at = ports.clock.moment().real + timedelta(seconds=ports.timing.http_deadline)
        if not call.is_open or ends_at > call.lease_until:
            return False
        call.sent = True
        uow.key_calls.save(call)
        uow.commit()
    return True


TAKEN = (
    "PortOne already has a key under this customer_uid. Issuing would overwrite it there, and the PG would keep the old"
    " key. It was left as it is; take another customer_uid"
)


def _record(ports: Ports, issuing: Issuing, answer: IssueAnswer, *, taken: bool) -> None:
    """Act three. A worker that found out the result meanwhile has noted it."""
    with ports.database.transaction() as uow:
        key = lock_for_result(uow, issuing.key.id)
        call = uow.key_calls.get(issuing.call_id)
        moment = ports.clock.moment()
        evidence: Evidence | None = answer.evidence
        if evidence is not None:
            kept = uow.keep_evidence(None, evidence, moment.real)
            call.evidence_id = kept
        if call.is_open:
            match answer:
                case Issued():
                    key.show_card(answer.card, moment.billing)
                    conclude_issue(uow, key, call, CallStatus.DONE, moment)
                case NotIssued(reason):
                    conclude_issue(uow, key, call, CallStatus.REFUSED, moment, reason)
                case Failed(reason):
                    ended = CallStatus.TAKEN if taken else CallStatus.REFUSED
                    conclude_issue(uow, key, call, ended, moment, f"nothing was stored: {reason}")
                case _:
                    call.note = answer.reason
                    # This process asks no more: the reads may begin.
                    call.lease_until = moment.real
                    call.look_again(ports.timing.next_look(call.looks, moment.real))
        uow.key_calls.save(call)
        uow.commit()
