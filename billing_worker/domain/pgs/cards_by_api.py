"""PGs that issue keys of cards by the API; two of them also by the window."""

from billing_worker.domain.pgs.facts import Flow, Pg, Rule
from billing_worker.domain.pgs.making import (
    buyer,
    by_api,
    by_both,
    forbids,
    limits,
    note,
    requires,
    tax_free_back,
    vat,
    vat_back,
)
from billing_worker.domain.pgs.sources import (
    CODE_BOOK,
    SPEC_AGAIN,
    SPEC_CANCEL,
    SPEC_ISSUE,
    SPEC_ONETIME,
    SPEC_SCHEDULE,
    guide,
)

CARDS = "cards"
NICE_V2 = guide("nice-v2/billing-api-caution")
KSNET = guide("ksnet/warning")
WELCOME = guide("welcome/caution")

_NOT_KEPT = forbids(Flow.ONETIME, "customer_uid", "the card is not kept as a key", SPEC_ONETIME)

ROWS = (
    Pg(
        "inicis",
        "KG이니시스 (구)",
        "KG Inicis, by the API",
        CARDS,
        by_api(),
        (note(Flow.ISSUE, "contract", "only by agreement with Inicis", guide("inicis")),),
    ),
    Pg(
        "kcp",
        "NHN KCP",
        "NHN KCP, by the API",
        CARDS,
        by_api(),
        (
            tax_free_back(),
            requires(
                Flow.CANCEL,
                "refund_holder, refund_bank, refund_account",
                "to give a phone payment back in the month after; needs a contract of its own",
                SPEC_CANCEL,
            ),
        ),
    ),
    Pg(
        "nice",
        "나이스페이먼츠 (구모듈)",
        "NICE Payments, old module",
        CARDS,
        by_api(),
        (
            vat(),
            note(Flow.AGAIN, "interest_free_by_merchant, use_card_point", "may be named, by agreement", SPEC_AGAIN),
            limits(Flow.AGAIN, "amount", "at least 1,000 KRW (error 3041)", CODE_BOOK),
            tax_free_back(),
            vat_back(),
        ),
    ),
    Pg(
        "nice_v2",
        "나이스페이먼츠 (신모듈)",
        "NICE Payments, new module",
        "cards; Kakao Pay and Naver Pay",
        by_api(),
        (
            note(Flow.WINDOW, "pay_method", "no window for cards; keys of Kakao Pay and Naver Pay exist", NICE_V2),
            vat(),
            note(Flow.AGAIN, "interest_free_by_merchant, use_card_point", "may be named, by agreement", NICE_V2),
            forbids(Flow.AGAIN, "card_quota", "not with a key of Kakao Pay or Naver Pay", NICE_V2),
            vat_back(),
            requires(Flow.DELETE, "reason", "for a key of Kakao Pay or Naver Pay", NICE_V2),
        ),
    ),
    Pg(
        "tosspayments",
        "토스페이먼츠 (신모듈)",
        "Toss Payments, new module",
        CARDS,
        by_both(),
        (
            requires(
                Flow.ISSUE,
                "customer_id",
                "otherwise each key gets a random buyer at Toss",
                SPEC_ISSUE,
                rule=Rule.ISSUE_FIELD,
            ),
            requires(Flow.SCHEDULE, "customer_id", "as when a key is issued", SPEC_SCHEDULE),
            _NOT_KEPT,
            note(
                Flow.ISSUE, "contract", "Toss's API 1.4 and 2022-07-27 differ: the contract decides", guide("newtoss")
            ),
        ),
    ),
    Pg(
        "daou",
        "키움페이",
        "Kiwoom Pay",
        CARDS,
        by_api(),
        (
            limits(
                Flow.AGAIN,
                "rate",
                "at most 50 calls a second are advised; above that, errors may follow",
                guide("daou/undefined"),
            ),
        ),
        calls_per_second=50,
    ),
    Pg(
        "ksnet",
        "KSNET",
        "KSNET",
        CARDS,
        by_api(),
        (
            requires(
                Flow.ISSUE,
                "card_number, expiry, birth, pwd_2digit",
                "all are needed",
                SPEC_ISSUE,
                KSNET,
                rule=Rule.ISSUE_FIELD,
            ),
            buyer("buyer_name"),
            requires(
                Flow.AGAIN,
                "product_type",
                "real or digital: without it no payment is possible",
                SPEC_AGAIN,
                KSNET,
                rule=Rule.PRODUCT_TYPE,
            ),
            limits(
                Flow.AGAIN,
                "currency",
                "KRW and USD only; USD only with cards from abroad",
                KSNET,
                rule=Rule.CURRENCIES,
                value=("KRW", "USD"),
            ),
            note(Flow.AGAIN, "interest_free_by_merchant", "may be named, by agreement", SPEC_AGAIN),
            requires(Flow.AGAIN, "tax_free", "equal to the amount, if the merchant's id is exempt", SPEC_AGAIN),
            requires(Flow.ONETIME, "product_type, buyer_name", "both are needed", SPEC_ONETIME),
            _NOT_KEPT,
            requires(Flow.SCHEDULE, "product_type, buyer_name", "both are needed", SPEC_SCHEDULE),
            limits(
                Flow.CANCEL, "amount", "at most 9 partial refunds of a payment", KSNET, rule=Rule.PARTIALS, value=(9,)
            ),
            limits(Flow.CANCEL, "imp_uid", "only within 6 months of the payment", KSNET, rule=Rule.MONTHS, value=(6,)),
        ),
    ),
    Pg(
        "welcome",
        "웰컴페이먼츠",
        "Welcome Payments",
        "cards; phone bills",
        by_both(),
        (
            requires(Flow.ISSUE, "customer_name", "needed", SPEC_ISSUE, rule=Rule.ISSUE_FIELD),
            requires(
                Flow.WINDOW, "pay_method", "card issues a key without a charge, phone issues and charges", WELCOME
            ),
            forbids(Flow.WINDOW, "tax_free, vat_amount", "are ignored", WELCOME),
            buyer("buyer_name", SPEC_AGAIN, guide("welcome/api")),
            vat(),
            limits(
                Flow.AGAIN,
                "vat_amount",
                "at most a tenth of the amount; above that it declines",
                SPEC_AGAIN,
                rule=Rule.VAT_TENTH,
            ),
            requires(Flow.ONETIME, "buyer_name", "needed", SPEC_ONETIME, rule=Rule.ONETIME_FIELD),
            requires(Flow.SCHEDULE, "buyer_name", "needed", guide("welcome/api")),
            limits(Flow.CANCEL, "amount", "partial refunds only by agreement", guide("welcome/api")),
            vat_back(),
        ),
    ),
    Pg(
        "settle",
        "헥토파이낸셜",
        "Hecto Financial",
        CARDS,
        by_api(),
    ),
)
