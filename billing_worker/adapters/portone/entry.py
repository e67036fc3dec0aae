"""The calls that issue a key from card data, or delete one, and what PortOne's answers say. Nothing here raises.

No money moves here, so a wrong guess costs no customer money; yet a key that may exist is never taken for absent.
"""

from billing_worker.adapters.masking import one_line
from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.answers import NOT_FOUND, NOTHING_DONE, OK, Keep, is_refusal, shown
from billing_worker.adapters.portone.asking import Ask, Record
from billing_worker.adapters.portone.client import Answer, NoAnswer, NotSent
from billing_worker.adapters.portone.envelope import Envelope, NotUnderstood, read_envelope
from billing_worker.adapters.portone.keys import stored
from billing_worker.adapters.portone.refusals import CUSTOMER_UNKNOWN, NOT_ISSUED, PARAMETER_MISSING
from billing_worker.domain.card_entry import (
    Card,
    DeleteAnswer,
    Deleted,
    IssueAnswer,
    Issued,
    IssueRequest,
    NotDeleted,
    NotIssued,
)
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.payment import Evidence, Failed, Unknown


def issue(ask: Ask, record: Record, request: IssueRequest) -> IssueAnswer:
    """Store a card, with one call."""
    try:
        call = requests.issue(request)
    except InvalidInput as error:
        return Failed(f"not sent: {error}")
    hidden = spellings(request.card)
    match ask(call, hidden):
        case NotSent(reason, trouble):
            return Failed(f"not sent: {reason}", trouble=trouble)
        case NoAnswer(reason, head):
            return Unknown(f"no answer: {reason}", record(call, None, head, hidden))
        case Answer() as answer:
            return issue_of(answer, request.customer_uid, lambda body: record(call, answer.status, body, hidden))


def delete(ask: Ask, record: Record, customer_uid: str, reason: str, requester: str | None) -> DeleteAnswer:
    """Delete a key, with one call."""
    try:
        call = requests.delete(customer_uid, reason, requester)
    except InvalidInput as error:
        return Failed(f"not sent: {error}")
    match ask(call):
        case NotSent(why, trouble):
            return Failed(f"not sent: {why}", trouble=trouble)
        case NoAnswer(why, head):
            return Unknown(f"no answer: {why}", record(call, None, head))
        case Answer() as answer:
            return deletion_of(answer, customer_uid, lambda body: record(call, answer.status, body))


def spellings(card: Card) -> tuple[str, ...]:
    """The spellings of a card's number. They are blanked out of every answer before any other code reads it.

    The other parts are too short for that: they would blank out digits of times and sums.
    """
    number = card.reveal()["card_number"]
    return number, number.replace("-", ""), number.replace("-", " ")


def _opened(answer: Answer, evidence: Evidence) -> Envelope | Unknown | Failed:
    """The answer's envelope, unless it decides the call by itself: it is unreadable, or nothing was done."""
    try:
        envelope = read_envelope(answer.body)
    except NotUnderstood as trouble:
        return Unknown(f"HTTP {answer.status}: {trouble}", evidence)
    if answer.status in NOTHING_DONE and is_refusal(envelope):
        return Failed(f"{_said(answer, envelope)}: {NOTHING_DONE[answer.status]}", evidence)
    return envelope


def _said(answer: Answer, envelope: Envelope) -> str:
    return f"HTTP {answer.status}, code {shown(envelope)}"


def issue_of(answer: Answer, customer_uid: str, keep: Keep) -> IssueAnswer:
    """Whether PortOne stored the card."""
    evidence = keep(answer.body)
    envelope = _opened(answer, evidence)
    if not isinstance(envelope, Envelope):
        return envelope
    said = _said(answer, envelope)
    if answer.status != OK:
        return Unknown(said, evidence)
    definite = NOT_ISSUED.search(envelope.message) or PARAMETER_MISSING.search(envelope.message)
    if is_refusal(envelope) and definite:
        return NotIssued(one_line(envelope.message), evidence)
    if envelope.code == 0 and _names(envelope, customer_uid):
        return Issued(evidence, stored(envelope.response).card)
    return Unknown(f"{said}: neither a stored key nor a definite refusal", evidence)


def deletion_of(answer: Answer, customer_uid: str, keep: Keep) -> DeleteAnswer:
    """Whether PortOne has the key no more. An unknown key (HTTP 404, or 200 with code 1) is one that is gone."""
    evidence = keep(answer.body)
    envelope = _opened(answer, evidence)
    if not isinstance(envelope, Envelope):
        return envelope
    said = _said(answer, envelope)
    if answer.status == NOT_FOUND and is_refusal(envelope):
        return Deleted(evidence)
    if answer.status != OK or (envelope.code != 0 and not is_refusal(envelope)):
        return Unknown(said, evidence)
    if envelope.code != 0:
        return Deleted(evidence) if CUSTOMER_UNKNOWN in envelope.message else NotDeleted(said, evidence)
    return Deleted(evidence) if _names(envelope, customer_uid) else Unknown(said, evidence)


def _names(envelope: Envelope, customer_uid: str) -> bool:
    found = envelope.response
    return isinstance(found, dict) and found.get("customer_uid") == customer_uid
