"""PortOne's own refusals, told from one another and from the words of a PG."""

import re

import pytest

from billing_worker.adapters.portone.refusals import (
    DUPLICATE,
    KEY_UNKNOWN,
    NO_KEY_TO_SCHEDULE,
    NOTHING_TO_REVOKE,
    PARAMETER_MISSING,
    SCHEDULE_IN_THE_PAST,
    SCHEDULED_BEFORE,
)

ALL = (
    DUPLICATE, KEY_UNKNOWN, NO_KEY_TO_SCHEDULE, NOTHING_TO_REVOKE, PARAMETER_MISSING, SCHEDULE_IN_THE_PAST,
    SCHEDULED_BEFORE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (KEY_UNKNOWN, "등록되지 않은 구매자입니다."),
        (PARAMETER_MISSING, '["customer_uid"] 파라메터는 필수입니다.'),
        (PARAMETER_MISSING, '["amount"] 파라미터는 필수입니다.'),
        (DUPLICATE, "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)"),
        (DUPLICATE, "이미 결제가 이루어진 거래건입니다."),
        (DUPLICATE, "이미 승인된 거래"),
        (NO_KEY_TO_SCHEDULE, "등록된 고객정보가 없습니다."),
        (NOTHING_TO_REVOKE, "취소할 예약결제 기록이 존재하지 않습니다."),
        (SCHEDULE_IN_THE_PAST, "예약 시각은 현재 이후여야 합니다."),
        (SCHEDULE_IN_THE_PAST, "예약시간은 현재 시간보다 이후여야 합니다."),
        (SCHEDULED_BEFORE, "이미 등록된 merchant_uid입니다."),
        (SCHEDULED_BEFORE, "이미 예약된 주문입니다."),
    ],
)
def test_portones_own_messages_are_recognised(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
    assert [other for other in ALL if other.search(text)] == [pattern]


@pytest.mark.parametrize("pattern", ALL)
@pytest.mark.parametrize("text", ["", "한도초과", "분실카드", "통신장애", "Internal error", "중복"])
def test_a_pgs_message_is_not_taken_for_portones(pattern: re.Pattern[str], text: str) -> None:
    assert not pattern.search(text)
