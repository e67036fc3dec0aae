import itertools
import string
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.calendar import AnchoredCalendar, CronCalendar, Unit
from billing_worker.domain.errors import InvalidInput, InvalidTransition
from billing_worker.domain.invoice import ATTEMPT_TRANSITIONS, INVOICE_TRANSITIONS, AttemptStatus, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import merchant_uid
from billing_worker.domain.payment_options import PLAIN
from billing_worker.domain.subscription import (
    COLLECTING,
    LONGEST_CUSTOMER,
    RENEWING,
    SUBSCRIPTION_TRANSITIONS,
    SubscriptionStatus,
)
from billing_worker.domain.timing import Timing
from tests.builders import NOW, a_key, a_subscription, an_attempt, an_invoice, utc, won

LATER = NOW + timedelta(hours=1)

# The tables, once more in plain words, so that a change of one edge is a change of two files


SUBSCRIPTION_EDGES = {
    "pending": {"active", "past_due", "unpaid", "canceled"},
    "trialing": {"active", "past_due", "unpaid", "canceled"},
    "active": {"past_due", "paused", "unpaid", "canceled"},
    "past_due": {"active", "unpaid", "canceled"},
    "paused": {"active", "canceled"},
    "unpaid": {"active", "past_due", "canceled"},
    "canceled": set(),
}
INVOICE_EDGES = {
    "open": {"paid", "uncollectible", "void"},
    "uncollectible": {"paid", "open", "void"},
    "paid": set(),
    "void": set(),
}
ATTEMPT_EDGES = {
    "in_flight": {"approved", "declined", "failed", "unknown"},
    "unknown": {"approved", "declined", "failed"},
    "declined": {"approved"},
    "failed": {"approved"},
    "approved": set(),
}


def test_every_table_has_a_row_for_every_status():
    assert SUBSCRIPTION_TRANSITIONS.keys() == set(SubscriptionStatus)
    assert INVOICE_TRANSITIONS.keys() == set(InvoiceStatus)
    assert ATTEMPT_TRANSITIONS.keys() == set(AttemptStatus)


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(SubscriptionStatus, SubscriptionStatus)))
def test_a_subscription_moves_along_the_edges_of_the_table_and_no_others(current, wanted):
    subscription = a_subscription(status=current)
    if wanted in SUBSCRIPTION_EDGES[current]:
        subscription.move_to(wanted)
        assert subscription.status is wanted
    else:
        with pytest.raises(InvalidTransition, match=f"cannot go from {current} to {wanted}"):
            subscription.move_to(wanted)
        assert subscription.status is current


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(InvoiceStatus, InvoiceStatus)))
def test_an_invoice_moves_along_the_edges_of_the_table_and_no_others(current, wanted):
    invoice = an_invoice(status=current, next_attempt_at=LATER)
    if wanted in INVOICE_EDGES[current]:
        invoice.move_to(wanted, LATER)
        assert invoice.status is wanted
        assert invoice.next_attempt_at is None
        assert invoice.closed_at == (None if wanted is InvoiceStatus.OPEN else LATER)
    else:
        with pytest.raises(InvalidTransition, match=f"inv_1 cannot go from {current} to {wanted}"):
            invoice.move_to(wanted, LATER)
        assert invoice == an_invoice(status=current, next_attempt_at=LATER)


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(AttemptStatus, AttemptStatus)))
def test_an_attempt_moves_along_the_edges_of_the_table_and_no_others(current, wanted):
    attempt = an_attempt(status=current, next_look_at=LATER)
    if wanted in ATTEMPT_EDGES[current]:
        attempt.move_to(wanted, LATER)
        assert attempt.status is wanted
        closed = wanted is not AttemptStatus.UNKNOWN
        assert attempt.closed_at == (LATER if closed else None)
        assert attempt.next_look_at == (None if closed else LATER)
    else:
        with pytest.raises(InvalidTransition, match=f"att_1 cannot go from {current} to {wanted}"):
            attempt.move_to(wanted, LATER)
        assert attempt == an_attempt(status=current, next_look_at=LATER)


@pytest.mark.parametrize("status", list(AttemptStatus))
def test_an_attempt_is_open_until_its_outcome_is_known(status):
    assert an_attempt(status=status).is_open is (status in {"in_flight", "unknown"})


# A subscription


@pytest.mark.parametrize("customer", ["u", "고객 1", "x" * LONGEST_CUSTOMER])
def test_a_customer_of_1_to_120_characters_is_accepted(customer):
    assert a_subscription(customer=customer).customer == customer


@pytest.mark.parametrize("customer", ["", "  ", "x" * (LONGEST_CUSTOMER + 1)])
def test_any_other_customer_is_refused(customer):
    with pytest.raises(InvalidInput) as refused:
        a_subscription(customer=customer)
    assert refused.value.field == "customer"


def test_a_customer_is_never_longer_than_the_limit_even_with_spaces_around_it():
    try:
        subscription = a_subscription(customer=" " * 20 + "x" * LONGEST_CUSTOMER)
    except InvalidInput:
        return
    assert len(subscription.customer) <= LONGEST_CUSTOMER


@pytest.mark.parametrize("status", list(SubscriptionStatus))
def test_a_period_is_opened_when_it_is_due_and_only_while_the_customer_is_served(status):
    subscription = a_subscription(status=status)
    serves = status in {"pending", "trialing", "active", "past_due"}
    assert subscription.renews_at(NOW) is serves
    assert subscription.renews_at(LATER) is serves
    assert subscription.renews_at(NOW - timedelta(microseconds=1)) is False


def test_an_unpaid_customer_may_still_pay_but_gets_no_new_invoice():
    assert {SubscriptionStatus.UNPAID} == COLLECTING - RENEWING
    assert SubscriptionStatus.PAUSED not in COLLECTING
    assert SubscriptionStatus.CANCELED not in COLLECTING


def test_opening_a_period_takes_the_next_and_moves_on():
    subscription = a_subscription()
    period = subscription.open_period(AnchoredCalendar(Unit.MONTH, 1))
    assert (period.index, period.start, period.end) == (0, NOW, utc("2026-02-28T00:00"))
    assert (subscription.next_period_index, subscription.next_period_start) == (1, period.end)
    assert subscription.open_period(AnchoredCalendar(Unit.MONTH, 1)).end == utc("2026-03-31T00:00")


WALL_2020, WALL_2040 = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2040-01-01")
CALENDARS = st.one_of(
    st.builds(
        AnchoredCalendar,
        st.sampled_from(Unit),
        st.integers(1, 5),
        st.sampled_from(["Asia/Seoul", "America/New_York", "Australia/Lord_Howe"]),
    ),
    st.sampled_from(
        [CronCalendar(text) for text in ("0 9 1 * *", "0 0 L * *", "0 9 * * 1", "0 * * * *")]
        + [CronCalendar("30 2 * * *", "America/New_York"), CronCalendar("45 1 * * *", "Australia/Lord_Howe")]
    ),
)


@pytest.mark.fm("H4")
@settings(max_examples=60)
@given(calendar=CALENDARS, anchor=st.datetimes(WALL_2020, WALL_2040, timezones=st.just(UTC)))
def test_the_periods_of_a_subscription_are_contiguous_and_never_empty(calendar, anchor):
    first = calendar.first_start(anchor)
    subscription = a_subscription(anchor=anchor, next_period_start=first)
    periods = [subscription.open_period(calendar) for _ in range(110)]
    assert periods[0].start == first
    assert [period.index for period in periods] == list(range(110))
    assert all(period.start < period.end for period in periods)
    assert all(one.end == other.start for one, other in pairwise(periods))


@pytest.mark.parametrize(
    ("now", "skipped", "next_start"),
    [
        ("2026-01-30T23:59:59", 0, "2026-01-31T00:00"),
        ("2026-01-31T00:00", 1, "2026-02-28T00:00"),
        ("2026-02-27T23:59:59", 1, "2026-02-28T00:00"),
        ("2026-02-28T00:00", 2, "2026-03-31T00:00"),
        ("2026-07-01T00:00", 6, "2026-07-31T00:00"),
    ],
)
def test_periods_that_began_while_no_service_was_given_are_left_out(now, skipped, next_start):
    subscription = a_subscription()
    assert subscription.skip_to(AnchoredCalendar(Unit.MONTH, 1), utc(now)) == skipped
    assert (subscription.next_period_index, subscription.next_period_start) == (skipped, utc(next_start))
    assert subscription.skip_to(AnchoredCalendar(Unit.MONTH, 1), utc(now)) == 0


def test_skipping_keeps_the_anchors_day():
    subscription = a_subscription()
    calendar = AnchoredCalendar(Unit.MONTH, 1)
    subscription.skip_to(calendar, utc("2026-02-28T00:00"))
    assert subscription.open_period(calendar).end == utc("2026-04-30T00:00")
    assert subscription.open_period(calendar).end == utc("2026-05-31T00:00")


@pytest.mark.parametrize("status", list(SubscriptionStatus))
def test_a_subscription_is_canceled_once(status):
    subscription = a_subscription(status=status)
    if status is SubscriptionStatus.CANCELED:
        with pytest.raises(InvalidTransition):
            subscription.cancel(NOW)
        return
    subscription.cancel(NOW)
    assert (subscription.status, subscription.canceled_at) == (SubscriptionStatus.CANCELED, NOW)
    assert not subscription.renews_at(LATER)


# An invoice and its attempts


@pytest.mark.parametrize("status", list(InvoiceStatus))
@pytest.mark.parametrize(
    ("next_attempt_at", "due"),
    [(NOW, True), (NOW - timedelta(days=1), True), (NOW + timedelta(microseconds=1), False), (None, False)],
)
def test_only_an_open_invoice_whose_time_has_come_is_due(status, next_attempt_at, due):
    invoice = an_invoice(status=status, next_attempt_at=next_attempt_at)
    assert invoice.is_due(NOW) is (due and status is InvoiceStatus.OPEN)


@pytest.mark.parametrize("status", [status for status in InvoiceStatus if status is not InvoiceStatus.OPEN])
def test_only_an_uncollectible_invoice_can_be_tried_once_more(status):
    invoice = an_invoice(status=status, next_attempt_at=None, closed_at=NOW)
    if status is InvoiceStatus.UNCOLLECTIBLE:
        invoice.try_by_hand(LATER)
        assert (invoice.status, invoice.next_attempt_at, invoice.closed_at) == (InvoiceStatus.OPEN, LATER, None)
        assert invoice.is_due(LATER)
    else:
        with pytest.raises(InvalidTransition):
            invoice.try_by_hand(LATER)


def test_an_attempt_is_a_snapshot_of_the_invoice_written_down_before_anything_is_sent():
    invoice = an_invoice(fence=7, lease_until=LATER)
    real_now = LATER
    timing = Timing(lease=90, first_look=10)
    attempt = invoice.start_attempt("att_9", Moment(NOW, real_now), timing)
    assert (attempt.id, attempt.number, attempt.status) == ("att_9", 1, AttemptStatus.IN_FLIGHT)
    assert (attempt.merchant_uid, attempt.money, attempt.billing_key_id) == (
        invoice.merchant_uid,
        invoice.money,
        invoice.billing_key_id,
    )
    assert (attempt.fence, attempt.started_at, attempt.lease_until) == (7, NOW, real_now + timedelta(seconds=90))
    assert attempt.is_open
    assert attempt.next_look_at == real_now + timedelta(seconds=10)
    assert invoice.lease_until is None  # the claim is used up
    assert invoice.start_attempt("att_10", Moment(NOW, real_now), timing).number == 2
    assert (invoice.attempts, invoice.declines, invoice.failures) == (2, 0, 0)


def test_a_request_asks_for_the_attempts_snapshot_on_the_given_card():
    key = a_key(buyer_name="Gildong", buyer_email="g@example.com", buyer_tel="010-1234-5678")
    attempt = an_attempt(money=won(500))
    request = attempt.request(key, "Basic", PLAIN)
    assert (request.merchant_uid, request.money, request.name) == (attempt.merchant_uid, won(500), "Basic")
    assert (request.customer_uid, request.pg_provider) == (key.customer_uid, key.pg_provider)
    assert (request.buyer_name, request.buyer_email, request.buyer_tel) == (
        key.buyer_name,
        key.buyer_email,
        key.buyer_tel,
    )


# The order id

ENVIRONMENTS = st.text(string.ascii_letters + string.digits, max_size=8)
SUBSCRIPTIONS = st.text(string.ascii_lowercase + string.digits, min_size=16, max_size=16).map("sub_{}".format)
ARGUMENTS = st.tuples(ENVIRONMENTS, SUBSCRIPTIONS, st.integers(0, 10**7), st.integers(1, 9999))


def test_a_merchant_uid_reads_as_environment_subscription_period_and_generation():
    assert merchant_uid("live", "sub_0123456789abcdef", 12, 1) == "live0123456789abcdefp00012g01"


@given(arguments=ARGUMENTS)
def test_a_merchant_uid_is_alphanumeric_at_most_40_and_the_same_every_time(arguments):
    uid = merchant_uid(*arguments)
    assert uid.isascii()
    assert uid.isalnum()
    assert len(uid) <= 40
    assert merchant_uid(*arguments) == uid


CLOSE = st.tuples(
    st.text("pg0", max_size=3),
    st.text("pg0", min_size=16, max_size=16).map("sub_{}".format),
    st.sampled_from([0, 1, 10, 100, 99999, 100_000, 1_000_000]),
    st.sampled_from([1, 2, 10, 99, 100, 1000]),
)


@settings(max_examples=300)
@given(one=st.one_of(ARGUMENTS, CLOSE), other=CLOSE)
def test_two_periods_never_share_a_merchant_uid(one, other):
    assert (merchant_uid(*one) == merchant_uid(*other)) is (one == other)


@given(arguments=ARGUMENTS, part=st.integers(0, 3), other=ARGUMENTS)
def test_changing_one_argument_changes_the_merchant_uid(arguments, part, other):
    changed = (*arguments[:part], other[part], *arguments[part + 1 :])
    assert (merchant_uid(*arguments) == merchant_uid(*changed)) is (arguments == changed)


@pytest.mark.parametrize(
    "arguments",
    [
        ("live-", "sub_0123456789abcdef", 0, 1),
        ("", "sub_0123456789_bcdef", 0, 1),
        ("운영", "sub_0123456789abcdef", 0, 1),
        ("", "sub_0123456789abcdef", -1, 1),
        ("", "sub_0123456789abcdef", 0, -1),
        ("x" * 16, "sub_0123456789abcdef", 0, 1),
    ],
)
def test_a_merchant_uid_that_a_pg_would_cut_or_refuse_is_never_made(arguments):
    with pytest.raises(AssertionError, match="merchant_uid"):
        merchant_uid(*arguments)
