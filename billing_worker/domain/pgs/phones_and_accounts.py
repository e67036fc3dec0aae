"""PGs whose keys are phone bills or bank accounts."""

from billing_worker.domain.pgs.facts import Flow, Pg, Rule
from billing_worker.domain.pgs.making import by_window, contradicted, limits, no, note, requires, ways, yes
from billing_worker.domain.pgs.sources import CANCELLING, ISSUING, NON_AUTH, PHONES, SPEC_SCHEDULE, guide

GALAXIA = guide("galaxia")
MOBILIANS = guide("kg")

_MONTHLY = limits(Flow.AGAIN, "amount", "a phone's limit is one of a month, and begins again on the 1st", PHONES)
_SAME_SUM = limits(Flow.AGAIN, "amount", "the same sum each month, at most 5 days before or after", PHONES)
_PAST_MONTH = "a payment of an earlier month cannot be given back, not even whole"
_IN_PART = "a phone payment is given back whole, or not at all"

ROWS = (
    Pg(
        "danal",
        "다날 (휴대폰결제)",
        "Danal, by phone",
        "phone bills",
        ways(
            issue=contradicted(
                "the table of issuing has the API; the guide has Danal under the window only, and the specification "
                "says that it issues no key by the API",
                ISSUING,
                NON_AUTH,
                SPEC_SCHEDULE,
            ),
            window=yes(),
            onetime=no(NON_AUTH),
        ),
        (
            note(Flow.WINDOW, "amount", "may be charged at once", ISSUING),
            _MONTHLY,
            _SAME_SUM,
            limits(Flow.CANCEL, "amount", _IN_PART, CANCELLING, rule=Rule.WHOLE),
            limits(Flow.CANCEL, "imp_uid", _PAST_MONTH, CANCELLING, rule=Rule.SAME_MONTH),
        ),
    ),
    Pg(
        "mobilians",
        "KG모빌리언스 (휴대폰 소액결제)",
        "KG Mobilians, by phone",
        "phone bills",
        by_window(MOBILIANS),
        (
            note(
                Flow.WINDOW,
                "pay_method",
                "phone only, says the guide on billing; PortOne's notes also have cards, live only. So nothing about "
                "its refunds is refused here",
                NON_AUTH,
                MOBILIANS,
            ),
            note(Flow.WINDOW, "amount", "is charged when the key is issued by phone", MOBILIANS),
            _MONTHLY,
            limits(Flow.AGAIN, "amount", "the same sum on the same day of each month", MOBILIANS),
            limits(Flow.CANCEL, "amount", _IN_PART, CANCELLING),
            limits(Flow.CANCEL, "imp_uid", _PAST_MONTH, CANCELLING),
        ),
    ),
    Pg(
        "galaxia",
        "갤럭시아",
        "Galaxia",
        "cards; phone bills",
        ways(
            issue=no(NON_AUTH),
            window=yes(GALAXIA),
            onetime=no(NON_AUTH),
            again=yes(GALAXIA),
        ),
        (
            requires(Flow.WINDOW, "customer_id, buyer_name, buyer_email", "all are needed", GALAXIA),
            requires(Flow.WINDOW, "bypass.galaxia.ITEM_CODE", "at most 10 characters", GALAXIA),
            requires(Flow.WINDOW, "pay_method", "card issues a key, phone issues and charges", GALAXIA),
            limits(Flow.WINDOW, "currency", "KRW only", GALAXIA),
        ),
    ),
    Pg(
        "settle_acc",
        "헥토파이낸셜 내통장결제",
        "Hecto Financial, bank account",
        "bank accounts",
        by_window(guide("settle/mybank")),
        (
            note(Flow.WINDOW, "amount", "is charged when the key is issued; 0 only issues it", guide("settle/mybank")),
            requires(Flow.WINDOW, "bypass.settle.custCi", "needed since June 2024", guide("settle/mybank")),
            requires(Flow.WINDOW, "buyer_tel", "needed", guide("settle/mybank")),
        ),
    ),
)
