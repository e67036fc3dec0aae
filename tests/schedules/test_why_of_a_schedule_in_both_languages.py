"""`why` of a subscription that PortOne's schedule charges, in English and in Korean."""

from billing_worker.domain.language import Language
from billing_worker.usecases.reading.why import why
from tests.schedules.merchant import Merchant
from tests.support.languages import assert_told_in_both


def test_a_registered_schedule_is_told_in_both_languages(merchant: Merchant) -> None:
    subscription = merchant.subscribe(customer="user-42")
    (order,) = (each.merchant_uid for each in merchant.schedules(subscription))
    english, korean = (why(merchant.world.ports, subscription.id, language=language) for language in Language)
    assert f"PortOne charges its next period on 2026-02-28 00:00 UTC (order {order})" in english.next
    assert (
        f"다음 주기는 포트원이 2026-02-28 00:00 UTC에 결제하고(주문번호 {order}) 웹훅으로 알려 줍니다." in korean.next
    )
    assert_told_in_both(english, korean)
