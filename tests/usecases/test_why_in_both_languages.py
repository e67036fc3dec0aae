"""`why` tells the main stories in English and in Korean: the same facts, and no line of the other language."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from billing_worker.domain.language import Language
from billing_worker.domain.payment import Failed
from billing_worker.usecases.control.stop_charging import stop_on_word
from billing_worker.usecases.customer.forget import forget_customer
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.usecases.subscription.cancel import cancel
from tests.support.gateways import Around, answers, never_arrives
from tests.support.languages import assert_told_in_both, lines_of
from tests.support.world import World

CUSTOMER = "user-42"
LIMIT = "[400]Error From NICEPAY. (message: 한도초과, code:3095)"

TRY_BEFORE_PERIOD = (
    "The next try is on 2026-02-01 00:00 UTC. The next period begins, and is charged, on 2026-02-28 00:00 UTC."
)
KOREAN_TRY_BEFORE_PERIOD = (
    "다음 시도는 2026-02-01 00:00 UTC입니다. 다음 주기는 2026-02-28 00:00 UTC에 시작하며, 그때 결제합니다."
)


@dataclass(frozen=True)
class Story:
    """How it came about, and what `why` says of it."""

    happens: Callable[[World], str]
    """Returns the id that is asked about."""
    english: tuple[str, ...]
    korean: tuple[str, ...]
    quoted: tuple[str, ...] = ()
    """What the gateway or an operator wrote: quoted as it came."""


def paid(world: World) -> str:
    subscription = world.subscribe(customer=CUSTOMER)
    world.settle()
    return world.invoice(subscription).id


def declined(world: World) -> str:
    subscription = world.subscribe("decline-limit", customer=CUSTOMER)
    world.settle()
    return subscription.id


def unknown(world: World) -> str:
    subscription = world.subscribe(customer=CUSTOMER)
    world.with_ports(gateway=Around(world.ports.gateway, never_arrives)).settle()
    return world.invoice(subscription).id


def not_placed(world: World) -> str:
    subscription = world.subscribe(customer=CUSTOMER)
    refused = Failed("not sent: no access token: HTTP 401: the gateway does not accept our key")
    world.with_ports(gateway=Around(world.ports.gateway, answers(refused))).settle()
    return world.invoice(subscription).id


def another_email(world: World) -> str:
    uid, key, _ = world.paymentwall_key(noted_email="other@example.com")
    assert key is not None
    subscription = world.subscribe(key=key, customer=CUSTOMER)
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.clock.advance(minutes=1)
    world.settle()
    return world.invoice(subscription).id


def stopped(world: World) -> str:
    subscription = world.subscribe(customer=CUSTOMER)
    world.renew()
    stop_on_word(world.ports, "all", "금액 확인 중")
    return world.invoice(subscription).id


def capped(world: World) -> str:
    key = world.key("decline-limit")
    plan = world.plan(interval="year", dunning_policy=world.policy(*["1h"] * 8, failures=[]))
    owners = [world.subscribe(key=key, plan=plan, customer=CUSTOMER, allow_duplicate=True) for _ in range(3)]
    world.run_until(world.clock.now() + timedelta(hours=4), timedelta(hours=1))
    return world.invoice(owners[0]).id


def given_up(world: World) -> str:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=()), customer=CUSTOMER)
    world.settle()
    return subscription.id


def won_back_later(world: World) -> str:
    plan = world.plan(dunning_policy=world.policy("1d", win_back="10d daily 12:00"))
    subscription = world.subscribe("decline-limit", plan=plan, customer=CUSTOMER)
    world.run_until(world.clock.now() + timedelta(days=2))
    return world.invoice(subscription).id


def single(world: World) -> str:
    invoice = world.pay(customer=CUSTOMER, name="쌀 10kg")
    world.collect()
    request_refund(world.ports, invoice.id, None, everything=True, reason="고객 요청")
    world.refund()
    return invoice.id


def forgotten(world: World) -> str:
    key = world.key(buyer_name="홍길동")
    subscription = world.subscribe(key=key, customer=CUSTOMER)
    world.settle()
    cancel(world.ports, subscription.id)
    request_delete(world.ports, key.id, "고객 요청", "고객")
    world.resolve()
    world.run_until(world.clock.now() + timedelta(days=40), timedelta(days=10))
    forget_customer(world.ports, CUSTOMER)
    return subscription.id


STORIES = {
    "paid": Story(
        paid,
        ("Paid on 2026-01-31 00:00 UTC by attempt 1", "this will not be charged again", "attempt 1", "approved"),
        ("2026-01-31 00:00 UTC에 결제되었습니다(1번째 시도", "다시 결제하지 않습니다", "1번째 시도", "승인"),
    ),
    "declined": Story(
        declined,
        ("It is past_due; 1 periods so far, 1 not paid. Not paid yet: it declined", TRY_BEFORE_PERIOD),
        ("상태: 연체. 지금까지 1개 주기, 그중 미결제 1개입니다. 결제가 거절되어", KOREAN_TRY_BEFORE_PERIOD),
        (LIMIT,),
    ),
    "unknown": Story(
        unknown,
        ("Not known: attempt 1 was sent and its outcome is unclear", "until it is known, nothing is charged again"),
        ("결과를 알 수 없습니다. 1번째 시도를 보냈지만", "응답 없음: ", "결과를 알기 전에는 다시 결제하지 않습니다"),
        ("the connection was lost",),
    ),
    "not placed": Story(
        not_placed,
        ("it could not be placed (not sent: no access token: HTTP 401: the gateway does not accept our key)",),
        ("접수되지 않아", "(보내지 않음: 액세스 토큰을 받지 못함: HTTP 401: 게이트웨이가 API 키를 받아 주지 않음)"),
    ),
    "another e-mail": Story(
        another_email,
        ("its e-mail o***@example.com is not g***@example.com, that of the payment which issued it", "set-email"),
        ("등록된 이메일(o***@example.com)이 발급 결제의 이메일(g***@example.com)과 다릅니다", "이메일로 바꾸십시오"),
    ),
    "stopped": Story(
        stopped,
        (
            "all charging is stopped since 2026-01-31 00:00 UTC (person): 금액 확인 중",
            "once an operator clears the stop",
        ),
        ("모든 결제가 2026-01-31 00:00 UTC부터 중지되어 있습니다(운영자: 금액 확인 중)", "운영자가 중지를 해제하면"),
        ("금액 확인 중",),
    ),
    "capped": Story(
        capped,
        ("The next try is on 2026-02-01 00:00 UTC. Its card was declined 10 times lately: card networks allow no try",),
        ("다음 시도는 2026-02-01 00:00 UTC입니다. 이 카드는 최근 10번 거절되었습니다. 카드 브랜드 규정에 따라",),
        (LIMIT,),
    ),
    "given up": Story(
        given_up,
        ("dunning gave up after 1 declines", "An operator can try again", "No further period is opened until"),
        (
            "1번 거절되어 재시도를 끝냈습니다",
            "운영자가 다시 시도할 수 있습니다",
            "새 주기를 열지 않습니다",
            "미납 중단",
        ),
        (LIMIT,),
    ),
    "win-back": Story(
        won_back_later,
        ("dunning gave up after 2 declines", "It is tried once more on 2026-02-11 03:00 UTC"),
        ("2번 거절되어", "2026-02-11 03:00 UTC에 한 번 더 시도합니다"),
        (LIMIT,),
    ),
    "single": Story(
        single,
        ("'쌀 10kg', a single payment of user-42", "Given back so far: 9,900 KRW; left: 0 KRW", "an operator asked"),
        (
            "고객 user-42의 단건 결제 '쌀 10kg'",
            "환불한 금액은 9,900 KRW, 남은 금액은 0 KRW",
            "운영자 요청",
            "환불 요청",
        ),
        ("쌀 10kg", "고객 요청"),
    ),
    "forgotten": Story(
        forgotten,
        ("It is canceled", "no further period is opened", "customer.forgotten user-42"),
        ("상태: 해지", "새 주기를 열지 않습니다", "고객 개인정보 파기 user-42"),
        ("customer.forgotten", "고객 요청"),
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=list(STORIES))
def test_a_story_is_told_in_both_languages(world: World, story: Story) -> None:
    ident = story.happens(world)
    english, korean = (why(world.ports, ident, language=language) for language in Language)
    for told, expected in ((english, story.english), (korean, story.korean)):
        text = "\n".join(lines_of(told))
        assert [each for each in expected if each not in text] == [], text
    assert_told_in_both(english, korean, story.quoted)
