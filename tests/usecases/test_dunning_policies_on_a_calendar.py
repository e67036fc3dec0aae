"""Policies on the real database, against the sandbox's ledger: when an invoice is tried again, and what comes last."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import text

from billing_worker.adapters.database.policies import policy_in
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.dunning.caps import CAPS
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.pg_limits import SEOUL, PgLimits, Quiet
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.charge.begin import begin_invoices
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.charge.win_back import win_back
from billing_worker.usecases.control.card_caps import OUTCOME_WAIT
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription.change import change_plan, change_subscription
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.builders import NOW
from tests.support.world import World

pytestmark = pytest.mark.long

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def seoul(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=SEOUL)


def tries(world: World, invoice: Invoice) -> list[datetime]:
    return [attempt.started_at for attempt in world.attempts(invoice)]


def to_next(world: World, subscription: Subscription, number: int = 0) -> Invoice:
    """Come to rest, then move to the next date of its invoice; the invoice as it is before that date."""
    world.settle()
    invoice = world.invoices(subscription)[number]
    if invoice.next_attempt_at is not None:
        world.clock.advance_to(max(invoice.next_attempt_at, world.clock.now()))
    return invoice


def to_the_end(world: World, subscription: Subscription, number: int = 0) -> Invoice:
    """Walk from date to date until the invoice is closed."""
    for _ in range(50):
        invoice = to_next(world, subscription, number)
        if invoice.status != "open":
            return invoice
    raise AssertionError("dunning never ends")


def test_a_customer_without_money_is_tried_on_paydays(world: World) -> None:
    policy = world.policy("1d paydays 10:00", "1d paydays 10:00", "1d paydays 10:00", quiet="21:00-08:00")
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_policy=policy))
    invoice = to_the_end(world, subscription)
    assert invoice.dunning_policy == f"{policy}@1"
    # The 15th is a Sunday before the Lunar New Year, and the 21st a Saturday.
    dates = ["2026-02-10T10:00", "2026-02-13T10:00", "2026-02-20T10:00"]
    assert tries(world, invoice) == [NOW, *(seoul(date) for date in dates)]
    assert (invoice.status, invoice.declines) == ("uncollectible", 4)
    assert world.subscription(subscription).status == "unpaid"
    world.assert_books_agree()


def test_a_try_waits_for_the_end_of_the_quiet_hours_also_when_the_workers_are_late(world: World) -> None:
    policy = world.policy("12h", "6h", quiet="21:00-08:00")
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_policy=policy))
    world.settle()
    assert world.invoice(subscription).next_attempt_at == seoul("2026-02-01T08:00")
    world.clock.advance_to(seoul("2026-02-01T08:00"))
    world.settle()
    assert world.invoice(subscription).next_attempt_at == seoul("2026-02-01T14:00")
    world.clock.advance_to(seoul("2026-02-01T23:30"))  # no worker ran
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.next_attempt_at, invoice.attempts) == (seoul("2026-02-02T08:00"), 2)
    world.clock.advance_to(seoul("2026-02-02T08:00"))
    world.settle()
    assert (world.invoice(subscription).status, len(world.ledger(invoice))) == ("uncollectible", 3)


def test_the_date_that_is_shown_keeps_to_the_hours_of_the_pg(world: World) -> None:
    closed = world.with_ports(pg_limits=PgLimits(quiet={"nice_v2": Quiet(time(8, 30), time(9, 30))}))
    subscription = closed.subscribe("decline-limit", start=NOW + HOUR)
    closed.clock.advance(hours=1)
    closed.settle()
    later = closed.policy("23h")
    other = closed.subscribe("decline-limit", plan=closed.plan(dunning_policy=later))
    closed.settle()
    assert closed.invoice(subscription).next_attempt_at == seoul("2026-02-01T10:00")
    assert closed.invoice(other).next_attempt_at == seoul("2026-02-01T09:30")


def test_a_stored_version_is_kept_although_the_rules_have_become_stricter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = world.policy("1d", "1d", "1d")
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_policy=policy))
    monkeypatch.setattr("billing_worker.domain.dunning.policy.MOST_STEPS", 2)
    policy_in.cache_clear()  # another process
    assert to_the_end(world, subscription).attempts == 4
    with pytest.raises(InvalidInput, match="at most 2 tries"):
        world.policy("2d", "2d", "2d")


def test_hours_that_leave_no_time_hold_up_no_answer(world: World) -> None:
    """The PG's hours are a setting: it may change after a policy was made."""
    policy = world.policy("12h", quiet="21:00-09:00")
    closed = world.with_ports(pg_limits=PgLimits(quiet={"nice_v2": Quiet(time(8, 30), time(21, 30))}))
    closed.clock.advance_to(seoul("2026-01-31T22:00"))
    subscription = closed.subscribe("decline-limit", plan=closed.plan(dunning_policy=policy))
    closed.settle()
    invoice = closed.invoice(subscription)
    assert (invoice.declines, invoice.next_attempt_at) == (1, seoul("2026-02-01T21:30"))
    closed.clock.advance_to(seoul("2026-02-01T21:30"))
    closed.settle()
    assert closed.invoice(subscription).status == "uncollectible"
    with pytest.raises(InvalidInput, match="no time of the day beside the quiet hours 08:30-21:30 of nice_v2"):
        closed.policy("12h", quiet="21:00-09:00")
    assert closed.policy("12h", quiet="22:00-08:00")


def test_a_customer_is_tried_at_the_hour_at_which_a_payment_succeeded(world: World) -> None:
    key = world.key()
    policy = world.policy("1d", "1d", paid_hour=True)
    start = seoul("2026-01-31T14:20")
    subscription = world.subscribe(key=key, plan=world.plan(interval="week", dunning_policy=policy), start=start)
    world.clock.advance_to(start)
    world.settle()
    assert world.subscription(subscription).paid_hour == 14
    world.sandbox.rule("decline-limit", customer_uid=key.customer_uid)
    world.clock.advance_to(start + 7 * DAY + 5 * HOUR)  # late: 19:20
    world.settle()
    assert world.invoices(subscription)[1].next_attempt_at == seoul("2026-02-09T14:00")


def test_steps_of_a_category_follow_its_declines_only(world: World) -> None:
    policy = world.policy("1d", "1d", by_category={"balance": ["3d", "4d", "5d"]})
    plan = world.plan(dunning_policy=policy)
    poor, limited = (world.subscribe(f"decline-{why_}", plan=plan) for why_ in ("balance", "limit"))
    world.settle()
    waits = [world.invoice(each).next_attempt_at - NOW for each in (poor, limited)]
    assert waits == [3 * DAY, DAY]


def test_a_failure_and_a_retry_by_hand_spend_no_step(world: World) -> None:
    key = world.key("decline-limit")
    policy = world.policy("1d", "2d", failures=["10m"])
    world.sandbox.rule("decline-system", customer_uid=key.customer_uid, times=1)
    subscription = world.subscribe(key=key, plan=world.plan(dunning_policy=policy))
    world.settle()
    assert world.invoice(subscription).next_attempt_at == NOW + timedelta(minutes=10)
    to_next(world, subscription)
    world.settle()
    planned = world.invoice(subscription).next_attempt_at
    world.clock.advance(hours=1)
    retry_now(world.ports, world.invoice(subscription).id)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.next_attempt_at, invoice.declines, invoice.spared, invoice.attempts) == (planned, 1, 1, 3)
    assert to_the_end(world, subscription).attempts == 5


# -- caps


def below_every_cap(world: World, key: BillingKey) -> int:
    """How often the card was tried; no cap is exceeded in any window."""
    times = [row["started_at"] for row in world.rows("SELECT * FROM payment_attempts ORDER BY started_at")]
    for cap in CAPS:
        for first in times:
            assert sum(first <= other < first + cap.window for other in times) <= cap.tries
    assert len(world.ledger(key)) == len(times)
    return len(times)


@pytest.mark.fm("L25")
def test_one_card_of_three_subscriptions_is_never_tried_more_often_than_card_networks_allow(world: World) -> None:
    key = world.key("decline-limit")
    plan = world.plan(interval="year", dunning_policy=world.policy(*["1h"] * 8, failures=[]))
    owners = [world.subscribe(key=key, plan=plan, allow_duplicate=True) for _ in range(3)]
    for hour in range(4):
        world.settle()
        if hour == 2:
            retry_now(world.ports, world.invoice(owners[0]).id)  # by hand it counts too
            world.settle()
        world.clock.advance(hours=1)
    assert below_every_cap(world, key) == 10
    waiting = [world.invoice(owner) for owner in owners]
    assert {invoice.next_attempt_at for invoice in waiting} == {NOW + DAY}
    with pytest.raises(Conflict) as refused:
        retry_now(world.ports, waiting[0].id)
    assert "card networks allow no further try before 2026-02-01 00:00 UTC" in str(refused.value)
    assert "card networks allow no try before 2026-02-01 00:00 UTC" in why(world.ports, waiting[0].id).next
    for _ in range(200):
        world.settle()
        dates = [date for owner in owners if (date := world.invoice(owner).next_attempt_at) is not None]
        if not dates:
            break
        world.clock.advance_to(max(min(dates), world.clock.now()))
    assert [world.invoice(owner).status for owner in owners] == ["uncollectible"] * 3
    assert below_every_cap(world, key) == 3 * 9 + 1
    assert world.clock.now() > NOW + 30 * DAY


def nearly_full(world: World) -> tuple[BillingKey, list[Invoice]]:
    """A card with nine declines today, and two invoices that are due on it."""
    key = world.key()
    plan = world.plan(dunning_days=(1,))
    owners = [world.subscribe(key=key, plan=plan, allow_duplicate=True) for _ in range(2)]
    world.renew()
    declines = [NOW - number * HOUR for number in range(9, 0, -1)]
    with world.engine.begin() as connection:
        statement = text("UPDATE billing_keys SET declined_at = :declines WHERE id = :id")
        connection.execute(statement, {"declines": declines, "id": key.id})
    return key, [world.invoice(owner) for owner in owners]


def test_a_try_that_is_under_way_counts_until_its_outcome_is_known(world: World) -> None:
    _, (first, second) = nearly_full(world)
    assert len(begin_invoices(world.ports, [first.id]).intents) == 1
    assert begin_invoices(world.ports, [second.id]).intents == []
    assert world.now_of(second).next_attempt_at == NOW + OUTCOME_WAIT
    assert world.now_of(second).lease_until is None


def test_two_of_one_chunk_do_not_exceed_a_cap_together(world: World) -> None:
    _, invoices = nearly_full(world)
    assert len(begin_invoices(world.ports, [each.id for each in invoices]).intents) == 1


def test_two_workers_do_not_exceed_a_cap_together(world: World) -> None:
    _, invoices = nearly_full(world)
    twin = world.twin()
    try:
        with ThreadPoolExecutor(2) as pool:
            begun = list(pool.map(begin_invoices, (world.ports, twin.ports), ([invoices[0].id], [invoices[1].id])))
    finally:
        twin.close()
    assert sum(len(each.intents) for each in begun) == 1


def test_a_new_card_is_not_tried_at_once_on_more_debts_than_the_caps_allow(world: World) -> None:
    plan = world.plan(interval="day", dunning_days=(30, 30))
    subscription = world.subscribe("decline-limit", plan=plan)
    world.run_until(NOW + 12 * DAY)
    assert len(world.invoices(subscription)) == 13
    card = world.key("decline-limit")
    replace_key(world.ports, subscription.id, card.id)
    world.settle()
    assert len(world.ledger(card)) == 10


def test_a_refusal_because_of_the_merchant_does_not_count_against_the_card(world: World) -> None:
    key = world.key("decline-limit-2x")
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.key_now(key).declined_at == (NOW,)
    to_the_end(world, subscription)
    assert len(world.key_now(key).declined_at) == 2


# -- what comes last


def test_the_final_action_cancels_and_nothing_is_charged_any_more(world: World) -> None:
    plan = world.plan(interval="day", dunning_policy=world.policy("36h", final="cancel"))
    subscription = world.subscribe("decline-limit", plan=plan)
    world.run_until(NOW + 4 * DAY, 12 * HOUR)
    assert world.subscription(subscription).status == "canceled"
    statuses = [invoice.status for invoice in world.invoices(subscription)]
    assert statuses == ["void", "void"]
    (told,) = world.rows("SELECT data FROM outbox WHERE type = 'subscription.canceled'")
    assert told["data"]["reason"] == "dunning"
    world.assert_books_agree()


def test_the_final_action_keeps_a_subscription_past_due_and_its_periods_go_on(world: World) -> None:
    plan = world.plan(dunning_policy=world.policy("1d", final="keep_past_due"))
    subscription = world.subscribe("decline-limit-2x", plan=plan)
    assert to_the_end(world, subscription).status == "uncollectible"
    assert world.subscription(subscription).status == "past_due"
    world.run_until(NOW + 35 * DAY, 5 * DAY)
    first, second = world.invoices(subscription)
    assert (first.status, second.status, second.period.index) == ("uncollectible", "paid", 1)
    assert world.subscription(subscription).status == "active"
    assert "subscription.unpaid" not in world.events()
    world.assert_books_agree()


def test_a_customer_is_won_back_by_one_more_try(world: World) -> None:
    plan = world.plan(dunning_policy=world.policy("1d", win_back="10d daily 12:00"))
    subscription = world.subscribe("decline-limit-2x", plan=plan)
    invoice = to_the_end(world, subscription)
    assert (invoice.status, invoice.win_back_at) == ("uncollectible", seoul("2026-02-11T12:00"))
    assert "tried once more on 2026-02-11 03:00 UTC" in why(world.ports, invoice.id).next
    world.clock.advance_to(invoice.win_back_at - timedelta(seconds=1))
    world.settle()
    assert world.now_of(invoice).attempts == 2
    world.clock.advance_to(invoice.win_back_at)
    world.settle()
    assert (world.now_of(invoice).status, world.now_of(invoice).win_back_at) == ("paid", None)
    assert world.subscription(subscription).status == "active"
    world.assert_books_agree()


def test_a_try_to_win_back_that_a_cap_holds_keeps_the_quiet_hours(world: World) -> None:
    policy = world.policy("1d daily 10:00", quiet="21:00-09:00", win_back="10d daily 12:00")
    invoice = to_the_end(world, world.subscribe("decline-limit-2x", plan=world.plan(dunning_policy=policy)))
    world.clock.advance_to(invoice.win_back_at)
    win_back(world.ports, invoice.id)
    with world.engine.begin() as connection:  # other invoices were declined on the card: it is free at 23:00
        declines = [seoul("2026-02-10T23:00") + timedelta(minutes=number) for number in range(10)]
        statement = text("UPDATE billing_keys SET declined_at = :declines WHERE id = :id")
        connection.execute(statement, {"declines": declines, "id": invoice.billing_key_id})
    world.settle()
    held = world.now_of(invoice)
    assert (held.status, held.next_attempt_at) == ("open", seoul("2026-02-12T09:00"))
    world.clock.advance_to(seoul("2026-02-11T23:00"))
    world.settle()
    assert world.now_of(invoice).attempts == invoice.attempts
    world.clock.advance_to(seoul("2026-02-12T09:00"))
    world.settle()
    assert world.now_of(invoice).status == "paid"


def test_a_declined_try_to_win_back_ends_as_before_and_is_the_only_one(world: World) -> None:
    plan = world.plan(dunning_policy=world.policy("1d", win_back="5d"))
    subscription = world.subscribe("decline-limit", plan=plan)
    to_the_end(world, subscription)
    before = world.events()
    world.run_until(NOW + 25 * DAY)
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts, invoice.declines) == ("uncollectible", 3, 2)
    assert (invoice.win_back_at, invoice.won_back) == (None, True)
    assert world.events()[len(before) :] == ["invoice.reopened", "invoice.payment_failed", "invoice.uncollectible"]
    assert world.subscription(subscription).status == "unpaid"
    world.assert_books_agree()


def test_a_retry_by_hand_before_it_does_not_take_the_place_of_the_win_back(world: World) -> None:
    plan = world.plan(dunning_policy=world.policy(win_back="5d"))
    subscription = world.subscribe("decline-limit", plan=plan)
    invoice = to_the_end(world, subscription)
    retry_now(world.ports, invoice.id)
    world.settle()
    assert world.now_of(invoice).win_back_at == invoice.win_back_at == NOW + 5 * DAY
    world.run_until(NOW + 20 * DAY)
    assert (world.now_of(invoice).attempts, world.now_of(invoice).status) == (3, "uncollectible")


def test_the_same_card_once_more_voids_no_debt(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_policy=world.policy(new_key="new_period")))
    world.settle()
    assert world.subscription(subscription).status == "unpaid"
    replace_key(world.ports, subscription.id, subscription.billing_key_id)
    world.settle()
    assert world.invoice(subscription).status == "uncollectible"
    assert world.subscription(subscription).status == "unpaid"


def test_another_card_begins_no_new_period_beside_a_paid_one_that_still_runs(world: World) -> None:
    plan = world.plan(interval="day", dunning_policy=world.policy("1d", new_key="new_period"))
    subscription = world.subscribe("decline-limit", plan=plan)
    world.settle()
    world.clock.advance(days=1)
    world.renew()
    owed, running = world.invoices(subscription)
    card = world.rows("SELECT customer_uid FROM billing_keys")[0]["customer_uid"]
    paid = world.sandbox.control(
        "/operator/pay", merchant_uid=running.merchant_uid, customer_uid=card, amount=running.money.amount
    )
    world.webhook(paid["imp_uid"], running.merchant_uid)
    world.apply()
    world.collect()
    statuses = [world.now_of(each).status for each in (owed, running)]
    assert (statuses, world.subscription(subscription).status) == (["uncollectible", "paid"], "unpaid")
    replace_key(world.ports, subscription.id, world.key().id)
    world.settle()
    assert [each.status for each in world.invoices(subscription)] == ["paid", "paid"]
    assert [len(world.money(each)) for each in (owed, running)] == [1, 1]


def test_another_card_begins_a_new_period_where_the_policy_says_so(world: World) -> None:
    plan = world.plan(dunning_policy=world.policy("1d", new_key="new_period"))
    subscription = world.subscribe("decline-limit", plan=plan)
    owed = to_the_end(world, subscription)
    world.clock.advance_to(NOW + 10 * DAY)
    card = world.key()
    replace_key(world.ports, subscription.id, card.id)
    assert (world.now_of(owed).status, world.subscription(subscription).status) == ("void", "past_due")
    world.settle()
    _, fresh = world.invoices(subscription)
    assert (fresh.status, fresh.period.index, fresh.period.start) == ("paid", 2, NOW + 10 * DAY)
    assert [len(world.money(each)) for each in (owed, fresh)] == [0, 1]
    world.run_until(NOW + 42 * DAY, 4 * DAY)
    third = world.invoices(subscription)[2]
    assert (third.period.start, third.period.index) == (seoul("2026-03-10T09:00"), 3)
    assert third.period.start == fresh.period.end
    world.assert_books_agree()


@pytest.mark.parametrize(("moves", "next_start"), [(True, "2026-03-10T09:00"), (False, "2026-02-28T09:00")])
def test_a_late_payment_moves_the_dates_where_the_policy_says_so(world: World, *, moves: bool, next_start: str) -> None:
    plan = world.plan(dunning_policy=world.policy("1d", moves_date=moves))
    subscription = world.subscribe("decline-limit-2x", plan=plan)
    owed = to_the_end(world, subscription)
    world.clock.advance_to(NOW + 10 * DAY)
    retry_now(world.ports, owed.id)
    world.settle()
    now = world.subscription(subscription)
    assert (world.now_of(owed).status, now.status) == ("paid", "active")
    assert now.next_period_index == (2 if moves else 1)  # a number is left out where dates move
    assert now.next_period_start == seoul(next_start)
    world.run_until(NOW + 75 * DAY, 15 * DAY)
    starts = [invoice.period.start for invoice in world.invoices(subscription)[1:3]]
    months = ["2026-03-10", "2026-04-10"] if moves else ["2026-02-28", "2026-03-31"]
    assert starts == [seoul(f"{month}T09:00") for month in months]
    world.assert_books_agree()


# -- versions, and where a policy is attached


def test_an_invoice_keeps_the_version_that_it_began_with(world: World) -> None:
    name = world.policy("2d", "2d")
    plan = world.plan(interval="week", dunning_policy=name)
    subscription = world.subscribe("decline-limit", plan=plan)
    world.settle()
    assert world.policy("20d", name=name) == name
    first = to_the_end(world, subscription)
    assert [date - NOW for date in tries(world, first)] == [timedelta(0), 2 * DAY, 4 * DAY]
    assert first.dunning_policy == f"{name}@1"
    other = world.subscribe("decline-limit", plan=plan)
    world.settle()
    invoice = world.invoice(other)
    assert (invoice.dunning_policy, invoice.next_attempt_at) == (f"{name}@2", world.clock.now() + 20 * DAY)


def test_a_subscription_may_have_another_policy_than_its_plan(world: World) -> None:
    slow, fast = world.policy("9d"), world.policy("2h")
    plan = world.plan(dunning_policy=slow)
    own, plain = (world.subscribe("decline-limit", plan=plan, dunning_policy=name) for name in (fast, None))
    world.settle()
    assert [world.invoice(each).next_attempt_at - NOW for each in (own, plain)] == [2 * HOUR, 9 * DAY]
    assert change_subscription(world.ports, own.id, dunning_policy="").dunning_policy is None
    assert change_subscription(world.ports, plain.id, dunning_policy=fast).dunning_policy == fast
    assert (
        change_plan(world.ports, plan.id, dunning_policy="none").dunning_policy == "none"
        if world.plan(dunning_days=())
        else False
    )
    assert world.invoice(plain).dunning_policy == f"{slow}@1"


def test_a_single_payment_may_have_a_policy_and_has_no_final_action(world: World) -> None:
    name = world.policy("2h", final="cancel")
    payment = world.pay(world.key("decline-limit"), dunning_policy=name)
    world.settle()
    assert world.now_of(payment).next_attempt_at == NOW + 2 * HOUR
    world.clock.advance(hours=2)
    world.settle()
    assert (world.now_of(payment).status, world.now_of(payment).dunning_policy) == ("uncollectible", f"{name}@1")


def test_the_same_definition_again_is_the_same_version_and_another_one_is_the_next(world: World) -> None:
    made = [create_policy(world.ports, "again", {"steps": steps}) for steps in (["1d"], ["24h"], ["2d"], ["1d"])]
    assert [each.id for each in made] == ["again@1", "again@1", "again@2", "again@3"]
    acts = world.rows("SELECT subject_id FROM actions WHERE verb = 'dunning_policy.created' ORDER BY id")
    assert [act["subject_id"] for act in acts] == ["again@1", "again@2", "again@3"]


def test_two_who_create_a_policy_at_once_get_one_version_or_two_numbers(world: World) -> None:
    definitions = [{"steps": ["1d"]}, {"steps": ["1d"]}, {"steps": ["2d"]}]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda definition: create_policy(world.ports, "raced", definition), definitions))
    stored = world.rows("SELECT version FROM dunning_policies WHERE name = 'raced' ORDER BY version")
    assert [row["version"] for row in stored] == list(range(1, len(stored) + 1))
    assert {each.version for each in made} == {row["version"] for row in stored}


def test_what_cannot_be_attached_is_refused_by_name(world: World) -> None:
    moving = world.policy("1d", moves_date=True)
    with pytest.raises(InvalidInput, match="the dates of a cron expression do not move"):
        world.plan(cron="0 9 1 * *", dunning_policy=moving)
    with pytest.raises(InvalidInput, match="there is no such policy"):
        world.plan(dunning_policy="unheard-of")
    with pytest.raises(InvalidInput, match="not both"):
        world.plan(dunning_policy=moving, dunning_days=(1,))
    fixed = world.policy("1d")
    world.plan(cron="0 9 1 * *", dunning_policy=fixed)
    with pytest.raises(Conflict, match="whose dates do not move"):
        world.policy("1d", name=fixed, new_key="new_period")
    assert world.rows("SELECT count(*) AS n FROM dunning_policies WHERE version > 1") == [{"n": 0}]
