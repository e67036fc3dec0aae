"""PGs whose keys are wallets: Kakao Pay, Naver Pay, Payco, Smile Pay, Toss Pay."""

from billing_worker.domain.pgs.facts import Call, Has, Pg, Rule, Way
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
            note(Call.WINDOW, "amount", "is charged when the key is issued; 0 only issues it", KAKAO),
            limits(Call.AGAIN, "customer_uid", "a key has a largest number of uses a month (error -752)", CODE_BOOK),
            note(Call.AGAIN, "customer_uid", "the buyer may switch the key off (error -751)", CODE_BOOK),
            note(Call.AGAIN, "customer_uid", "the buyer at Kakao must be the one of the key (error -753)", CODE_BOOK),
            forbids(Call.AGAIN, "vat_amount", "is not for this PG", SPEC_AGAIN),
        ),
    ),
    Pg(
        "naverpay",
        "네이버페이 결제형",
        "Naver Pay, payment type",
        WALLET,
        by_window(NAVER),
        (
            requires(Call.WINDOW, "naverProductCode", "otherwise one buyer may register the same product twice", NAVER),
            note(Call.WINDOW, "amount", "is not charged", NAVER),
            note(Call.WINDOW, "naverActionType", "CHANGE, with the same customer_uid, for another card", NAVER),
            requires(
                Call.AGAIN,
                "extra.naverUseCfm",
                "the day of use, YYYYMMDD, today or later, if the contract with Naver asks for it",
                NAVER,
                SPEC_AGAIN,
            ),
            limits(
                Call.AGAIN, "merchant_uid", "is never taken twice, not even after a decline", NAVER, rule=Rule.NEW_ID
            ),
            limits(Call.AGAIN, "amount", "at least 10 KRW", NAVER, rule=Rule.LEAST, value=(10,)),
            requires(Call.AGAIN, "error text", "is shown to the buyer as it is", NAVER),
            requires(Call.SCHEDULE, "extra.naverUseCfm", "as again", NAVER),
            requires(Call.CANCEL, "reason", "needed", SPEC_CANCEL, NAVER, rule=Rule.ALWAYS),
            requires(Call.CANCEL, "extra.requester", "customer or admin; admin if it is left out", SPEC_CANCEL, NAVER),
            requires(Call.DELETE, "reason, extra.requester", "both are needed", SPEC_DELETE, NAVER),
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
                Has.YES,
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
            limits(Call.WINDOW, "customer_id", "at most 50 characters", TOSSPAY),
            note(Call.WINDOW, "webhook", "a webhook with paid comes when the key is issued", WEBHOOKS),
            note(Call.AGAIN, "customer_uid", "the buyer may change card or account in the app", TOSSPAY),
            note(Call.AGAIN, "cash_receipt_type", "anonymous: no receipt; any other: a receipt", SPEC_AGAIN),
            vat(),
        ),
    ),
)
