"""PGs that are known, but have no billing keys, or of which no guide says how keys are issued."""

from billing_worker.domain.pgs.facts import Pg
from billing_worker.domain.pgs.making import no_keys, old_module, unsaid
from billing_worker.domain.pgs.sources import CODES, NON_AUTH, SPEC_SCHEDULE, guide, spec

UNSAID = "unsaid"
NONE = "nothing: it has no keys"

ROWS = (
    Pg("smartro", "스마트로 (구모듈)", "Smartro, old module", UNSAID, old_module(guide("smartro"))),
    Pg("uplus", "토스페이먼츠 (구모듈)", "Toss Payments, old module", UNSAID, old_module(guide("toss"))),
    Pg("chai", "차이", "Chai", UNSAID, old_module(SPEC_SCHEDULE)),
    Pg("settle_firm", "헥토파이낸셜 펌뱅킹", "Hecto Financial, firm banking", UNSAID, old_module(SPEC_SCHEDULE)),
    Pg("kcp_quick", "NHN KCP 퀵페이", "NHN KCP Quickpay", UNSAID, unsaid(CODES)),
    Pg("kcp_v2", "NHN KCP (신모듈)", "NHN KCP, new module", UNSAID, unsaid(spec("POST /certifications/otp/request"))),
    Pg("tosspay", "토스페이 (구모듈)", "Toss Pay, old module", NONE, no_keys(guide("tosspay"))),
    Pg("paypal", "페이팔 (구)", "PayPal, old", NONE, no_keys(guide("rt/warning"))),
    Pg("naverco", "네이버페이 주문형", "Naver Pay, order type", NONE, no_keys(NON_AUTH)),
    Pg("inicis_unified", "KG이니시스 통합인증", "KG Inicis, identity", NONE, no_keys(CODES)),
)
