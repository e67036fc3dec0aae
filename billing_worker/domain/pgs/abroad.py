"""PGs for buyers abroad."""

from billing_worker.domain.pgs.facts import Flow, Pg, Rule
from billing_worker.domain.pgs.making import by_window, contradicted, forbids, note, requires, unsaid, ways, yes
from billing_worker.domain.pgs.sources import (
    CODES,
    ISSUING,
    NON_AUTH,
    SPEC_AGAIN,
    SPEC_CANCEL,
    SPEC_ISSUE,
    SPEC_ONETIME,
    SPEC_PAYMENT,
    WEBHOOKS,
    guide,
)

PAYMENTWALL = guide("paymentwall")
PAYPAL = guide("rt/warning")

ROWS = (
    Pg(
        "paymentwall",
        "페이먼트월",
        "Paymentwall",
        "cards",
        ways(
            issue=contradicted(
                "the table and the guide have the window only; the specification demands a cvc of Paymentwall here",
                ISSUING,
                NON_AUTH,
                SPEC_ISSUE,
            ),
            window=yes(ISSUING, NON_AUTH, PAYMENTWALL),
            onetime=contradicted(
                "the guide's list does not have it; the specification has fields for it", NON_AUTH, SPEC_ONETIME
            ),
        ),
        (
            note(
                Flow.WINDOW,
                "amount",
                "a key is issued only together with a charge, and works after the webhook about it",
                PAYMENTWALL,
                rule=Rule.KEY_WAITS,
            ),
            forbids(
                Flow.WINDOW,
                "amount",
                "do not give the issuing payment back at once: cards may be blocked",
                PAYMENTWALL,
            ),
            requires(Flow.AGAIN, "buyer_name", "First Last, with one space", SPEC_AGAIN, rule=Rule.FIRST_LAST),
            requires(
                Flow.AGAIN,
                "buyer_email",
                "the one with which the key was issued",
                SPEC_AGAIN,
                rule=Rule.EMAIL_OF_ISSUE,
            ),
            requires(
                Flow.AGAIN,
                "browser_ip",
                "an address of the buyer; this worker sends its own",
                SPEC_AGAIN,
                rule=Rule.BROWSER_IP,
            ),
            note(Flow.AGAIN, "currency", "KRW if it is left out", SPEC_AGAIN, rule=Rule.ALWAYS),
            note(Flow.AGAIN, "status", "a failure may become paid after a review of risks", WEBHOOKS),
            requires(Flow.ONETIME, "cvc, browser_ip", "both are needed", SPEC_ONETIME),
            note(
                Flow.CANCEL,
                "status",
                "the payment changes only with Paymentwall's pingback",
                SPEC_CANCEL,
                rule=Rule.SHOWN_LATER,
            ),
        ),
    ),
    Pg(
        "paypal_v2",
        "페이팔 (RT)",
        "PayPal (RT)",
        "a PayPal account",
        by_window(PAYPAL),
        (
            requires(Flow.WINDOW, "pay_method", "paypal", PAYPAL),
            requires(Flow.AGAIN, "currency", "needed", SPEC_AGAIN, rule=Rule.ALWAYS),
            forbids(Flow.AGAIN, "currency", "no KRW", SPEC_AGAIN, rule=Rule.NOT_CURRENCIES, value=("KRW",)),
            requires(
                Flow.AGAIN,
                "Fraudnet or Magnes",
                "data of the buyer's device under the merchant_uid. A charge without a buyer has none",
                PAYPAL,
            ),
            note(Flow.AGAIN, "status", "may be pending at first", SPEC_PAYMENT),
            note(Flow.AGAIN, "card_name, card_number", "are not told", PAYPAL),
            note(Flow.CANCEL, "status", "the refund is done later", SPEC_CANCEL, rule=Rule.SHOWN_LATER),
        ),
    ),
    Pg("eximbay", "엑심베이", "Eximbay", "cards", unsaid(CODES)),
)
