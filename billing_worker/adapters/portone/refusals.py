"""PortOne's own refusals, in the Korean words of V1, which has no codes for them: no card company was asked."""

import re

KEY_UNKNOWN = re.compile(r"등록되지 않은 구매자")
"""PortOne does not know this customer_uid (code 1, observed by five public clients)."""

PARAMETER_MISSING = re.compile(r"파라메터는 필수입니다|파라미터는 필수입니다")
"""PortOne refused the request itself (code 1, observed): nothing was placed."""

DUPLICATE = re.compile(r"이미 (?:주문|결제|승인)|동일한 merchant_uid")
"""The merchant_uid was already paid or cancelled, usually by a charge of ours. Read it; never retry."""

CUSTOMER_UNKNOWN = "등록된 정보를 찾을 수 없습니다"
"""The message of GET /subscribe/customers/{uid} with HTTP 200 and code 1 (observed by three public clients)."""
