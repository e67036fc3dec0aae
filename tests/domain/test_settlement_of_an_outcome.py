import copy
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.dunning.planner import TryFacts
from billing_worker.domain.dunning.policy import days
from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.events import EventType
from billing_worker.domain.giving_up import end_subscription, give_up, void_if_open
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Unknown
from billing_worker.domain.proof import judge_all
from billing_worker.domain.settlement import Settlement, settle
from billing_worker.domain.subscription import RENEWING, SubscriptionStatus
from billing_worker.domain.timing import Timing, technical_backoff
from tests.builders import (
    EVIDENCE,
    NOW,
    ORDER,
    OUTCOMES,
    WON,
    a_key,
    a_settlement,
    a_subscription,
    an_attempt,
    an_invoice,
    approved,
    declined,
    failed,
    unknown,
)

LATER = NOW + timedelta(minutes=5)
HARD = DeclineKind.HARD
GIVES_UP_AT_ONCE = days()

OPEN_ATTEMPTS = [AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN]
CLOSED_UNPAID = [AttemptStatus.DECLINED, AttemptStatus.FAILED]


def kinds(settlement: Settlement) -> list[str]:
    return [event.type.value for event in settlement.events]


def settlement_in(
    attempt: AttemptStatus = AttemptStatus.IN_FLIGHT,
    invoice: InvoiceStatus = InvoiceStatus.OPEN,
    subscription: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    **fields: object,
) -> Settlement:
    return a_settlement(
        attempt=an_attempt(status=attempt),
        invoice=an_invoice(status=invoice, attempts=1, next_attempt_at=NOW if invoice is InvoiceStatus.OPEN else None),
        subscription=a_subscription(status=subscription),
        **fields,
    )


EVERYWHERE = list(itertools.product(OUTCOMES, AttemptStatus, InvoiceStatus, SubscriptionStatus))


@pytest.mark.parametrize(("outcome", "attempt", "invoice", "subscription"), EVERYWHERE)
def test_settling_the_same_outcome_again_changes_nothing_and_announces_nothing(outcome, attempt, invoice, subscription):
    for policy in (days(1, 3, 5, 7), GIVES_UP_AT_ONCE):
        settlement = settlement_in(attempt, invoice, subscription, policy=policy)
        settle(settlement, OUTCOMES[outcome], NOW)
        once = copy.deepcopy(settlement)
        settle(settlement, OUTCOMES[outcome], LATER)
        assert settlement == once


@pytest.mark.parametrize("outcome", sorted(OUTCOMES.keys() - {"unknown"}))
def test_settling_a_final_outcome_again_says_that_nothing_changed(outcome):
    settlement = a_settlement()
    assert settle(settlement, OUTCOMES[outcome], NOW) is True
    assert settle(settlement, OUTCOMES[outcome], LATER) is False


def test_an_attempt_that_stays_unknown_is_recorded_every_time_so_that_its_next_look_is_planned():
    settlement = a_settlement()
    assert settle(settlement, unknown(), NOW) is True
    assert settle(settlement, unknown("still nothing"), LATER) is True
    assert settlement.attempt.reason == "still nothing"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("status", [AttemptStatus.DECLINED, AttemptStatus.FAILED, AttemptStatus.APPROVED])
def test_a_closed_attempt_changes_only_by_a_late_approval(status, outcome):
    settlement = settlement_in(status)
    before = copy.deepcopy(settlement)
    late = outcome == "approved" and status is not AttemptStatus.APPROVED
    assert settle(settlement, OUTCOMES[outcome], LATER) is late
    assert (settlement != before) is late


# Approved


@pytest.mark.parametrize("status", OPEN_ATTEMPTS)
def test_an_approval_pays_the_invoice_and_says_so_once(status):
    settlement = settlement_in(status)
    assert settle(settlement, approved(), LATER)
    assert (settlement.attempt.status, settlement.attempt.imp_uid) == (AttemptStatus.APPROVED, "imps_000000000001")
    assert (settlement.attempt.closed_at, settlement.attempt.surplus, settlement.attempt.reason) == (LATER, False, None)
    assert (settlement.invoice.status, settlement.invoice.closed_at) == (InvoiceStatus.PAID, LATER)
    assert settlement.invoice.next_attempt_at is None
    assert settlement.subscription.status is SubscriptionStatus.ACTIVE
    assert kinds(settlement) == ["invoice.paid"]
    assert settlement.events[0].subject_id == "inv_1"
    wanted = {
        "subscription_id": "sub_0123456789abcdef",
        "invoice_id": "inv_1",
        "merchant_uid": ORDER,
        "imp_uid": "imps_000000000001",
        "amount": WON.amount,
        "currency": WON.currency,
        "status": "paid",
    }
    assert wanted.items() <= settlement.events[0].data.items()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("pending", "active", True),
        ("trialing", "active", True),
        ("active", "active", False),
        ("past_due", "active", True),
        ("unpaid", "active", True),
        ("paused", "paused", False),
        ("canceled", "canceled", False),
    ],
)
@pytest.mark.parametrize("invoice", [InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE])
def test_a_payment_activates_a_subscription_that_waits_for_money_and_revives_none_that_ended(
    invoice, before, after, told
):
    settlement = settlement_in(invoice=invoice, subscription=SubscriptionStatus(before))
    settle(settlement, approved(), LATER)
    assert settlement.invoice.status is InvoiceStatus.PAID
    assert settlement.subscription.status == after
    assert kinds(settlement) == ["invoice.paid", *(["subscription.activated"] if told else [])]


@pytest.mark.parametrize("attempt", CLOSED_UNPAID)
def test_a_late_approval_settles_an_uncollectible_invoice_and_reactivates(attempt):
    settlement = settlement_in(attempt, InvoiceStatus.UNCOLLECTIBLE, SubscriptionStatus.UNPAID)
    assert settle(settlement, approved(), LATER)
    assert settlement.attempt.status is AttemptStatus.APPROVED
    assert (settlement.invoice.status, settlement.invoice.closed_at) == (InvoiceStatus.PAID, LATER)
    assert settlement.subscription.status is SubscriptionStatus.ACTIVE
    assert kinds(settlement) == ["invoice.paid", "subscription.activated"]


def test_a_late_approval_leaves_no_trace_of_the_decline_on_the_attempt():
    settlement = a_settlement()
    settle(settlement, declined(), NOW)
    settle(settlement, approved(), LATER)
    assert (settlement.attempt.status, settlement.attempt.reason) == (AttemptStatus.APPROVED, None)
    assert settlement.attempt.decline_kind is None
    assert settlement.invoice.last_reason is None


@pytest.mark.parametrize("attempt", [*OPEN_ATTEMPTS, *CLOSED_UNPAID])
@pytest.mark.parametrize("invoice", [InvoiceStatus.PAID, InvoiceStatus.VOID])
@pytest.mark.parametrize("subscription", list(SubscriptionStatus))
def test_money_for_an_invoice_that_owes_nothing_is_surplus_and_moves_nothing_else(attempt, invoice, subscription):
    settlement = settlement_in(attempt, invoice, subscription)
    before = copy.deepcopy(settlement)
    assert settle(settlement, approved(), LATER)
    assert settlement.attempt.status is AttemptStatus.APPROVED
    assert settlement.attempt.surplus
    assert (settlement.invoice, settlement.subscription, settlement.key) == (
        before.invoice,
        before.subscription,
        before.key,
    )
    assert kinds(settlement) == ["payment.surplus"]
    assert settlement.events[0].data["imp_uid"] == "imps_000000000001"
    assert settlement.events[0].data["amount"] == WON.amount


def test_a_second_payment_of_the_same_invoice_becomes_surplus():
    settlement = a_settlement()
    settle(settlement, declined(), NOW)
    second = settlement.invoice.start_attempt("att_2", Moment(LATER, LATER), Timing())
    settle(settlement, approved(imp_uid="imps_1"), LATER)  # the first attempt, approved late
    other = a_settlement(
        subscription=settlement.subscription, invoice=settlement.invoice, attempt=second, key=settlement.key
    )
    settle(other, approved(imp_uid="imps_2"), LATER)
    assert (settlement.attempt.surplus, second.surplus) == (False, True)
    assert kinds(other) == ["payment.surplus"]


@pytest.mark.parametrize("settled_first", [AttemptStatus.APPROVED, AttemptStatus.DECLINED])
def test_one_payment_of_an_earlier_attempt_never_approves_a_later_one_as_well(settled_first):
    """One merchant_uid serves both: the resolver of the second attempt reads the first one's payment too."""
    payment = approved(imp_uid="imps_1").payment
    first = an_attempt(id="att_1", imp_uid="imps_1", status=settled_first)
    paid = first.status is AttemptStatus.APPROVED
    second = an_attempt(id="att_2", number=2, status=AttemptStatus.UNKNOWN)
    invoice = an_invoice(attempts=2, status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN)
    settlement = a_settlement(invoice=invoice, attempt=second)
    finding = judge_all(settlement.request, [(payment, EVIDENCE)], {"imps_1"})
    if finding is not None:
        settle(settlement, finding, LATER)
    assert second.imp_uid is None
    assert not second.surplus
    assert second.status is not AttemptStatus.APPROVED


# Declined


def test_an_invoice_that_is_always_declined_softly_is_tried_on_day_0_1_4_9_16_and_then_given_up():
    settlement = a_settlement(invoice=an_invoice())
    days, events = [], []
    while settlement.invoice.next_attempt_at is not None:
        now = settlement.invoice.next_attempt_at
        days.append((now - NOW).days)
        settlement = settlement.about(settlement.invoice.start_attempt(f"att_{len(days)}", Moment(now, now), Timing()))
        settlement.events = []
        assert settle(settlement, declined(), now)
        assert settlement.attempt.status is AttemptStatus.DECLINED
        events.append(kinds(settlement))
    assert days == [0, 1, 4, 9, 16]
    assert events == [
        ["invoice.payment_failed", "subscription.past_due"],
        ["invoice.payment_failed"],
        ["invoice.payment_failed"],
        ["invoice.payment_failed"],
        ["invoice.payment_failed", "invoice.uncollectible", "subscription.unpaid"],
    ]
    assert (settlement.invoice.status, settlement.invoice.attempts, settlement.invoice.declines) == (
        "uncollectible",
        5,
        5,
    )
    assert settlement.invoice.closed_at == NOW + timedelta(days=16)
    assert settlement.subscription.status is SubscriptionStatus.UNPAID
    assert settlement.key.status is KeyStatus.ACTIVE


@pytest.mark.parametrize("status", OPEN_ATTEMPTS)
def test_a_soft_decline_keeps_the_words_and_the_next_date(status):
    settlement = settlement_in(status)
    settle(settlement, declined(reason="한도초과", imp_uid="imps_7"), LATER)
    attempt, invoice = settlement.attempt, settlement.invoice
    assert (attempt.imp_uid, attempt.decline_kind, attempt.reason) == ("imps_7", DeclineKind.SOFT, "한도초과")
    assert (invoice.status, invoice.declines, invoice.failures, invoice.last_reason) == ("open", 1, 0, "한도초과")
    assert invoice.next_attempt_at == LATER + timedelta(days=1)
    assert settlement.key == a_key(declined_at=(LATER,))
    assert settlement.events[0].data["next_attempt_at"] == (LATER + timedelta(days=1)).isoformat()
    assert settlement.events[0].data["reason"] == "한도초과"


def test_a_hard_decline_invalidates_the_key_and_waits_for_a_new_one_until_dunning_would_have_ended():
    settlement = a_settlement()
    settle(settlement, declined("분실카드"), NOW)
    assert (settlement.key.status, settlement.key.invalid_reason) == (KeyStatus.INVALID, "분실카드")
    assert (settlement.invoice.status, settlement.invoice.declines) == (InvoiceStatus.OPEN, 1)
    assert settlement.invoice.next_attempt_at == NOW + timedelta(days=16)
    assert settlement.subscription.status is SubscriptionStatus.PAST_DUE
    assert kinds(settlement) == ["billing_key.invalid", "invoice.payment_failed", "subscription.past_due"]
    assert settlement.events[0].subject_id == "key_1"


@pytest.mark.parametrize("declines", range(6))
@pytest.mark.parametrize("retry_days", [(), (2,), (1, 3, 5, 7)])
def test_a_hard_decline_never_asks_for_an_earlier_try_than_the_end_of_dunning(declines, retry_days):
    settlement = a_settlement(invoice=an_invoice(attempts=1, declines=declines), policy=days(*retry_days))
    settle(settlement, declined("분실카드"), NOW)
    left = sum(retry_days[declines:])
    assert settlement.key.status is KeyStatus.INVALID
    if left:
        assert settlement.invoice.next_attempt_at == NOW + timedelta(days=left)
    else:
        assert settlement.invoice.status is InvoiceStatus.UNCOLLECTIBLE
        assert settlement.invoice.next_attempt_at is None


@pytest.mark.parametrize("key", [KeyStatus.INVALID, KeyStatus.DELETED])
def test_a_key_that_was_out_of_use_already_is_not_announced_as_invalid_again(key):
    settlement = a_settlement(key=a_key(status=key))
    settle(settlement, declined("분실카드"), NOW)
    assert settlement.key.status is key
    assert "billing_key.invalid" not in kinds(settlement)


@pytest.mark.parametrize("invoice", [InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
def test_a_hard_decline_ends_the_key_whatever_became_of_the_invoice(invoice):
    settlement = settlement_in(invoice=invoice)
    settle(settlement, declined("분실카드"), NOW)
    assert settlement.key.status is KeyStatus.INVALID


@pytest.mark.parametrize("status", sorted(RENEWING))
@pytest.mark.parametrize("outcome", ["declined softly", "declined hard"])
def test_when_dunning_is_used_up_no_further_period_is_opened(outcome, status):
    settlement = settlement_in(subscription=status, policy=GIVES_UP_AT_ONCE)
    settle(settlement, OUTCOMES[outcome], NOW)
    assert settlement.invoice.status is InvoiceStatus.UNCOLLECTIBLE
    assert settlement.subscription.status not in RENEWING


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pending", "past_due"),
        ("trialing", "past_due"),
        ("active", "past_due"),
        ("past_due", "past_due"),
        ("paused", "paused"),
        ("unpaid", "unpaid"),
    ],
)
def test_a_decline_with_a_retry_ahead_makes_a_served_customer_past_due(before, after):
    settlement = settlement_in(subscription=SubscriptionStatus(before))
    settle(settlement, declined(), NOW)
    assert settlement.subscription.status == after
    assert ("subscription.past_due" in kinds(settlement)) is (before != after)


@pytest.mark.parametrize("invoice", [InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.VOID])
@pytest.mark.parametrize("outcome", ["declined softly", "failed"])
def test_a_refusal_of_an_invoice_that_is_closed_already_closes_the_attempt_only(outcome, invoice):
    settlement = settlement_in(invoice=invoice)
    before = copy.deepcopy(settlement)
    assert settle(settlement, OUTCOMES[outcome], LATER)
    assert not settlement.attempt.is_open
    assert (settlement.invoice, settlement.subscription) == (before.invoice, before.subscription)
    assert settlement.key == replace(before.key, declined_at=(LATER,) if outcome == "declined softly" else ())
    assert settlement.events == []


# Failed


def test_a_charge_that_was_never_placed_uses_up_no_dunning_and_is_tried_again_soon():
    settlement, now = a_settlement(), NOW
    for failures in range(1, 101):
        assert settle(settlement, failed(), now)
        invoice = settlement.invoice
        assert (invoice.failures, invoice.declines, invoice.status) == (failures, 0, InvoiceStatus.OPEN)
        assert invoice.next_attempt_at == now + technical_backoff(failures)
        assert invoice.last_reason == settlement.attempt.reason == "connection refused"
        now = invoice.next_attempt_at
        settlement = settlement.about(invoice.start_attempt(f"att_{failures + 1}", Moment(now, now), Timing()))
    settle(settlement, declined(), now)
    assert settlement.invoice.next_attempt_at == now + timedelta(
        days=1
    )  # the first step of dunning, as if nothing had been
    assert kinds(settlement) == ["invoice.payment_failed", "subscription.past_due"]


@pytest.mark.parametrize("status", list(SubscriptionStatus))
def test_an_outage_changes_no_subscription_and_no_key_and_is_no_news_for_the_merchant(status):
    settlement = settlement_in(subscription=status)
    settle(settlement, failed(), NOW)
    assert settlement.subscription.status is status
    assert settlement.key == a_key()
    assert [kind for kind in kinds(settlement) if kind != "invoice.voided"] == []


# Unknown


@pytest.mark.parametrize("status", OPEN_ATTEMPTS)
@pytest.mark.parametrize("invoice", list(InvoiceStatus))
@pytest.mark.parametrize("subscription", list(SubscriptionStatus))
@pytest.mark.parametrize("alarming", [False, True])
def test_an_unknown_outcome_changes_nothing_but_the_attempt(status, invoice, subscription, alarming):
    settlement = settlement_in(status, invoice, subscription)
    before = copy.deepcopy(settlement)
    assert settle(settlement, Unknown("no answer", alarming=alarming), LATER)
    assert (settlement.attempt.status, settlement.attempt.reason) == (AttemptStatus.UNKNOWN, "no answer")
    assert (settlement.attempt.is_open, settlement.attempt.closed_at) == (True, None)
    settlement.attempts, settlement.attempt = before.attempts, before.attempt
    assert settlement == before


@pytest.mark.parametrize("refused", [True, False])
def test_an_attempt_remembers_that_the_gateway_refused_its_order_id_as_used(refused):
    settlement = a_settlement()
    settle(settlement, Unknown("whatever the gateway says", duplicate=refused), NOW)
    assert settlement.attempt.refused is refused
    settle(settlement, unknown("no answer within 65 s"), LATER)
    assert settlement.attempt.refused is refused


# Canceled


@pytest.mark.parametrize("invoice", [InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE])
@pytest.mark.parametrize("outcome", ["declined softly", "declined hard", "failed"])
@pytest.mark.parametrize("policy", [days(1, 3, 5, 7), GIVES_UP_AT_ONCE], ids=["retries", "no retries"])
def test_a_canceled_subscriptions_invoice_is_voided_when_its_open_attempt_closes_without_money(
    outcome, invoice, policy
):
    settlement = settlement_in(AttemptStatus.UNKNOWN, invoice, SubscriptionStatus.CANCELED, policy=policy)
    settle(settlement, OUTCOMES[outcome], LATER)
    assert (settlement.invoice.status, settlement.invoice.closed_at) == (InvoiceStatus.VOID, LATER)
    assert settlement.invoice.next_attempt_at is None
    assert kinds(settlement)[-1] == "invoice.voided"
    assert settlement.subscription.status is SubscriptionStatus.CANCELED


def test_a_canceled_subscriptions_invoice_stays_open_while_its_attempt_is_unknown():
    settlement = settlement_in(subscription=SubscriptionStatus.CANCELED)
    settle(settlement, unknown(), NOW)
    assert settlement.invoice.status is InvoiceStatus.OPEN
    settle(settlement, failed(), LATER)
    assert settlement.invoice.status is InvoiceStatus.VOID


def test_a_charge_in_flight_at_the_cancel_that_is_approved_pays_its_invoice():
    settlement = settlement_in(subscription=SubscriptionStatus.CANCELED)
    settle(settlement, approved(), LATER)
    assert settlement.invoice.status is InvoiceStatus.PAID
    assert kinds(settlement) == ["invoice.paid"]


def test_no_other_try_is_promised_for_a_canceled_subscription():
    settlement = settlement_in(subscription=SubscriptionStatus.CANCELED)
    settle(settlement, declined(), LATER)
    assert [event.data["next_attempt_at"] for event in settlement.events if "next_attempt_at" in event.data] in (
        [],
        [None],
    )


# The verbs that other use cases call as well


def test_ending_a_subscription_voids_what_it_still_owes_and_cancels_it_once():
    subscription = a_subscription(status=SubscriptionStatus.PAST_DUE)
    owed, given_up = an_invoice(id="inv_1"), an_invoice(id="inv_2", status=InvoiceStatus.UNCOLLECTIBLE)
    paid = an_invoice(id="inv_3", status=InvoiceStatus.PAID)
    events = end_subscription(subscription, [owed, given_up, paid], LATER)
    assert (subscription.status, subscription.canceled_at) == (SubscriptionStatus.CANCELED, LATER)
    assert [one.status for one in (owed, given_up, paid)] == ["void", "void", "paid"]
    assert [(event.type, event.subject_id) for event in events] == [
        (EventType.INVOICE_VOIDED, "inv_1"),
        (EventType.INVOICE_VOIDED, "inv_2"),
        (EventType.SUBSCRIPTION_CANCELED, subscription.id),
    ]
    with pytest.raises(InvalidTransition):
        end_subscription(subscription, [], LATER)


@pytest.mark.parametrize("status", ["pending", "active", "past_due"])
def test_giving_up_closes_the_invoice_and_makes_the_subscription_unpaid(status):
    subscription = a_subscription(status=SubscriptionStatus(status))
    invoice, events = an_invoice(last_reason="한도초과"), []
    give_up(subscription, invoice, days(), events, LATER, TryFacts("inv_1"))
    assert (invoice.status, invoice.closed_at) == (InvoiceStatus.UNCOLLECTIBLE, LATER)
    assert subscription.status is SubscriptionStatus.UNPAID
    assert [event.type for event in events] == [EventType.INVOICE_UNCOLLECTIBLE, EventType.SUBSCRIPTION_UNPAID]
    assert events[0].data["reason"] == "한도초과"


@pytest.mark.parametrize("status", list(InvoiceStatus))
def test_voiding_closes_what_is_still_owed_and_touches_nothing_else(status):
    invoice, events = an_invoice(status=status), []
    void_if_open(a_subscription(), invoice, events, LATER)
    owed = status in {"open", "uncollectible"}
    assert invoice.status is (InvoiceStatus.VOID if owed else status)
    assert [event.type for event in events] == ([EventType.INVOICE_VOIDED] if owed else [])
    void_if_open(a_subscription(), invoice, events, LATER)
    assert len(events) == (1 if owed else 0)


def test_all_views_of_one_invoice_see_the_key_that_was_locked_last():
    """Two objects of one key could undo each other's changes."""
    settlement = a_settlement()
    other = settlement.about(an_attempt(id="att_2"))
    other.keys[other.key.id] = a_key(status=KeyStatus.INVALID)
    assert settlement.key is other.key


def test_another_card_that_comes_while_dunning_is_over_and_a_retry_is_charged_has_no_second_final_action() -> None:
    settlement = settlement_in()
    settlement.invoice.by_hand, settlement.invoice.declines = True, 5
    settlement.invoice.billing_key_id = "key_other"
    settle(settlement, declined(), NOW)
    assert (settlement.invoice.next_attempt_at, settlement.invoice.is_tried_again) == (NOW, True)
    other = an_attempt(id="att_other", number=2, billing_key_id="key_other")
    again = a_settlement(
        attempt=other, key=a_key(id="key_other"), invoice=settlement.invoice, subscription=settlement.subscription
    )
    settle(again, declined(), LATER)
    assert (again.invoice.status, again.invoice.declines) == (InvoiceStatus.UNCOLLECTIBLE, 5)
    assert again.of_period.status is SubscriptionStatus.ACTIVE
