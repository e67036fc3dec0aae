"""What the PGs' own words mean. The texts are those of public PG manuals; their codes stand beside them."""

import pytest

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.reasons import DeclineKind

SOFT, HARD = DeclineKind.SOFT, DeclineKind.HARD

MAY_WORK_LATER = [
    *("잔액부족", "잔고부족", "통장잔액 부족", "예금잔액부족"),
    *("1회 한도초과", "사용금액초과", "거래한도초과"),
    *("1일 한도초과", "사용횟수 초과", "일 한도횟수 초과", "거래불가카드(일최대승인횟수초과)"),
    *("월 한도초과", "한도초과", "거래불가카드(월최대승인횟수초과)"),
    *("가맹점 한도초과",),
    *("연체카드", "타카드 연체중인 카드"),
    *("SID가 월 최대 사용 횟수를 초과한 경우",),
    *("카드사로 문의", "카드사 전화요망", "카드사 거절(기타사유)", "거래거절"),
    *("잠시 후 다시 시도해 주세요", "통신장애", "카드사 장애", "TIMEOUT", "시스템 점검", "망취소"),
    *("중복 승인 거래", "이미 승인된 거래"),
    *("결제금액 미만", "금액 오류", "할부 불가 카드"),
    *("", "x", "an unknown text", "declined without a reason"),
]

WILL_NOT_WORK_AGAIN = [
    *("분실카드", "도난카드", "도난/분실카드", "분실 혹은 거래불가 카드"),
    *("정지카드", "거래정지카드", "거래제한(정지)카드", "사용 정지된 카드", "신용불량 거래정지"),
    *("유효기간 만료", "유효기간오류", "유효기한 경과카드"),
    *("해지카드", "재발급 이전 카드"),
    *("카드번호오류", "[F112]유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)", "미등록카드"),
    *("부정사용 의심카드",),
    *("You submitted an expired credit card number. Please ensure the credit card is valid", "STOLEN CARD"),
    *("Lost card", "Invalid card number"),
]

KEY_IS_GONE = ["등록되지 않은 구매자입니다.", "등록되지 않은 빌키", "등록되지 않은 빌링키", "빌링키 요청 정보 오류"]

WRONG_CARD_DATA = [
    *("비밀번호 오류", "비밀번호틀림", "주민번호 오류", "사업자번호 불일치", "생년월일 오류"),
    *("[400]Error From NICEPAY. (message: 비밀번호틀림, code:F113)",),
]

NAMED_BY_THE_FACT_SHEET_AS_HARD = [
    *("거래제한카드", "거래제한 카드입니다"),  # suspended or restricted
    *("카드미수령", "카드본인미수령등재", "신규발급카드 사용 요망", "신규발급카드사용요망"),  # 12FR, 8546, 12IR, 068192
    *("불량회원",),  # 12G9
    *("해당 BID가 존재하지 않습니다", "BID가 유효하지 않습니다", "발급되지 않은 BID 입니다."),  # A124, A125, U309
    *("SID가 존재하지 않는 경우", "비활성화된 SID로 정기결제 API 를 호출한 경우"),  # 060750, 060751
]

THE_MERCHANTS_FAULT = [
    *(
        "해당 쇼핑몰 사용불가카드",
        "해당 가맹점에서 사용불가한 카드입니다",
    ),  # hard by its code alone: KCP 8126, INICIS 500416
    "[8901] 미등록PG업체/거래정지업체",  # NICE: the billing contract is not active
    "거래정지 가맹점",  # INICIS 1207, nice_v2 2151
    "거래정지가맹점",  # Kakao 8543
    "미등록 가맹점",
    "빌링 미사용 가맹점",
]


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", MAY_WORK_LATER)
def test_a_limit_a_balance_a_busy_issuer_or_an_unseen_text_may_work_later(text):
    assert normalise("", text).kind is SOFT


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", WILL_NOT_WORK_AGAIN)
def test_a_lost_stopped_expired_or_unregistered_card_will_not_work_again(text):
    assert normalise("", text).kind is HARD


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", KEY_IS_GONE)
def test_a_key_that_is_gone_will_not_work_again(text):
    assert normalise("", text).kind is HARD


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", WRONG_CARD_DATA)
def test_wrong_card_data_will_not_get_right_by_itself(text):
    assert normalise("", text).kind is HARD


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", NAMED_BY_THE_FACT_SHEET_AS_HARD)
def test_a_restricted_card_or_a_missing_key_by_another_name_is_hard_as_well(text):
    assert normalise("", text).kind is HARD


@pytest.mark.fm("L26")
@pytest.mark.parametrize("text", THE_MERCHANTS_FAULT)
def test_a_merchant_whose_contract_is_suspended_does_not_cost_every_customer_their_key(text):
    assert normalise("", text).kind is SOFT


@pytest.mark.fm("L26")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("거래불가카드(일최대승인한도초과)", SOFT),  # KCP 8186: a limit, although the card is called unusable
        ("거래불가카드(일최대승인횟수초과)", SOFT),  # KCP 8187
        ("비밀번호 오류횟수초과", HARD),  # wrong card data, although a number of times is exceeded
        ("비밀번호 입력 횟수 초과", HARD),
        ("주민번호 오류횟수 초과", HARD),
        ("SID가 월 최대 사용 횟수를 초과한 경우", SOFT),  # the key is fine, the month is not
    ],
)
def test_the_order_traps(text, kind):
    assert normalise("", text).kind is kind


@pytest.mark.fm("L26")
@pytest.mark.parametrize(
    ("pg", "text"),
    [("kcp", "[8126]해당 쇼핑몰 사용불가카드"), ("html5_inicis", "[500416]해당 가맹점에서 사용불가한 카드입니다")],
)
def test_a_code_is_firm_where_its_words_would_blame_the_shop(pg, text):
    assert normalise(pg, text).kind is HARD
