"""A billing key in PortOne's answers: `CustomerAnnotation` of the V1 specification.

A card number may stand in it, masked as the PG masks it. Only its last digits leave this module.
"""

from collections.abc import Mapping
from typing import Any

from billing_worker.adapters.masking import one_line
from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.answers import NOT_FOUND, OK, is_refusal
from billing_worker.adapters.portone.asking import Ask
from billing_worker.adapters.portone.client import Answer
from billing_worker.adapters.portone.envelope import NotUnderstood, read_envelope
from billing_worker.adapters.portone.refusals import CUSTOMER_UNKNOWN
from billing_worker.domain.card import LONGEST_CARD_NAME, CardFacts, CardKind, is_code, last_digits
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.outside import KeyReading, StoredKey

KINDS: Mapping[object, CardKind] = {0: CardKind.CREDIT, 1: CardKind.CHECK, "0": CardKind.CREDIT, "1": CardKind.CHECK}
"""The `card_type` of the specification. Some PGs tell none."""


def read(ask: Ask, customer_uid: str) -> KeyReading:
    """The billing key as PortOne stores it, read with one call. Never raises."""
    try:
        call = requests.customer(customer_uid)
    except InvalidInput as trouble:
        return KeyReading(trouble=str(trouble))
    result = ask(call)
    return key_of(result, customer_uid) if isinstance(result, Answer) else KeyReading(trouble=result.reason)


def key_of(answer: Answer, customer_uid: str) -> KeyReading:
    """The billing key in an answer to `GET /subscribe/customers/{customer_uid}`. Never raises."""
    try:
        envelope = read_envelope(answer.body)
    except NotUnderstood as trouble:
        return KeyReading(trouble=f"HTTP {answer.status}: {trouble}")
    said = f"HTTP {answer.status}, code {envelope.code}"
    if answer.status == NOT_FOUND and is_refusal(envelope):
        return KeyReading()
    if answer.status != OK:
        return KeyReading(trouble=said)
    if envelope.code != 0:
        is_unknown = is_refusal(envelope) and CUSTOMER_UNKNOWN in envelope.message
        return KeyReading() if is_unknown else KeyReading(trouble=said)
    found = envelope.response
    if not isinstance(found, dict) or found.get("customer_uid") != customer_uid:
        return KeyReading(trouble=f"{said}: the gateway answered with another key")
    return KeyReading(stored(found))


def stored(row: Mapping[str, Any]) -> StoredKey:
    """The key in PortOne's description of it.

    Tolerant: a fact that cannot be read is not told, and the key is there all the same.
    """
    number, code = row.get("card_number"), _line(row, "card_code")
    kind = row.get("card_type")
    card = CardFacts(
        issuer=_line(row, "card_issuer_name") or _line(row, "card_name"),
        code=code if code is not None and is_code(code) else None,
        last_digits=last_digits(number) if isinstance(number, str) else None,
        kind=KINDS.get(kind) if isinstance(kind, int | str) and not isinstance(kind, bool) else None,
    )
    return StoredKey(card, pg_provider=_line(row, "pg_provider"), pg_id=_line(row, "pg_id"))


def _line(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return (one_line(value)[:LONGEST_CARD_NAME].strip() or None) if isinstance(value, str) else None
