"""Classify a decline by its free text: the words of the PG, which the gateway forwards.

The order of the rules matters: a text such as `거래불가카드(일최대승인한도초과)` must read as a limit (soft), while
`비밀번호 오류횟수초과` is wrong card data (hard), although both contain 초과.
"""

import re

from billing_worker.domain.payment import DeclineKind

_RULES: tuple[tuple[re.Pattern[str], DeclineKind], ...] = (
    # The merchant's contract, or the monthly use limit of a good key: the customer's key stays.
    (re.compile(r"(?:정지|해지|미등록)\)? ?(?:가맹점|업체)|불가 가맹점|가맹점 ?오류"), DeclineKind.SOFT),
    (re.compile(r"쇼핑몰 ?(?:사업자번호|계약)|하위몰|SID.*초과"), DeclineKind.SOFT),
    (re.compile(r"비밀번호|주민번호|사업자번호|생년월일"), DeclineKind.HARD),
    (re.compile(r"분실|도난|해지|유효기간|유효기한|카드번호|미등록카드|재발급|부정|정지"), DeclineKind.HARD),
    (re.compile(r"거래제한.{0,6}카드|미수령|신규발급|신용불량|불량회원|사용불가한? ?카드"), DeclineKind.HARD),
    (re.compile(r"등록되지 않은 구매자|빌키|빌링 ?키|\b[BS]ID(?![A-Za-z])"), DeclineKind.HARD),
    (re.compile(r"lost|stolen|expired|invalid card", re.IGNORECASE), DeclineKind.HARD),
)
"""Every other text is soft: limits, balances, a busy issuer, and unknown texts."""


def kind_of(reason: str) -> DeclineKind:
    """Whether a refused payment may work later (soft) or never again on this key (hard)."""
    for pattern, kind in _RULES:
        if pattern.search(reason):
            return kind
    return DeclineKind.SOFT
