"""Every code and text of the PGs' books: a hard one is never tried again, and no other one costs a customer the key."""

from collections.abc import Mapping

import pytest

from billing_worker.domain.declines.normaliser import BOOKS, normalise
from billing_worker.domain.declines.reasons import ADVICE, Advice, Category
from tests.domain.decline_facts import (
    HARD_CODES,
    HARD_TEXTS,
    MERCHANT_CODES,
    MERCHANT_TEXTS,
    TECHNICAL_CODES,
    TECHNICAL_TEXTS,
)

RETRY = (Advice.RETRY_SOON, Advice.BETTER_DAY)
HARD = HARD_TEXTS.strip().splitlines()
GOOD_KEY = [*MERCHANT_TEXTS.strip().splitlines(), *TECHNICAL_TEXTS.strip().splitlines()]
FORMS = (
    "{text}",
    "[{code}]{text}",
    "[{code}] {text}",
    "{code}: {text}",
    "{text} ({code})",
    "카드정보 인증 및 빌키 발급에 실패하였습니다. [{code}]{text}",
    "[400]Error From NICEPAY. (message: {text}, code:{code})",
    "[{code}]{text} (홍길동, 승인번호 12345678, 2026-11-30 13:01:02, 9,900원)",
)
"""How PortOne forwards a text, with and without its code, and with a customer's own values in it."""


@pytest.mark.fm("L26")
@pytest.mark.parametrize("form", FORMS)
def test_no_hard_text_is_tried_again_in_any_form(form: str) -> None:
    wrong = [text for text in HARD if normalise("any", form.format(text=text, code="ZZ99")).advice in RETRY]
    assert wrong == []


@pytest.mark.fm("L26")
@pytest.mark.parametrize("form", FORMS)
def test_no_text_about_the_merchant_or_a_failure_costs_the_key_in_any_form(form: str) -> None:
    readings = {text: normalise("any", form.format(text=text, code="ZZ99")).advice for text in GOOD_KEY}
    assert [text for text, advice in readings.items() if advice is Advice.ANOTHER_CARD] == []


@pytest.mark.fm("L26")
def test_no_hard_code_is_tried_again_and_no_other_costs_the_key_even_without_words() -> None:
    for pg, code in _each(HARD_CODES):
        assert normalise(pg, f"[{code}]").advice not in RETRY, (pg, code)
    for table in (MERCHANT_CODES, TECHNICAL_CODES):
        for pg, code in _each(table):
            assert normalise(pg, f"[{code}]").advice is not Advice.ANOTHER_CARD, (pg, code)


def test_most_texts_of_a_failure_are_tried_again_soon() -> None:
    texts = TECHNICAL_TEXTS.strip().splitlines()
    others = [text for text in texts if normalise("any", text).advice is not Advice.RETRY_SOON]
    assert len(others) <= len(texts) // 20, others


def test_at_most_one_text_in_twenty_is_not_understood() -> None:
    texts = [*HARD, *GOOD_KEY]
    unknown = [text for text in texts if normalise("any", text).category is Category.UNKNOWN]
    assert len(unknown) <= len(texts) // 20, unknown


@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
def test_a_text_that_was_read_with_the_wrong_code_page_still_says_what_it_says(wrong: str) -> None:
    for text in ("분실카드", "정지카드", "한도초과", "카드사 시스템 장애"):
        broken = text.encode("utf-8").decode(wrong, "replace")
        if "\ufffd" not in broken:
            assert normalise("any", broken) == normalise("any", text)
    assert normalise("any", "분실카드".encode("cp949").decode("latin-1")) == normalise("any", "분실카드")
    assert normalise("any", "분실카드".encode("cp949").decode("utf-8", "surrogateescape")) == normalise(
        "any", "분실카드"
    )


@pytest.mark.parametrize(
    ("pg", "text", "code", "category"),
    [
        ("kcp", "[CC43]", "CC43", Category.LOST_OR_STOLEN),
        ("kcp", "CC43", "CC43", Category.LOST_OR_STOLEN),
        ("KCP", "[cc43]", "CC43", Category.LOST_OR_STOLEN),
        ("nice_v2", "[400]Error From NICEPAY. (message: 비밀번호틀림, code:F113)", "F113", Category.WRONG_CARD_DATA),
        ("nice_v2", "[3095]거래거절 한도초과", "3095", Category.LIMIT),  # the code only says that the issuer refused
        ("nice_v2", "[3095]", "3095", Category.ISSUER_REFUSED),
        ("nice_v2", "[3011]카드번호 오류", "3011", Category.WRONG_CARD_DATA),
        ("paymentwall", "[3011]", "3011", Category.BALANCE),  # the same number means another thing at another PG
        ("html5_inicis.INIpayTest", "[1226]", "1226", Category.LOST_OR_STOLEN),
        ("tosspayments", "[REJECT_CARD_PAYMENT]", "REJECT_CARD_PAYMENT", Category.LIMIT),
        ("tosspayments", "1 일 한도초과", None, Category.LIMIT),  # 1 is a code at this PG, and here it is none
        ("smartro_v2", "[XX99]", "XX99", Category.UNKNOWN),
        ("smartro_v2", "[NOT_ENOUGH_BALANCE]", "NOT_ENOUGH_BALANCE", Category.BALANCE),
        ("kcp", "[4111111111111111]카드번호 오류", None, Category.WRONG_CARD_DATA),  # a card number is no code
        ("", "", None, Category.UNKNOWN),
        ("", "\x00\ud800분실", None, Category.LOST_OR_STOLEN),
        ("kcp", "분실카드" + "가" * 1_000_000, None, Category.LOST_OR_STOLEN),
    ],
)
def test_codes_and_words_are_found_in_each_form(pg: str, text: str, code: str | None, category: Category) -> None:
    found = normalise(pg, text)
    assert (found.code, found.category) == (code, category)


UNSEEN = {
    Advice.ANOTHER_CARD: [
        *(
            "고객님의 카드는 사용이 정지된 카드입니다",
            "해당 카드는 분실신고가 접수된 카드입니다.",
            "카드 유효기간이 지났습니다",
        ),
        *(
            "유효하지 않은 카드입니다",
            "빌링키가 존재하지 않습니다",
            "삭제된 빌링키",
            "탈회카드",
            "도용이 의심되는 카드",
        ),
        *(
            "잘못된 카드번호입니다. 잠시 후 다시 시도해주세요",
            "고객 요청으로 자동결제 해지",
            "홍길동님의 카드(1234)가 거래정지 상태입니다",
        ),
        *("Your card has expired.", "The card was reported lost", "Card blocked by cardholder", "Invalid CVV"),
        *("Incorrect card number", "Billing key not found", "Suspected fraud"),
    ],
    Advice.BETTER_DAY: [
        *(
            "결제 한도를 초과하였습니다",
            "계좌 잔액이 부족하여 결제가 실패했습니다. 잔액: 1,200원",
            "체크카드 잔고 부족",
        ),
        *(
            "카드사에서 정기결제를 거절하였습니다",
            "연체로 인한 거래정지",
            "Do not honour",
            "Insufficient funds",
            "Your card was declined.",
        ),
    ],
    Advice.RETRY_SOON: [
        *(
            "은행 점검시간입니다 (23:30~00:30)",
            "카드사 응답 없음",
            "거래 시간이 초과되었습니다",
            "네트워크 오류",
            "알 수 없는 오류가 발생했습니다",
        ),
        *(
            "(PG사 결제 장애) Internal error",
            "카드사 점검중입니다. 다른 카드를 이용해 주세요",
            "Gateway timeout",
            "issuer unavailable",
        ),
    ],
    Advice.FIX_CONFIGURATION: [
        *(
            "가맹점 계약이 해지되었습니다",
            "상점아이디(MID)가 존재하지 않습니다",
            "허용되지 않은 IP",
            "결제 금액이 최소 금액보다 작습니다",
        ),
        *(
            '["card_number"] 파라메터는 필수입니다.',
            "고객사 요청에 의해 결제를 중단합니다. (상세사유 : 재고 없음)",
            "invalid api key",
        ),
    ],
    Advice.ASK_GATEWAY: [
        *(
            "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)",
            "Duplicate order id",
            "asdf qwer",
        ),
    ],
}
"""Texts in no book: PortOne's own, other PGs', and plain sentences."""


@pytest.mark.parametrize(("advice", "text"), [(advice, text) for advice, texts in UNSEEN.items() for text in texts])
def test_a_text_in_no_book_is_understood_by_its_words(advice: Advice, text: str) -> None:
    assert normalise("smartro_v2", text).advice is advice


def test_a_reading_names_its_source() -> None:
    assert normalise("kcp", "[CC43]도난카드").source == "wording: reported lost or stolen"
    assert normalise("kcp", "[CC43]").source == "code book: nhnkcp-code.xlsx"
    assert normalise("kcp", "qwer").source == "no rule"


def test_every_category_has_an_advice_and_every_book_is_read() -> None:
    assert set(ADVICE) == set(Category)
    for pg, book in BOOKS.items():
        for code, (category, advice) in {**book.codes, **book.firm}.items():
            found = normalise(pg, f"[{code}]")
            assert (found.category, found.advice) == (category, advice), (pg, code)


def _each(table: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(pg, code) for pg, codes in table.items() for code in codes.split()]
