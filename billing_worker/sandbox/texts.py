"""The gateway's texts: PortOne's own messages, and each PG's wording of a decline.

PortOne forwards a PG's code and text verbatim and has no common table (documented). Wordings are from the PGs' code
books; the *form* around them is observed for nice and nice_v2, documented by PortOne's FAQ for none, and inferred for
the others.
"""

# Observed by public clients in live answers.
BAD_CREDENTIALS = "인증에 실패하였습니다. API키와 secret을 확인하세요."
MISSING_CREDENTIALS = "imp_key, imp_secret 파라메터가 누락되었습니다."
UNAUTHORIZED = "Unauthorized"
NO_PAYMENT = "존재하지 않는 결제정보입니다."
BAD_STATUS = "지원되지 않는 상태값입니다."
UNKNOWN_BUYER = "등록되지 않은 구매자입니다."
DUPLICATE = "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)"
NO_PREPARED = "사전등록된 결제정보가 존재하지 않습니다."
PREPARED_TWICE = "결제정보 사전등록에 실패하였습니다(이미 등록된 merchant_uid입니다)"
NOTHING_TO_CANCEL = "취소할 결제건이 존재하지 않습니다."
CANCEL_REASON = "취소요청api"  # of a cancel by API without a reason
CANCELLED_ALREADY = "이미 전액취소된 주문입니다."
NO_CUSTOMER_TO_SCHEDULE = "등록된 고객정보가 없습니다."
NOTHING_TO_UNSCHEDULE = "취소할 예약결제 기록이 존재하지 않습니다."
NO_CARD_MODULE = "비인증결제모듈 사용정보를 찾을 수 없습니다."
ISSUE_FAILED = "카드정보 인증 및 빌키 발급에 실패하였습니다. "
ONETIME_FAILED = "카드정보 인증에 실패하였습니다. "
INTERNAL_ERROR = "(PG사 결제 장애) Internal error"  # documented: Paymentwall risk review
NOT_CONTRACTED = "[8901] 미등록PG업체/거래정지업체"
# Inferred: no copy of the live wording is known.
NEED_UID = "imp_uid 또는 merchant_uid를 지정해주셔야합니다."
CHECKSUM = "취소 가능한 금액(checksum)이 일치하지 않습니다."
TOO_MUCH = "취소 요청금액이 취소 가능금액보다 큽니다."
COMMUNICATION = "[8995] 결제기관 시스템 통신오류. 5분후 재시도 요망"
BAD_RANGE = "조회 기간은 최대 90일입니다."
BAD_SCHEDULE_RANGE = "조회 기간은 최대 3개월입니다."
BAD_PAGE = "조회 가능한 페이지 범위를 초과하였습니다."
BAD_BODY = "요청 형식이 올바르지 않습니다."
NO_SCHEDULE = "존재하지 않는 예약결제정보입니다."
SCHEDULE_DONE = "이미 실행되었거나 취소된 예약결제입니다."
SCHEDULE_PAST = "예약 시각은 현재 이후여야 합니다."
SCHEDULE_DUPLICATE = "이미 등록된 merchant_uid입니다."
SCHEDULE_PENDING = "아직 실행되지 않았거나 이미 승인된 예약결제입니다."
LONG_UID = "merchant_uid는 40자 이하여야 합니다."
NET_CANCELLED = "망취소"
EMAIL_DIFFERS = "[1] buyer_email must be the one used when the billing key was issued"
NAME_FORM = '[1] buyer_name must be "First Last"'
NEED_BROWSER_IP = "[1] browser_ip is required"


def missing(field: str) -> str:
    """Return the message for an absent required parameter (observed by public clients)."""
    return f'["{field}"] 파라메터는 필수입니다.'


def unknown_customer(customer_uid: str) -> str:
    """Return the message of the customers endpoints for an unknown uid (observed)."""
    return f"요청하신 customer_uid({customer_uid})로 등록된 정보를 찾을 수 없습니다."


# A token in front of a customer_uid chooses the channel that its key belongs to: token -> pg_provider.
CHANNELS = {
    "nice": "nice",
    "nicev2": "nice_v2",
    "kcp": "kcp_billing",
    "inicis": "html5_inicis",
    "toss": "tosspayments",
    "kakao": "kakaopay",
    "danal": "danal_tpay",
    "naver": "naverpay",
    "smartro": "smartro_v2",
    "pw": "paymentwall",
}
DEFAULT_PROVIDER = "nice_v2"
PROVIDERS = frozenset(CHANNELS.values()) | {"kcp", "inicis", "paypal_v2", "payco", "ksnet", "welcome", "kicc"}

# How a PG's code and text form a `fail_reason`.
FORMS = {
    "nice": "[{code}]{text}",
    "nice_v2": "[400]Error From NICEPAY. (message: {text}, code:{code})",
    "paymentwall": "({code}) {text}",
}
DEFAULT_FORM = "[{code}]{text}"

# reason -> pg_provider -> (code, text); `nice_v2` words it for every PG without an entry of its own.
REASONS: dict[str, dict[str, tuple[str, str]]] = {
    "limit": {
        "nice_v2": ("3095", "한도초과"),
        "nice": ("3095", "한도초과"),
        "kcp_billing": ("CC61", "거래금액 한도초과"),
        "html5_inicis": ("1216", "월 사용한도초과"),
        "tosspayments": ("REJECT_CARD_PAYMENT", "한도초과 혹은 잔액부족으로 결제에 실패했습니다."),
        "kakaopay": ("-752", "SID가 월 최대 사용 횟수를 초과한 경우"),
        "danal_tpay": ("2269", "신용카드 월최대한도 초과"),
    },
    "daily": {
        "nice_v2": ("3095", "1일 한도초과"),
        "kcp_billing": ("CC08", "1일 한도초과"),
        "html5_inicis": ("1202", "1일 사용금액초과"),
        "tosspayments": ("EXCEED_MAX_DAILY_PAYMENT_COUNT", "하루 결제 가능 횟수를 초과했습니다."),
    },
    "balance": {
        "nice_v2": ("3095", "잔액부족"),
        "nice": ("3095", "잔액부족"),
        "kcp_billing": ("CC10", "통장 잔액부족"),
        "html5_inicis": ("1254", "잔액부족"),
        "tosspayments": ("REJECT_ACCOUNT_PAYMENT", "잔액부족으로 결제에 실패했습니다."),
        "paymentwall": ("3011", "Please contact your credit card company to check your available balance"),
    },
    "stolen": {
        "nice_v2": ("3095", "도난/분실카드"),
        "kcp_billing": ("CC43", "도난카드"),
        "html5_inicis": ("1226", "도난, 분실카드"),
        "tosspayments": ("INVALID_CARD_LOST_OR_STOLEN", "분실 혹은 도난 카드입니다."),
    },
    "expired": {
        "nice_v2": ("3021", "유효기간 오류"),
        "kcp_billing": ("CC54", "카드유효기간만료 또는 불일치"),
        "html5_inicis": ("1204", "유효기간 만료(기간오류)"),
        "tosspayments": ("INVALID_CARD_EXPIRATION", "카드 유효기간을 확인해주세요."),
        "paymentwall": ("3102", "You submitted an expired credit card number. Please ensure the credit card is valid"),
    },
    "suspended": {
        "nice_v2": ("F118", "해당카드는 사용이 불가능 합니다 타사카드를 이용해주세요"),
        "kcp_billing": ("CC45", "정지카드"),
        "html5_inicis": ("1201", "거래제한(정지)카드"),
        "tosspayments": ("INVALID_STOPPED_CARD", "정지된 카드 입니다."),
        "paymentwall": ("3013", "Transaction was declined due to issues with the card"),
    },
    "reissued": {"nice_v2": ("3095", "재발급된 카드"), "kcp_billing": ("CCAG", "신규발급카드 사용요망")},
    "number": {
        "nice": ("F112", "유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)"),
        "nice_v2": ("3011", "카드번호 오류"),
        "kcp_billing": ("CC14", "미등록 카드"),
        "paymentwall": ("3101", "Please verify the credit card number and retry the transaction"),
    },
    "arrears": {
        "nice_v2": ("3095", "연체카드"),
        "kcp_billing": ("CC44", "연체카드"),
        "html5_inicis": ("1232", "연체카드"),
        "tosspayments": ("32", "연체카드"),
    },
    "fraud": {
        "nice_v2": ("3095", "부정사용 의심 카드"),
        "tosspayments": ("FDS_ERROR", "위험거래가 감지되어 결제가 제한됩니다."),
        "paymentwall": ("5000", "Customer is not allowed to pay"),
    },
    "refused": {
        "nice_v2": ("3095", "카드사 실패 응답"),
        "kcp_billing": ("CC01", "카드사로 문의"),
        "tosspayments": ("REJECT_CARD_COMPANY", "결제 승인이 거절되었습니다."),
        "paymentwall": ("3012", "Transaction was declined"),
    },
    "key-gone": {
        "nice_v2": ("U115", "존재하지 않는 빌키입니다."),
        "tosspayments": ("NOT_REGISTERED_BILLING_KEY", "등록되지 않은 빌링키 입니다."),
        "kakaopay": ("-751", "비활성화된 SID로 정기결제 API 를 호출한 경우"),
    },
    "system": {
        "nice_v2": ("A299", "카드사 시스템 장애"),
        "kcp_billing": ("CC98", "카드사 시스템 장애"),
        "html5_inicis": ("1242", "VAN(KOVAN)통신장애"),
        "tosspayments": ("PROVIDER_ERROR", "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요."),
        "paymentwall": ("1000", "Internal Error. Please contact [devsupport@paymentwall.com] to get help."),
    },
    "pg-duplicate": {
        "nice_v2": ("U112", "중복 요청된 거래입니다."),
        "kcp_billing": ("8094", "중복 거래요청, 처음부터 재시도 요망"),
    },
    "no-text": {},
}


def fail_reason(reason: str, provider: str) -> str | None:
    """Word a decline as this PG would; None for the PG without a text."""
    words = REASONS[reason]
    if not words:
        return None
    code, text = words.get(provider) or words["nice_v2"]
    return FORMS.get(provider, DEFAULT_FORM).format(code=code, text=text)


def fail_reason_text(reason: str, provider: str) -> str:
    """Word a decline; empty for the PG without a text."""
    return fail_reason(reason, provider) or ""
