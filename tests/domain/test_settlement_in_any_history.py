"""One invoice through any sequence of attempts and outcomes."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.dunning.policy import DunningPolicy, days
from billing_worker.domain.events import EventType
from billing_worker.domain.giving_up import void_if_open
from billing_worker.domain.invoice import InvoiceStatus, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.settlement import settle
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.domain.timing import Timing
from tests.builders import (
    NOW,
    OUTCOMES,
    a_settlement,
    an_invoice,
    approved,
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.just(0)),
        st.tuples(st.sampled_from(sorted(OUTCOMES)), st.integers(0, 4)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0)),
    ),
    max_size=25,
)


class History:
    """One invoice through any sequence of attempts, outcomes (early, late, twice), reopenings and a cancel."""

    def __init__(self, policy: DunningPolicy) -> None:
        self.settlement = a_settlement(invoice=an_invoice(), policy=policy)
        self.attempts: list[PaymentAttempt] = []
        self.now = NOW

    def step(self, what: str, which: int) -> None:
        settlement, self.now = self.settlement, self.now + timedelta(hours=1)
        invoice, subscription = settlement.invoice, settlement.subscription
        if what == "start":
            if invoice.status is InvoiceStatus.OPEN and not any(attempt.is_open for attempt in self.attempts):
                name = f"att_{len(self.attempts)}"
                self.attempts.append(invoice.start_attempt(name, Moment(self.now, self.now), Timing()))
        elif what == "reopen":
            if invoice.status is InvoiceStatus.UNCOLLECTIBLE:
                invoice.try_by_hand(self.now)
        elif what == "cancel":
            if subscription.status is not SubscriptionStatus.CANCELED:
                subscription.cancel(self.now)
                if not any(attempt.is_open for attempt in self.attempts):
                    void_if_open(subscription, invoice, settlement.events, self.now)
        elif self.attempts:
            number = which % len(self.attempts)
            settlement = settlement.about(self.attempts[number])
            outcome = approved(imp_uid=f"imps_{number}") if what == "approved" else OUTCOMES[what]
            settle(settlement, outcome, self.now)

    def count(self, kind: EventType) -> int:
        return [event.type for event in self.settlement.events].count(kind)


POLICIES = st.sampled_from([days(1, 3, 5, 7), days(), days(1)])


@settings(max_examples=400)
@given(steps=STEPS, policy=POLICIES)
def test_an_invoice_is_reported_paid_at_most_once_under_any_sequence_of_outcomes(steps, policy):
    history = History(policy)
    for what, which in steps:
        history.step(what, which)
        invoice, taken = history.settlement.invoice, [one for one in history.attempts if one.status == "approved"]
        paid = [attempt for attempt in taken if not attempt.surplus]
        assert len(paid) == history.count(EventType.INVOICE_PAID) == (1 if invoice.status == "paid" else 0)
        assert len(taken) - len(paid) == history.count(EventType.PAYMENT_SURPLUS)
        assert sum(attempt.is_open for attempt in history.attempts) <= 1


@settings(max_examples=300)
@given(steps=STEPS, policy=POLICIES)
def test_only_declines_use_up_dunning_and_only_an_open_invoice_has_a_next_date(steps, policy):
    history = History(policy)
    for what, which in steps:
        before = history.settlement.invoice.declines
        history.step(what, which)
        invoice = history.settlement.invoice
        assert invoice.declines - before in ((0, 1) if what.startswith("declined") else (0,))
        assert (invoice.closed_at is None) is (invoice.status is InvoiceStatus.OPEN)
        assert (invoice.next_attempt_at is not None) is (invoice.status is InvoiceStatus.OPEN)


@settings(max_examples=300)
@given(steps=STEPS, policy=POLICIES)
def test_hearing_everything_twice_ends_where_hearing_it_once_does(steps, policy):
    once, twice = History(policy), History(policy)
    for what, which in steps:
        once.step(what, which)
        twice.step(what, which)
        if what in OUTCOMES:
            twice.step(what, which)
            twice.now = once.now
    assert twice.settlement.events == once.settlement.events
    assert twice.attempts == once.attempts
    assert (twice.settlement.invoice, twice.settlement.subscription) == (
        once.settlement.invoice,
        once.settlement.subscription,
    )
