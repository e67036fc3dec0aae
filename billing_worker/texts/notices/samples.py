"""Invented facts: for previews, and to check a merchant's templates before a customer needs them."""

from collections.abc import Sequence

from billing_worker.domain.notices.notice import FORESEEN, NoticeKind
from billing_worker.ports.notices import Facts

LINK = "https://billing.example.com/card/cs_0123456789abcdef.1767229200.sample"

_FULL: Facts = {
    "customer": "user-42",
    "customer_name": "홍길동",
    "product": "베이직",
    "amount": 9900,
    "currency": "KRW",
    "timezone": "Asia/Seoul",
    "subscription_id": "sub_0123456789abcdef",
    "invoice_id": "inv_0123456789abcdef",
    "charge_at": "2026-03-01T00:00:00+00:00",
    "period_start": "2026-03-01T00:00:00+00:00",
    "period_end": "2026-04-01T00:00:00+00:00",
    "next_attempt_at": "2026-03-02T00:00:00+00:00",
    "given_up_at": None,
    "win_back": False,
    "decline_category": "limit",
    "card_issuer": "신한카드",
    "card_last_digits": "1234",
    "card_expires_on": "2026-02-28",
    "card_link": LINK,
}

_LITTLE = dict.fromkeys(
    ("customer_name", "timezone", "decline_category", "card_issuer", "card_last_digits", "card_link")
)
_SINGLE = dict.fromkeys(("subscription_id", "period_start", "period_end"))
_COMING = dict.fromkeys(("invoice_id", "period_start", "period_end", "next_attempt_at", "decline_category"))
_DEAD = {"next_attempt_at": None, "given_up_at": "2026-03-17T00:00:00+00:00"}


def sample(kind: NoticeKind) -> Facts:
    """The facts of an ordinary notice of this kind."""
    return samples(kind)[0]


def samples(kind: NoticeKind) -> Sequence[Facts]:
    """Facts of each form that a notice of this kind can have, the ordinary one first."""
    if kind in FORESEEN:
        full = {**_FULL, **_COMING}
        return full, {**full, **_LITTLE}
    if kind in (NoticeKind.RECOVERED, NoticeKind.GIVEN_UP):
        full = {**_FULL, "next_attempt_at": None, "card_expires_on": None}
        again = {**full, "next_attempt_at": "2026-04-16T00:00:00+00:00", "win_back": True}
        return full, {**full, **_LITTLE, **_SINGLE}, *((again,) if kind is NoticeKind.GIVEN_UP else ())
    full = {**_FULL, "card_expires_on": None}
    return (
        full,
        {**full, **_LITTLE, **_SINGLE},
        {**full, **_DEAD},
        {**full, **_LITTLE, **_DEAD},
        {**full, "next_attempt_at": None},
        {**full, "win_back": True},
    )
