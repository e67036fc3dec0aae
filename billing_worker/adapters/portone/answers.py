"""The one parser of PortOne V1's answers. Pure: from (HTTP status, bytes) to a value, for any bytes.

The three layers of failure of V1 (HTTP status, `code`, `response.status`) are read only here. Answers that are
documented or observed as definite are listed; every other answer is Unknown, or trouble.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import simplejson

from billing_worker.adapters.masking import one_line
from billing_worker.adapters.portone.client import Answer, Result
from billing_worker.adapters.portone.envelope import (
    Envelope,
    NotUnderstood,
    OnTestChannel,
    read_envelope,
    read_integer,
    read_payment,
)
from billing_worker.adapters.portone.refusals import CARD_REFUSED, DUPLICATE, KEY_UNKNOWN, PARAMETER_MISSING
from billing_worker.adapters.portone.tokens import NoToken, Token
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.payment import (
    ChargeRequest,
    Declined,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    Trouble,
    Unknown,
)
from billing_worker.domain.proof import judge, refusal
from billing_worker.domain.refund import Answered, RefundAnswer, Refused

OK = 200
UNAUTHORIZED = 401
NOT_FOUND = 404
TOO_MANY = 429
SERVER_ERRORS = 500

NOTHING_DONE = {UNAUTHORIZED: "the gateway does not accept our key", TOO_MANY: "too many requests"}
"""With these statuses, PortOne's own envelope means that no work began. 401 is documented for every path. 429 is not
documented, but its definition says so (RFC 6585)."""

MOST_ROWS = 1000
"""Payments on one page, as the spec allows; a megabyte of tiny ones would keep a worker busy."""

LONGEST_TOKEN = 512
LONGEST_TOKEN_LIFE = 86_400
"""Seconds. The documented life is 30 minutes; more than a day is an error in the answer."""


class NotRead(Exception):
    """A read that proves nothing, with its answer."""

    def __init__(self, reason: str, evidence: Evidence) -> None:
        self.evidence = evidence
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of payments. `next_page` is None on the last one, `total` is None if the answer has none."""

    payments: Sequence[tuple[GatewayPayment, Evidence]]
    next_page: int | None = None
    total: int | None = None


Keep = Callable[[bytes], Evidence]
"""Makes evidence from a body: masked and capped."""


def outcome_of(request: ChargeRequest, answer: Answer, keep: Keep, *, test_channels: bool = False) -> Outcome:
    """The outcome that the answer to `again` proves. Never raises."""
    evidence = keep(answer.body)
    try:
        envelope = read_envelope(answer.body)
    except NotUnderstood as trouble:
        return Unknown(f"HTTP {answer.status}: {trouble}", evidence, trouble=Trouble.SERVER_ERROR)
    said = f"HTTP {answer.status}, code {shown(envelope)}"
    if answer.status in NOTHING_DONE and is_refusal(envelope):
        return Failed(f"{said}: {NOTHING_DONE[answer.status]}", evidence, trouble=trouble_of(answer.status))
    if answer.status != OK:
        return Unknown(said, evidence, trouble=trouble_of(answer.status), duplicate=_is_duplicate(envelope))
    if envelope.code != 0:
        return _refused(request, envelope, said, evidence)
    try:
        payment = read_payment(envelope.response, test_channels=test_channels)
    except NotUnderstood as trouble:
        return Unknown(f"{said}: {trouble}", evidence, alarming=isinstance(trouble, OnTestChannel))
    return judge(request, payment, evidence)


def refund_of(answer: Answer, keep: Keep, *, test_channels: bool = False) -> RefundAnswer:
    """The answer to a cancel call. Only the payment in it can prove the refund. Never raises."""
    evidence = keep(answer.body)
    try:
        envelope = read_envelope(answer.body)
        said = f"HTTP {answer.status}, code {shown(envelope)}"
        if answer.status in NOTHING_DONE and is_refusal(envelope):
            return Failed(f"{said}: {NOTHING_DONE[answer.status]}", evidence)
        if answer.status != OK or (envelope.code != 0 and envelope.response):
            return Unknown(said, evidence)
        if envelope.code != 0:
            return Refused(said, evidence)
        return Answered(read_payment(envelope.response, test_channels=test_channels), evidence)
    except NotUnderstood as trouble:
        return Unknown(f"HTTP {answer.status}: {trouble}", evidence)


def page_of(answer: Answer, keep: Keep, *, test_channels: bool = False) -> Page:
    """The payments in an answer. Raises NotUnderstood if the answer proves neither payments nor their absence."""
    envelope = read_envelope(answer.body)
    if answer.status == NOT_FOUND and is_refusal(envelope):
        return Page(())
    if answer.status != OK or envelope.code != 0:
        raise NotUnderstood(f"HTTP {answer.status}, code {shown(envelope)}")
    found = envelope.response
    if isinstance(found, list):
        return Page(_all_kept(found, keep, test_channels=test_channels))
    if isinstance(found, dict) and "list" in found:
        rows = found["list"]
        if not isinstance(rows, list):
            raise NotUnderstood("list is not an array")
        following = 0 if found.get("next") is None else read_integer(found, "next")
        return Page(_all_kept(rows, keep, test_channels=test_channels), following or None, read_integer(found, "total"))
    return Page((_kept(found, keep, test_channels=test_channels),))


def token_from(result: Result) -> Token | NoToken:
    """The access token that a call of getToken gave. An answer without one is a refusal."""
    if not isinstance(result, Answer):
        return NoToken(result.reason, result.late)
    return token_of(result)


def token_of(answer: Answer) -> Token | NoToken:
    """The access token in an answer to getToken. Never raises."""
    try:
        envelope = read_envelope(answer.body)
        if answer.status != OK or envelope.code != 0:
            return NoToken(f"HTTP {answer.status}, code {shown(envelope)}")
        found = envelope.response
        if not isinstance(found, dict):
            return NoToken("the answer has no token in it")
        value = found.get("access_token")
        life = read_integer(found, "expired_at") - read_integer(found, "now")
    except NotUnderstood as trouble:
        return NoToken(f"HTTP {answer.status}: {trouble}")
    # Visible ASCII only: the value becomes a header.
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN or not all("!" <= c <= "~" for c in value):
        return NoToken("the answer's token is malformed")
    if not 0 < life <= LONGEST_TOKEN_LIFE:
        return NoToken(f"the answer's token lives {life} seconds")
    return Token(value, float(life))


def is_unauthorized(answer: Answer) -> bool:
    """Whether PortOne itself, and not a proxy, refused the token: then the request had no effect."""
    if answer.status != UNAUTHORIZED:
        return False
    try:
        return is_refusal(read_envelope(answer.body))
    except NotUnderstood:
        return False


def is_refusal(envelope: Envelope) -> bool:
    """Whether this is a refusal of PortOne: a code, and no response."""
    return envelope.code != 0 and not envelope.response


def trouble_of(status: int) -> Trouble | None:
    """What an answer with this status says about the gateway itself."""
    if status == UNAUTHORIZED:
        return Trouble.UNAUTHORIZED
    return Trouble.SERVER_ERROR if status == TOO_MANY or status >= SERVER_ERRORS else None


def _refused(request: ChargeRequest, envelope: Envelope, said: str, evidence: Evidence) -> Outcome:
    message = envelope.message
    if envelope.response:
        return Unknown(f"{said}: a refusal that holds a response", evidence, duplicate=_is_duplicate(envelope))
    if _is_duplicate(envelope):
        return Unknown(f"{said}: the merchant_uid was used before, it may be ours", evidence, duplicate=True)
    if KEY_UNKNOWN.search(message):
        return refusal(one_line(message), evidence)
    if CARD_REFUSED.search(message):
        return Declined(normalise(request.pg_provider, message), one_line(message), evidence)
    if PARAMETER_MISSING.search(message):
        return Failed(f"{said}: the gateway misses a parameter", evidence)
    return Unknown(f"{said}: not known to be definite", evidence)


def _is_duplicate(envelope: Envelope) -> bool:
    return DUPLICATE.search(envelope.message) is not None


def _all_kept(
    rows: Sequence[object], keep: Keep, *, test_channels: bool
) -> tuple[tuple[GatewayPayment, Evidence], ...]:
    if len(rows) > MOST_ROWS:
        raise NotUnderstood(f"more than {MOST_ROWS} payments on one page")
    return tuple(_kept(row, keep, test_channels=test_channels) for row in rows)


def _kept(row: object, keep: Keep, *, test_channels: bool) -> tuple[GatewayPayment, Evidence]:
    payment = read_payment(row, test_channels=test_channels)
    try:
        text = simplejson.dumps(row, use_decimal=True, ensure_ascii=False)
    except (RecursionError, ValueError) as error:
        raise NotUnderstood("a payment is nested too deeply") from error
    return payment, keep(text.encode("utf-8", "replace"))


def shown(envelope: Envelope) -> str:
    """The code and the message of an answer, for a reason."""
    return f"{envelope.code} ({one_line(envelope.message)})" if envelope.message else str(envelope.code)
