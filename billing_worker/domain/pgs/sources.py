"""The documents behind the table of PGs. Paths are those of the repository portone-io/developers.portone.io."""

from billing_worker.domain.pgs.facts import Mark, Source


def spec(call: str) -> Source:
    """PortOne's specification of V1, at this call."""
    return Source(f"V1 spec, {call}")


def guide(page: str) -> Source:
    """A page of PortOne's guides for V1: the part of its path below opi/ko/integration/pg/v1."""
    return Source(f"guide pg/v1/{page}")


ISSUING = Source("table of issuing, support/code-info/pg")
"""Which PG issues keys in the window, and which by the API. It spells mobilians as `moblians`."""
NON_AUTH = Source("guide start/v1/non-auth")
"""The lists of PGs for the API, for the window, and for one payment with card data."""
CODES = Source("table of codes, support/code-info/pg-2")
CANCELLING = Source("guide cancel/v1/basic")
WEBHOOKS = Source("guide webhook/readme-v1")
PHONES = Source("FAQ on billing by card and by phone (카드·휴대폰 빌링)")

SPEC_ISSUE = spec("POST /subscribe/customers/{customer_uid}")
SPEC_AGAIN = spec("POST /subscribe/payments/again")
SPEC_ONETIME = spec("POST /subscribe/payments/onetime")
SPEC_SCHEDULE = spec("POST /subscribe/payments/schedule")
SPEC_CANCEL = spec("POST /payments/cancel")
SPEC_DELETE = spec("DELETE /subscribe/customers/{customer_uid}")
SPEC_PAYMENT = spec("GET /payments/{imp_uid}")

CODE_BOOK = Source("the PG's own book of error codes", Mark.OBSERVED)
CLIENTS = Source("public clients of PortOne", Mark.OBSERVED)
INFERRED = Source("concluded from the other facts", Mark.INFERRED)
