"""The table of behaviours of a charge, as data.

Prefixes of a customer_uid, test card numbers, the names used by control endpoints and the table in docs/sandbox.md all
come from `BEHAVIOURS`. A behaviour has three parts: its effect on the books, the answer to the caller, and later
events. They differ in all the interesting cases.
"""

from dataclasses import dataclass
from enum import StrEnum

from billing_worker.sandbox import texts


class Evidence(StrEnum):
    """The source of our knowledge about the real gateway."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    INFERRED = "inferred"


class Books(StrEnum):
    """The effect of the call on the gateway's books."""

    PAID = "paid"
    FAILED = "failed"
    READY = "ready"
    PENDING = "pending"
    SETTLING = "settling"  # not a status of PortOne: a new enum value
    NOTHING = "nothing"


class Reply(StrEnum):
    """The answer to the caller."""

    PAYMENT = "payment"  # HTTP 200, code 0, the payment as in the books
    AMOUNT_TEXT = "amount_text"  # as PAYMENT, amounts as strings
    NEW_FIELDS = "new_fields"  # as PAYMENT, with unknown fields
    REFUSAL = "refusal"  # HTTP 200 with a code other than 0
    DROP = "drop"  # the connection is closed without an answer
    CUT = "cut"  # headers and half of the body, then the connection is closed
    TRUNCATED = "truncated"  # a complete HTTP answer with half of the JSON
    GARBLED = "garbled"  # HTTP 200 with bytes that are not JSON
    ERROR_JSON = "error_json"
    ERROR_HTML = "error_html"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMIT = "rate_limit"
    REDIRECT = "redirect"


class Webhook(StrEnum):
    """When the webhook for the booking is sent, relative to the answer."""

    AFTER = "after"
    BEFORE = "before"
    NEVER = "never"
    TWICE = "twice"
    LATE = "late"  # after options.late_after virtual seconds, behind the webhooks of later payments


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One row of the table."""

    name: str
    summary: str
    evidence: Evidence = Evidence.INFERRED
    card: str = ""  # the test card number that chooses it at issuance
    books: Books = Books.PAID
    reply: Reply = Reply.PAYMENT
    reason: str = ""  # key into texts.REASONS
    code: int = -1  # of a REFUSAL
    message: str = ""  # of a REFUSAL; empty: communication error
    http: int = 500  # of an ERROR_*
    retry_after: str = ""
    slow_before: bool = False  # waits options.slow_seconds, then the money moves
    slow_after: bool = False  # the money moves, then waits options.slow_seconds
    webhook: Webhook = Webhook.AFTER
    then: str = ""  # the later state of the payment: paid | cancelled | shown
    then_after: float | None = None  # virtual seconds; None: options.late_after
    racy: bool | None = None  # None: as options.serialised says
    nameless: bool = False  # no answer and no read names the customer_uid of this payment
    hidden: bool = False  # no read shows this payment, until it is shown (`then="shown"`, or by control)


D, O, I = Evidence.DOCUMENTED, Evidence.OBSERVED, Evidence.INFERRED  # noqa: E741 - one letter keeps the table readable
DAYS = 86_400.0


def _declines() -> tuple[Behaviour, ...]:
    rows = (
        ("limit", "4000-0000-0000-1001", "the card's limit is exceeded: soft, may work next month"),
        ("daily", "4000-0000-0000-1002", "the day's limit is exceeded: soft, may work tomorrow"),
        ("balance", "4000-0000-0000-1003", "the balance is too low: soft"),
        ("stolen", "4000-0000-0000-1004", "lost or stolen: hard"),
        ("expired", "4000-0000-0000-1005", "the card has expired: hard"),
        ("suspended", "4000-0000-0000-1006", "the card is suspended: hard"),
        ("reissued", "4000-0000-0000-1007", "the card was replaced by a new one: hard"),
        ("number", "4000-0000-0000-1008", "the card number is unknown: hard"),
        ("arrears", "4000-0000-0000-1009", "the holder is in arrears"),
        ("fraud", "4000-0000-0000-1010", "fraud is suspected: hard"),
        ("refused", "4000-0000-0000-1011", "the issuer refuses without a reason: ambiguous"),
        ("key-gone", "4000-0000-0000-1012", "the PG no longer has the billing key: hard"),
        ("system", "4000-0000-0000-1013", "the issuer's system is down: not the customer's fault"),
        ("pg-duplicate", "4000-0000-0000-1014", "the PG calls the order a duplicate: look before you charge again"),
        ("no-text", "4000-0000-0000-1015", "no fail_reason at all"),
    )
    return tuple(
        Behaviour(name=f"decline-{reason}", summary=summary, evidence=D, card=card, books=Books.FAILED, reason=reason)
        for reason, card, summary in rows
    )


def _table() -> tuple[Behaviour, ...]:
    failed, nothing = Books.FAILED, Books.NOTHING
    refusal, drop = Reply.REFUSAL, Reply.DROP
    row = Behaviour
    return (
        row(name="ok", summary="approved", evidence=D, card="4242-4242-4242-4242"),
        row(name="webhook-before", summary="approved; the webhook comes before the answer", evidence=O,
            card="4000-0000-0000-2001", webhook=Webhook.BEFORE),
        row(name="webhook-never", summary="approved; the webhook is lost", evidence=D, card="4000-0000-0000-2002",
            webhook=Webhook.NEVER),
        row(name="webhook-twice", summary="approved; the webhook comes twice", evidence=D, card="4000-0000-0000-2003",
            webhook=Webhook.TWICE),
        row(name="webhook-late", summary="approved; the webhook comes after late_after, behind those of later payments",
            evidence=D, card="4000-0000-0000-2006", webhook=Webhook.LATE),
        row(name="amount-string", summary='approved; amounts are strings in the answer ("8900")', evidence=I,
            card="4000-0000-0000-2004", reply=Reply.AMOUNT_TEXT),
        row(name="new-fields", summary="approved; the answer has unknown fields", evidence=D,
            card="4000-0000-0000-2005", reply=Reply.NEW_FIELDS),
        row(name="no-customer-uid", summary="approved; neither the answer nor any read names the customer_uid",
            evidence=I, card="4000-0000-0000-2007", nameless=True),
        row(name="listed-late", summary="approved; no read shows the payment until late_after: the books lag",
            evidence=I, card="4000-0000-0000-2008", hidden=True, then="shown"),
        row(name="racy", summary="approved; concurrent calls with one merchant_uid may both be charged", evidence=I,
            racy=True),
        row(name="serialised", summary="approved; concurrent calls with one merchant_uid wait for each other",
            evidence=I, racy=False),
        *_declines(),
        row(name="refuse-buyer", summary="code 1, unknown customer_uid", evidence=O, card="4000-0000-0000-3001",
            books=nothing, reply=refusal, code=1, message=texts.UNKNOWN_BUYER),
        row(name="refuse-duplicate", summary="code 1, duplicate merchant_uid, although nothing was charged under it",
            evidence=I, card="4000-0000-0000-3002", books=nothing, reply=refusal, code=1, message=texts.DUPLICATE),
        row(name="refuse-contract", summary="code -1, the merchant has no billing contract", evidence=O,
            card="4000-0000-0000-3003", books=nothing, reply=refusal, message=texts.NOT_CONTRACTED),
        row(name="comm-error", summary="code -1, PG communication error; not charged", evidence=D,
            card="4000-0000-0000-3004", books=nothing, reply=refusal, message=texts.COMMUNICATION),
        row(name="comm-error-charged", summary="code -1, PG communication error; but charged", evidence=I,
            card="4000-0000-0000-3005", reply=refusal, message=texts.COMMUNICATION),
        row(name="drop-after-charge", summary="charged, then the connection closes without an answer", evidence=I,
            card="4000-0000-0000-4001", reply=drop),
        row(name="drop-before-charge", summary="the connection closes without an answer; not charged", evidence=I,
            card="4000-0000-0000-4002", books=nothing, reply=drop),
        row(name="cut-body", summary="charged; the connection closes in the middle of the answer", evidence=I,
            card="4000-0000-0000-4003", reply=Reply.CUT),
        row(name="truncated", summary="charged; the answer is half a JSON text", evidence=I,
            card="4000-0000-0000-4004", reply=Reply.TRUNCATED),
        row(name="garbled", summary="charged; the answer is HTTP 200 and not JSON", evidence=I, reply=Reply.GARBLED),
        row(name="slow", summary="waits slow_seconds, then charges and answers", evidence=I,
            card="4000-0000-0000-4005", slow_before=True),
        row(name="slow-answer", summary="charges at once, answers after slow_seconds", evidence=I,
            card="4000-0000-0000-4006", slow_after=True),
        row(name="slow-nothing", summary="waits slow_seconds, then code -1; not charged", evidence=I,
            card="4000-0000-0000-4007", books=nothing, reply=refusal, message=texts.COMMUNICATION, slow_before=True),
        row(name="error500", summary="HTTP 500 with a JSON envelope; not charged", evidence=I,
            card="4000-0000-0000-5001", books=nothing, reply=Reply.ERROR_JSON),
        row(name="error500-charged", summary="HTTP 500 with a JSON envelope; charged", evidence=I,
            card="4000-0000-0000-5002", reply=Reply.ERROR_JSON),
        row(name="error502-html", summary="HTTP 502 with an HTML page; not charged", evidence=I,
            card="4000-0000-0000-5003", books=nothing, reply=Reply.ERROR_HTML, http=502),
        row(name="error502-html-charged", summary="HTTP 502 with an HTML page; charged", evidence=I,
            card="4000-0000-0000-5004", reply=Reply.ERROR_HTML, http=502),
        row(name="error503", summary="HTTP 503 with a JSON envelope; not charged", evidence=I,
            books=nothing, reply=Reply.ERROR_JSON, http=503),
        row(name="error401", summary="HTTP 401 Unauthorized envelope; not charged", evidence=O,
            card="4000-0000-0000-5005", books=nothing, reply=Reply.UNAUTHORIZED),
        row(name="rate-limit", summary="HTTP 429 with Retry-After: 2; not charged", evidence=I,
            card="4000-0000-0000-5006", books=nothing, reply=Reply.RATE_LIMIT, retry_after="2"),
        row(name="rate-limit-odd", summary="HTTP 429 with a Retry-After of the past, as a date; not charged",
            evidence=I, books=nothing, reply=Reply.RATE_LIMIT, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"),
        row(name="redirect", summary="HTTP 307 to an address that would charge; not charged by itself", evidence=I,
            card="4000-0000-0000-5007", books=nothing, reply=Reply.REDIRECT),
        row(name="late-approval", summary="declined, turns paid after late_after, with a webhook", evidence=D,
            card="4000-0000-0000-6001", books=failed, reason="system", then="paid"),
        row(name="late-approval-days", summary="declined, turns paid after three days", evidence=I,
            card="4000-0000-0000-6002", books=failed, reason="system", then="paid", then_after=3 * DAYS),
        row(name="late-error", summary="code -1 Internal error, turns paid after late_after, with a webhook",
            evidence=D, card="4000-0000-0000-6003", books=failed, reason="system", reply=refusal,
            message=texts.INTERNAL_ERROR, then="paid"),
        row(name="net-cancel", summary="code -1 communication error, charged, and taken back after late_after",
            evidence=I, card="4000-0000-0000-6004", reply=refusal, message=texts.COMMUNICATION, then="cancelled"),
        row(name="status-ready", summary="code 0, status ready; turns paid after late_after", evidence=I,
            card="4000-0000-0000-6005", books=Books.READY, then="paid"),
        row(name="status-pending", summary="code 0, status pending (paypal_v2); turns paid after late_after",
            evidence=D, card="4000-0000-0000-6006", books=Books.PENDING, then="paid"),
        row(name="status-unknown", summary="code 0, status `settling`, a value that does not exist; turns paid later",
            evidence=D, card="4000-0000-0000-6007", books=Books.SETTLING, then="paid"),
    )  # fmt: skip


BEHAVIOURS: dict[str, Behaviour] = {row.name: row for row in _table()}
BY_CARD: dict[str, Behaviour] = {row.card.replace("-", ""): row for row in BEHAVIOURS.values() if row.card}
OK = BEHAVIOURS["ok"]
