"""What customers hear of their payments, in a real database, with the sandbox as the gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta

import pytest

from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Channel, NoticeKind
from billing_worker.domain.pg_limits import Quiet
from billing_worker.domain.schedule import Collection
from billing_worker.ports.notices import CardLinks, Letter
from billing_worker.ports.outgoing import Refusal
from billing_worker.usecases.card.link import session_of
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.key.expiry import set_expiry
from billing_worker.usecases.notice import deliver
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription.change import change_plan
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.heard import Ear, contradictions, noticing, telling
from tests.support.world import World
from tests.usecases.test_fallback_keys import back

pytestmark = pytest.mark.long

SECRET = b"a secret of at least thirty-two bytes"
LINKS = CardLinks(SECRET, "https://billing.example.com", "kakaopay")
BUYER = {"buyer_name": "홍길동", "buyer_email": "gildong@example.com", "buyer_tel": "010-1234-5678"}
NIGHT = Quiet(time(21), time(8))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def told(world: World, ear: Ear) -> Iterator[World]:
    """A world whose customers hear everything by a webhook, at any hour."""
    return telling(world, noticing({Channel.WEBHOOK: ear}, links=LINKS))


def states(world: World) -> list[tuple[str, str, str | None]]:
    return [
        (row["kind"], row["status"], row["note"])
        for row in world.rows("SELECT kind, status, note FROM notices ORDER BY number")
    ]


def days(told: World, *steps: int) -> None:
    """Let days pass, coming to rest now and after each step."""
    told.settle()
    for count in steps:
        told.clock.advance(days=count)
        told.settle()


def test_each_step_of_dunning_is_told_once_and_its_end(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-limit")
    days(told, 1, 3, 5, 7)
    assert ear.kinds == ["failed", "failed", "failed", "last_warning", "given_up"]
    invoice = told.invoice(subscription)
    assert {letter.facts["invoice_id"] for letter in ear.heard} == {invoice.id}
    tries = [letter.facts["next_attempt_at"] for letter in ear.heard]
    attempts = [attempt.started_at.isoformat() for attempt in told.attempts(invoice)]
    assert tries == [*attempts[1:], None], "each told when the next try comes, and it came then"
    assert not contradictions(ear.heard)


def test_a_notice_before_a_charge_is_about_the_card_that_will_be_charged(world: World) -> None:
    ear = Ear()
    told = telling(world, noticing({Channel.WEBHOOK: ear}, kinds="card_expiring=14,upcoming=7"))
    start = told.clock.now() + timedelta(days=45)
    for fallback_is_good in (True, False):
        main = told.key(card_expires="2026-02")
        subscription = told.subscribe(key=main, start=start)
        other = told.key(card_expires="2031-01" if fallback_is_good else "2026-01")
        back(told, subscription, other)
    told.run_until(start)
    months = [(letter.kind, letter.facts["card_expires_on"]) for letter in ear.heard]
    assert sorted(months) == [("card_expiring", "2026-02-28"), ("upcoming", "2026-02-28"), ("upcoming", "2031-01-31")]
    assert not contradictions(ear.heard)


def test_no_notice_says_that_a_try_is_the_last_one_where_another_is_planned(told: World, ear: Ear) -> None:
    policy = told.policy("1d", win_back="10d")
    subscription = told.subscribe("decline-limit", plan=told.plan(dunning_policy=policy))
    days(told, 1, 10)
    assert ear.kinds == ["last_warning", "given_up"]
    assert len(told.attempts(told.invoice(subscription))) == 3
    warning, end = ear.heard
    assert (warning.facts["win_back"], end.facts["win_back"]) == (True, True)
    assert end.facts["next_attempt_at"] == told.attempts(told.invoice(subscription))[-1].started_at.isoformat()
    for letter, words in ((warning, "나중에 한 번만 더 시도합니다"), (end, "한 번 더 결제를 시도합니다")):
        assert words in letter.words.text
        assert "더 이상" not in letter.words.text
        assert "마지막" not in letter.words.text
    dead = told.subscribe("decline-stolen", plan=told.plan(dunning_policy=policy))
    days(told, 1)
    letter = ear.heard[-1]
    assert (letter.kind, letter.facts["invoice_id"]) == ("given_up", told.invoice(dead).id)
    assert (letter.facts["win_back"], letter.facts["next_attempt_at"]) == (False, None)


def test_a_payment_after_a_failure_is_told_and_one_without_is_not(told: World, ear: Ear) -> None:
    quiet_one = told.subscribe("ok")
    subscription = told.subscribe("decline-limit-1x")
    days(told, 2)
    assert ear.kinds == ["failed", "recovered"]
    assert all(letter.facts["subscription_id"] == subscription.id for letter in ear.heard)
    assert told.money(told.invoice(quiet_one))


def test_nothing_is_told_of_a_failure_while_the_outcome_is_unknown(told: World, ear: Ear) -> None:
    subscription = told.subscribe("drop-after-charge")
    told.settle()
    invoice = told.invoice(subscription)
    assert told.attempt(invoice).is_open
    for _ in range(5):
        told.tell()
    assert not ear.heard
    told.resolve(hours=2)
    assert not ear.heard, "the charge was taken: there was never a failure"


def test_a_failure_that_was_not_told_before_the_payment_is_dropped_and_so_is_the_recovery(world: World) -> None:
    ear = Ear(trouble="the line is down")
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    told.subscribe("decline-limit-1x")
    days(told, 1)
    ear.trouble = None
    days(told, 1)
    assert not ear.heard
    assert [state[:2] for state in states(told)] == [("failed", "superseded"), ("recovered", "superseded")]
    assert states(told)[1][2] == "the customer heard of no failure"


def test_a_failure_that_perhaps_arrived_is_followed_by_its_recovery(world: World) -> None:
    ear = Ear(refuses=lambda letter: Refusal("no answer", unclear=True) if letter.kind == "failed" else None)
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    told.subscribe("decline-limit-1x")
    days(told, 2)
    assert ear.kinds == ["recovered"]
    assert states(told)[0][:2] == ("failed", "superseded")


def test_a_clear_refusal_does_not_forget_that_an_earlier_delivery_perhaps_arrived(world: World) -> None:
    answers = iter([Refusal("no answer", unclear=True), *[Refusal("HTTP 503")] * 20])
    ear = Ear(refuses=lambda letter: next(answers) if letter.kind == "failed" else None)
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    told.subscribe("decline-limit-1x")
    told.settle()
    told.clock.advance(minutes=5)
    told.settle()
    days(told, 1)
    assert len(ear.asked) > 2
    assert ear.kinds == ["recovered"]


def test_after_an_outage_of_the_receiver_only_the_newest_failure_is_told(world: World) -> None:
    ear = Ear(trouble="HTTP 503")
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    subscription = told.subscribe("decline-limit")
    days(told, 1)
    ear.trouble = None
    told.clock.advance(hours=6)
    told.settle()
    assert ear.kinds == ["failed"]
    next_try = told.invoice(subscription).next_attempt_at
    assert next_try is not None
    assert ear.heard[0].facts["next_attempt_at"] == next_try.isoformat()
    assert [state[:2] for state in states(told)] == [("failed", "superseded"), ("failed", "sent")]


def test_a_recovery_waits_for_the_failure_that_is_being_sent(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-limit-1x")
    told.renew_and_charge()

    def pay_meanwhile(letter: Letter) -> Refusal | None:
        if letter.kind == "failed":
            retry_now(told.ports, told.invoice(subscription).id)
            told.collect()
            assert told.money(told.invoice(subscription))
            told.tell()
            assert not ear.heard, "the recovery must not overtake"
        return None

    ear.refuses = pay_meanwhile
    told.tell()
    told.clock.advance(minutes=1)
    told.settle()
    assert ear.kinds == ["failed", "recovered"]


def test_a_dead_card_is_told_at_once_and_warned_of_two_days_before_the_end(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-stolen")
    told.settle()
    assert ear.kinds == ["failed"]
    end = told.invoice(subscription).next_attempt_at
    assert end is not None
    assert ear.heard[0].facts["given_up_at"] == end.isoformat()
    told.clock.advance_to(end - timedelta(days=2, hours=1))
    told.settle()
    assert ear.kinds == ["failed"]
    days(told, 1)
    assert ear.kinds == ["failed", "last_warning"]
    days(told, 2)
    assert ear.kinds == ["failed", "last_warning", "given_up"]


def test_another_card_in_time_ends_the_warnings(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-stolen")
    told.settle()
    replace_key(told.ports, subscription.id, told.key("ok").id)
    days(told, 15)
    assert ear.kinds == ["failed", "recovered"]
    assert ("last_warning", "superseded") in [state[:2] for state in states(told)]


def test_another_card_that_is_declined_too_is_told(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-limit")
    told.settle()
    replace_key(told.ports, subscription.id, told.key("decline-limit").id)
    told.settle()
    assert ear.kinds == ["failed", "failed"]


def test_retries_by_hand_on_the_same_card_are_not_told_again(told: World, ear: Ear) -> None:
    subscription = told.subscribe("decline-limit")
    told.settle()
    for _ in range(3):
        retry_now(told.ports, told.invoice(subscription).id)
        told.settle()
    assert len(told.attempts(told.invoice(subscription))) == 4
    assert ear.kinds == ["failed"]


def test_quiet_hours_are_waited_out_and_what_was_paid_meanwhile_is_not_told(world: World, ear: Ear) -> None:
    told = telling(world, noticing({Channel.WEBHOOK: ear}, quiet=NIGHT))
    told.clock.advance(hours=14)  # 23:00 in Seoul
    late = told.subscribe("decline-limit")
    paid = told.subscribe("decline-limit-1x")
    told.settle()
    retry_now(told.ports, told.invoice(paid).id)
    told.settle()
    assert not ear.heard
    told.run_until(datetime(2026, 1, 31, 22, 59, tzinfo=UTC), timedelta(hours=1))
    assert not ear.heard
    told.run_until(datetime(2026, 1, 31, 23, 1, tzinfo=UTC), timedelta(minutes=1))
    assert [(letter.kind, letter.facts["subscription_id"]) for letter in ear.heard] == [("failed", late.id)]


def test_without_a_channel_nothing_is_written(world: World) -> None:
    world.subscribe("decline-limit")
    days(world, 1, 3, 5, 7)
    assert "invoice.uncollectible" in world.events()
    assert not world.rows("SELECT id FROM notices")
    assert not world.rows("SELECT id FROM notice_marks")


def test_a_subscription_in_shadow_hears_nothing(told: World, ear: Ear) -> None:
    plan = told.plan()
    change_plan(told.ports, plan.id, notices=["failed", "upcoming=7"])
    told.subscribe("decline-limit", plan=plan, collection=Collection.SHADOW, start=told.clock.now() + timedelta(days=5))
    days(told, 10)
    assert not ear.heard
    assert not states(told)


def test_a_plan_says_what_its_customers_hear(told: World, ear: Ear) -> None:
    plan = told.plan()
    change_plan(told.ports, plan.id, notices=["given_up", "upcoming=3"])
    told.subscribe("decline-limit", plan=plan)
    told.subscribe("decline-limit")
    days(told, 1, 3, 5, 7)
    assert sorted(ear.kinds) == ["failed", "failed", "failed", "given_up", "given_up", "last_warning"]
    assert ("failed", "superseded", "failed is switched off") in states(told)
    change_plan(told.ports, plan.id, notices=["default"])
    told.subscribe("decline-limit", plan=plan)
    told.settle()
    assert ear.kinds[-1] == "failed"


def test_a_coming_charge_is_told_so_many_days_before_it(told: World, ear: Ear) -> None:
    plan = told.plan()
    change_plan(told.ports, plan.id, notices=["upcoming=7"])
    for _ in range(3):
        told.subscribe("ok", plan=plan)
    leaving = told.subscribe("ok", plan=plan)
    told.cancel(leaving, at_period_end=True)
    days(told, 20)
    assert not ear.heard, "the next charge is 28 days after the first one"
    days(told, 2)
    assert ear.kinds == ["upcoming"] * 3
    assert {letter.facts["charge_at"] for letter in ear.heard} == {"2026-02-28T00:00:00+00:00"}
    days(told, 6, 24, 1, 6, 24, 1)
    assert ear.kinds == ["upcoming"] * 9, "once for each period"


def test_a_card_that_is_too_old_for_the_next_charge_is_told_two_weeks_before_it(told: World, ear: Ear) -> None:
    old, young = told.key("ok"), told.key("ok")
    for key, month in ((old, "2026-01"), (young, "2026-02")):
        told.subscribe(key=key)
        set_expiry(told.ports, key.id, month)
    days(told, 13)
    assert not ear.heard
    days(told, 2)
    (letter,) = ear.heard
    assert (letter.kind, letter.facts["card_expires_on"]) == ("card_expiring", "2026-01-31")
    days(told, 5)
    assert ear.kinds == ["card_expiring"], "once for each period"


def test_a_coming_charge_of_a_card_that_died_is_not_told(world: World, ear: Ear) -> None:
    told = telling(world, noticing({Channel.WEBHOOK: ear}, kinds="upcoming=7", quiet=NIGHT))
    told.clock.advance(hours=13)  # 22:00 in Seoul
    subscription = told.subscribe("ok")
    days(told, 21)
    assert [state[:2] for state in states(told)] == [("upcoming", "pending")]
    with told.ports.database.transaction() as uow:
        key = uow.keys.lock(subscription.billing_key_id)
        assert key.invalidate("lost")
        uow.keys.save(key)
        uow.commit()
    days(told, 2)
    assert states(told) == [("upcoming", "superseded", "the billing key is invalid")]


def test_a_customer_without_an_address_hears_by_webhook_alone(world: World) -> None:
    mail, ear = Ear(), Ear()
    told = telling(world, noticing({Channel.MAIL: mail, Channel.WEBHOOK: ear}))
    told.subscribe("decline-limit")
    told.subscribe(key=told.key("decline-limit", **BUYER))
    told.settle()
    assert [letter.to.email for letter in mail.heard] == ["gildong@example.com"]
    assert ear.kinds == ["failed", "failed"]
    assert ("failed", "superseded", "no address: the billing key has no e-mail") in states(told)


def test_a_customer_without_any_address_is_shown_by_why(world: World) -> None:
    told = telling(world, noticing({Channel.MAIL: Ear()}))
    subscription = told.subscribe("decline-limit")
    told.settle()
    (line,) = why(told.ports, told.invoice(subscription).id).notices
    assert "failed by mail: not delivered" in line
    assert "no address" in line
    assert why(told.ports, subscription.id).notices == [line]


def test_the_link_opens_a_card_session_of_the_subscription_and_survives_retries(world: World) -> None:
    answers = iter([Refusal("busy"), None])
    ear = Ear(refuses=lambda _letter: next(answers))
    told = telling(world, noticing({Channel.WEBHOOK: ear}, links=LINKS))
    subscription = told.subscribe(key=told.key("decline-limit", **BUYER))
    told.settle()
    told.clock.advance(seconds=6)
    told.settle()
    (letter,) = ear.heard
    link = str(letter.facts["card_link"])
    named = session_of(SECRET, link.removeprefix("https://billing.example.com/card/"))
    assert named is not None
    (row,) = told.rows("SELECT id, subscription_id, pg, language FROM card_sessions")
    assert row == {"id": named[0], "subscription_id": subscription.id, "pg": "kakaopay", "language": "ko"}
    assert link in letter.words.text
    assert f'href="{link}"' in letter.words.html


def test_a_subscription_may_name_the_language_of_its_customer(told: World, ear: Ear) -> None:
    told.subscribe("decline-limit", metadata={"language": "en"})
    told.subscribe("decline-limit", metadata={"language": "fr"})
    told.settle()
    assert sorted(letter.language for letter in ear.heard) == [Language.EN, Language.KO]


def test_a_single_payment_is_told_too(told: World, ear: Ear) -> None:
    told.pay(told.key("decline-limit"), retry_days=(1,))
    days(told, 1)
    assert ear.kinds == ["last_warning", "given_up"]
    assert not contradictions(ear.heard)


def test_a_receiver_that_is_down_gets_everything_that_is_still_true_when_it_is_well(world: World) -> None:
    ear = Ear(trouble="HTTP 503")
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    for _ in range(5):
        told.subscribe("decline-limit")
    told.settle()
    assert 0 < len(ear.asked) < 5, "after three refusals, one probe at a time"
    (alert,) = [each for each in told.alerts() if each.kind == "notices_undelivered"]
    assert alert.subject_id == "webhook"
    told.run_until(told.clock.now() + timedelta(hours=3), timedelta(minutes=30))
    ear.trouble = None
    told.run_until(told.clock.now() + timedelta(hours=12), timedelta(hours=1))
    assert ear.kinds == ["failed"] * 5
    assert not [each for each in told.alerts() if each.kind == "notices_undelivered"]


@pytest.mark.parametrize("hours", [1, 30])
def test_a_channel_that_is_well_again_sends_all_that_is_true_within_minutes(world: World, hours: int) -> None:
    ear = Ear(trouble="HTTP 503")
    told = telling(world, noticing({Channel.WEBHOOK: ear}))
    plan = told.plan(dunning_days=(30, 30))
    for _ in range(5):
        told.subscribe("decline-limit", plan=plan)
    told.run_until(told.clock.now() + timedelta(hours=hours), timedelta(minutes=10))
    ear.trouble = None
    told.run_until(told.clock.now() + timedelta(minutes=15), timedelta(minutes=1))
    assert ear.kinds == ["failed"] * 5


def test_what_could_not_be_sent_for_three_days_is_never_sent_stale(world: World) -> None:
    ear = Ear(trouble="HTTP 503")
    told = telling(world, noticing({Channel.WEBHOOK: ear}, kinds="given_up"))
    told.subscribe("decline-limit", plan=told.plan(dunning_days=()))
    told.run_until(told.clock.now() + timedelta(days=4), timedelta(hours=8))
    ear.trouble = None
    days(told, 2)
    assert not ear.heard
    ((kind, status, note),) = states(told)
    assert (kind, status) == ("given_up", "failed")
    assert note is not None
    assert "HTTP 503" in note


def test_two_workers_send_one_notice_once(told: World, ear: Ear) -> None:
    told.subscribe("decline-limit")
    told.renew_and_charge()
    (ident,) = deliver.due(told.ports, 10)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: deliver.send(told.ports, ident), range(4)))
    assert ear.asked == [ident]


class Died(Exception):
    """The worker ended here."""


def test_a_worker_that_dies_after_the_delivery_sends_it_again_under_the_same_id(told: World, ear: Ear) -> None:
    told.subscribe("decline-limit-1x")
    told.renew_and_charge()

    def die(letter: Letter) -> Refusal | None:
        ear.heard.append(letter)
        raise Died

    ear.refuses = die
    (ident,) = deliver.due(told.ports, 10)
    with pytest.raises(Died):
        deliver.send(told.ports, ident)
    ear.refuses = lambda _letter: None
    told.clock.advance(minutes=1)
    told.settle()
    assert [letter.id for letter in ear.heard] == [ident, ident]
    days(told, 2)
    assert ear.kinds == ["failed", "failed", "recovered"]
    assert states(told)[0] == ("failed", "sent", None)


def test_a_worker_that_dies_before_the_payment_is_followed_by_the_recovery_only(told: World, ear: Ear) -> None:
    """The failure may have arrived: the recovery is news, and the failure is not repeated after it."""
    subscription = told.subscribe("decline-limit-1x")
    told.renew_and_charge()
    ear.refuses = lambda _letter: (_ for _ in ()).throw(Died())
    (ident,) = deliver.due(told.ports, 10)
    with pytest.raises(Died):
        deliver.send(told.ports, ident)
    ear.refuses = lambda _letter: None
    retry_now(told.ports, told.invoice(subscription).id)
    told.collect()
    told.clock.advance(minutes=1)
    told.settle()
    assert ear.kinds == ["recovered"]


def test_an_invoice_in_a_rolled_back_transaction_is_told_of_nothing(told: World) -> None:
    subscription = told.subscribe("decline-limit")
    told.settle()
    before = states(told)
    invoice = told.invoice(subscription)
    with told.ports.database.transaction() as uow:
        settlement = uow.lock_settlement(told.attempt(invoice).id)
        settlement.announce("invoice.paid", imp_uid="imp_1")  # type: ignore[arg-type] # as the enum's value
        uow.save_settlements([settlement], told.ports.clock.moment())
    assert states(told) == before


def test_every_kind_reads_in_both_languages_without_a_hole(told: World) -> None:
    assert told.ports.noticing is not None
    told.ports.noticing.wording.check()  # type: ignore[attr-defined] # the templates behind the port
    assert len(NoticeKind) == 6
