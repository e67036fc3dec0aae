"""PGs whose keys are wallets: Kakao Pay, Naver Pay, Payco, Smile Pay, Toss Pay."""

from billing_worker.domain.pgs.facts import Flow, Pg, Rule, Support, Way
from billing_worker.domain.pgs.making import by_window, forbids, limits, no, note, requires, tax_free_back, vat, ways
from billing_worker.domain.pgs.sources import (
    CODE_BOOK,
    NON_AUTH,
    SPEC_AGAIN,
    SPEC_CANCEL,
    SPEC_DELETE,
    WEBHOOKS,
    guide,
)

WALLET = "a wallet"
KAKAO = guide("kakaopay")
NAVER = guide("naver")
TOSSPAY = guide("tosspay-v2")

ROWS = (
    Pg(
        "kakaopay",
        "카카오페이",
        "Kakao Pay",
        WALLET,
        by_window(KAKAO),
        (
            note(Flow.WINDOW, "amount", "is charged when the key is issued; 0 only issues it", KAKAO),
            limits(Flow.AGAIN, "customer_uid", "a key has a largest number of uses a month (error -752)", CODE_BOOK),
            note(Flow.AGAIN, "customer_uid", "the buyer may switch the key off (error -751)", CODE_BOOK),
            note(Flow.AGAIN, "customer_uid", "the buyer at Kakao must be the one of the key (error -753)", CODE_BOOK),
            forbids(Flow.AGAIN, "vat_amount", "is not for this PG", SPEC_AGAIN),
        ),
    ),
    Pg(
        "naverpay",
        "네이버페이 결제형",
        "Naver Pay, payment type",
        WALLET,
        by_window(NAVER),
        (
            requires(Flow.WINDOW, "naverProductCode", "otherwise one buyer may register the same product twice", NAVER),
            note(Flow.WINDOW, "amount", "is not charged", NAVER),
            note(Flow.WINDOW, "naverActionType", "CHANGE, with the same customer_uid, for another card", NAVER),
            requires(
                Flow.AGAIN,
                "extra.naverUseCfm",
                "the day of use, YYYYMMDD, today or later, if the contract with Naver asks for it",
                NAVER,
                SPEC_AGAIN,
            ),
            limits(
                Flow.AGAIN, "merchant_uid", "is never taken twice, not even after a decline", NAVER, rule=Rule.NEW_ID
            ),
            limits(Flow.AGAIN, "amount", "at least 10 KRW", NAVER, rule=Rule.LEAST, value=(10,)),
            requires(Flow.AGAIN, "error text", "is shown to the buyer as it is", NAVER),
            requires(Flow.SCHEDULE, "extra.naverUseCfm", "as again", NAVER),
            requires(Flow.CANCEL, "reason", "needed", SPEC_CANCEL, NAVER, rule=Rule.ALWAYS),
            requires(Flow.CANCEL, "extra.requester", "customer or admin; admin if it is left out", SPEC_CANCEL, NAVER),
            requires(Flow.DELETE, "reason, extra.requester", "both are needed", SPEC_DELETE, NAVER),
        ),
    ),
    Pg(
        "payco",
        "페이코",
        "Payco",
        WALLET,
        by_window(),
        (tax_free_back(),),
    ),
    Pg(
        "smilepay",
        "스마일페이",
        "Smile Pay",
        WALLET,
        ways(
            issue=no(NON_AUTH),
            window=Way(
                Support.YES,
                (NON_AUTH,),
                "the table of issuing does not have it, and its own guide shows no billing",
            ),
            onetime=no(NON_AUTH),
        ),
    ),
    Pg(
        "tosspay_v2",
        "토스페이 (신모듈)",
        "Toss Pay, new module",
        WALLET,
        by_window(),
        (
            limits(Flow.WINDOW, "customer_id", "at most 50 characters", TOSSPAY),
            note(Flow.WINDOW, "webhook", "a webhook with paid comes when the key is issued", WEBHOOKS),
            note(Flow.AGAIN, "customer_uid", "the buyer may change card or account in the app", TOSSPAY),
            note(Flow.AGAIN, "cash_receipt_type", "anonymous: no receipt; any other: a receipt", SPEC_AGAIN),
            vat(),
        ),
    ),
)
