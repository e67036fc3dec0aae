"""PGs that issue keys of cards by the payment window only."""

from billing_worker.domain.pgs.facts import Flow, Pg, Rule
from billing_worker.domain.pgs.making import (
    buyer,
    by_window,
    contradicted,
    cuts,
    limits,
    no,
    note,
    requires,
    tax_free_back,
    vat,
    vat_back,
    ways,
    yes,
)
from billing_worker.domain.pgs.sources import (
    ISSUING,
    NON_AUTH,
    SPEC_AGAIN,
    SPEC_CANCEL,
    SPEC_ONETIME,
    SPEC_SCHEDULE,
    guide,
)

CARDS = "cards"
SMARTRO = guide("smartro-v2/caution")


ROWS = (
    Pg(
        "html5_inicis",
        "KG이니시스",
        "KG Inicis",
        CARDS,
        ways(
            issue=no(ISSUING, note="the API's keys have the code inicis"),
            window=yes(),
            onetime=contradicted(
                "the guide says Inicis, the table of issuing gives the API to inicis, the specification names "
                "html5_inicis in its fields",
                NON_AUTH,
                ISSUING,
                SPEC_ONETIME,
            ),
        ),
        (
            note(Flow.WINDOW, "amount", "is shown, and not charged", guide("inicis")),
            vat(),
            requires(
                Flow.ONETIME,
                "buyer_name, buyer_email, buyer_tel, name",
                "all are needed",
                SPEC_ONETIME,
                rule=Rule.ONETIME_FIELD,
            ),
            vat_back(),
        ),
    ),
    Pg(
        "kcp_billing",
        "NHN KCP (정기)",
        "NHN KCP, by the window",
        CARDS,
        ways(issue=no(ISSUING), window=yes(), onetime=no(ISSUING, note="the API's code is kcp")),
    ),
    Pg(
        "kicc",
        "이지페이 (KICC)",
        "EasyPay (KICC)",
        CARDS,
        by_window(),
        (note(Flow.WINDOW, "amount", "is never charged", guide("kicc")), tax_free_back()),
    ),
    Pg(
        "danal_tpay",
        "다날",
        "Danal",
        CARDS,
        by_window(guide("danal")),
        (
            note(
                Flow.WINDOW,
                "amount",
                "0 runs a test of 10 KRW, given back in 30 minutes; more charges",
                guide("danal"),
            ),
            requires(Flow.AGAIN, "name", "needed; this worker always sends it", SPEC_AGAIN),
        ),
    ),
    Pg(
        "smartro_v2",
        "스마트로 (신모듈)",
        "Smartro, new module",
        CARDS,
        by_window(),
        (
            requires(
                Flow.WINDOW, "customer_id", "at most 20 characters; a known one skips the check of identity", SMARTRO
            ),
            limits(Flow.AGAIN, "merchant_uid", "letters and digits only", SPEC_AGAIN, SMARTRO, rule=Rule.ALPHANUMERIC),
            cuts(Flow.AGAIN, "merchant_uid", "to 40 characters: two longer ids may become one", SPEC_AGAIN, SMARTRO),
            buyer("buyer_name"),
            buyer("buyer_email"),
            buyer("buyer_tel"),
            limits(Flow.AGAIN, "currency", "for the time being KRW only, says the guide", SMARTRO),
            note(Flow.AGAIN, "use_card_point", "may be named", SPEC_AGAIN),
            limits(Flow.SCHEDULE, "merchant_uid", "letters and digits only", SPEC_SCHEDULE),
            requires(Flow.SCHEDULE, "buyer_name, buyer_email, buyer_tel", "all are needed", SPEC_SCHEDULE),
            requires(Flow.CANCEL, "tax_free", "for a partial refund with a part without tax", SPEC_CANCEL),
        ),
    ),
    Pg(
        "toss_brandpay",
        "토스페이먼츠 브랜드페이",
        "Toss Payments Brandpay",
        "cards and bank accounts",
        ways(
            issue=no(guide("toss-brandpay/billing")),
            window=yes(guide("toss-brandpay/billing")),
            onetime=no(NON_AUTH),
            again=yes(guide("toss-brandpay/billing")),
            schedule=yes(guide("toss-brandpay/billing")),
        ),
        (
            requires(
                Flow.WINDOW,
                "customer_id",
                "2 to 50 characters, the same for the same buyer",
                guide("toss-brandpay/billing"),
            ),
            limits(
                Flow.AGAIN,
                "currency",
                "KRW only",
                guide("toss-brandpay/billing"),
                rule=Rule.CURRENCIES,
                value=("KRW",),
            ),
            note(
                Flow.AGAIN,
                "customer_uid",
                "ends when the buyer removes the card at Toss",
                guide("toss-brandpay/billing"),
            ),
        ),
    ),
)
