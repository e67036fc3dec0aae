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

CARD_REFUSED = re.compile(r"카드정보 인증에 실패하였습니다\.? *\[")
"""The card company or the PG refused the card of `onetime` before a payment (code -1, observed). Only with the PG's own
code after it: without one, the PG may not have answered."""

NOT_ISSUED = re.compile(r"빌키 발급에 실패하였습니다|비인증결제모듈 사용정보를 찾을 수 없습니다")
"""The card was refused, or the merchant has no PG that takes card data: no key is stored (observed)."""

NO_KEY_TO_SCHEDULE = re.compile(r"등록된 고객정보가 없습니다")
"""PortOne has no key under this customer_uid to charge later (code 1, observed): it registered nothing."""

SCHEDULED_BEFORE = re.compile(r"이미 (?:등록|예약)된")
"""The merchant_uid has a schedule already, usually one of ours. That it is refused is observed, its words are inferred
from those of a prepared payment."""

SCHEDULE_IN_THE_PAST = re.compile(r"예약 ?(?:시각|시간|일시)[은는이가]? 현재 ?(?:시각|시간)?(?:보다)? ?이후")
"""The date of a schedule has passed: it is documented that PortOne refuses it, and the words are inferred."""

NOTHING_TO_REVOKE = re.compile(r"취소할 예약결제 기록이 존재하지 않습니다")
"""PortOne has no schedule that could be revoked (code 1, observed): it never had one, or it ran, or it was revoked."""
