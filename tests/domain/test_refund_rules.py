"""The rules of a refund: every edge of its states, what a payment proves about it, what an answer or a read does."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.errors import InvalidInput, InvalidTransition
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Cancellation, Failed, GatewayPayment, PaymentStatus, Unknown
from billing_worker.domain.payment_options import PLAIN
from billing_worker.domain.refund import (
    OPEN_REFUND,
    REFUND_TRANSITIONS,
    Answered,
    Refund,
    RefundAnswer,
    RefundCause,
    RefundFinding,
    RefundStatus,
    Refused,
    check_amount,
    conclude,
    judge_refund,
    left_of,
    refundable,
    settle_refund,
)
from billing_worker.domain.timing import Timing
from tests.builders import EVIDENCE, NOW, ORDER, WON, a_payment, an_attempt, won

ID = "rfd_0123456789abcdef"
TIMING = Timing()
WINDOW = timedelta(seconds=TIMING.settle_window)
ATTEMPT = an_attempt(status=AttemptStatus.APPROVED, imp_uid="imps_000000000001", closed_at=NOW)
PENDING, IN_FLIGHT, UNKNOWN = RefundStatus.PENDING, RefundStatus.IN_FLIGHT, RefundStatus.UNKNOWN
SUCCEEDED, FAILED = RefundStatus.SUCCEEDED, RefundStatus.FAILED


def a_refund(**fields: Any) -> Refund:
    """3,000 of 9,900 won, sent once; `status` may be any."""
    defaults: dict[str, Any] = {
        "id": ID,
        "attempt_id": "att_1",
        "money": won(3000),
        "balance": 9900,
        "cause": RefundCause.REQUESTED,
        "reason": "asked",
        "created_at": NOW,
        "next_step_at": NOW,
        "status": UNKNOWN,
        "sends": 1,
    }
    return Refund(**defaults | fields)


def shown(given: int, *cancellations: tuple[int, str | None], **fields: Any) -> GatewayPayment:
    """The attempt's payment with so much given back, by these cancellations."""
    history = tuple(Cancellation(won(amount), reason) for amount, reason in cancellations)
    status = PaymentStatus.CANCELLED if given else PaymentStatus.PAID
    return a_payment(**{"cancelled": won(given), "cancellations": history, "status": status} | fields)


OURS = (3000, f"{ID} asked")


@pytest.mark.parametrize(("old", "new"), list(itertools.product(RefundStatus, RefundStatus)))
def test_every_pair_of_states_is_an_edge_of_the_table_or_is_refused(old: RefundStatus, new: RefundStatus) -> None:
    refund = a_refund(status=old)
    if new not in REFUND_TRANSITIONS[old]:
        with pytest.raises(InvalidTransition):
            refund.move_to(new, NOW)
        assert refund.status is old
        return
    refund.move_to(new, NOW)
    assert refund.is_open == (new in OPEN_REFUND)
    assert (refund.closed_at == NOW) == (refund.next_step_at is None) == (not refund.is_open)


def test_a_refund_that_succeeded_is_final_and_no_state_leads_back_to_in_flight_but_pending() -> None:
    assert REFUND_TRANSITIONS[SUCCEEDED] == frozenset()
    assert [old for old, following in REFUND_TRANSITIONS.items() if IN_FLIGHT in following] == [PENDING]
    assert set(REFUND_TRANSITIONS) == set(RefundStatus)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [("", "1 to 100"), ("  ", "1 to 100"), ("x" * 101, "1 to 100"), ("a\nb", "LINE FEED"), ("\x00", "NUL")],
)
def test_a_refund_needs_a_reason_that_can_be_passed_on(wrong: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        a_refund(reason=wrong)


def test_the_request_carries_amount_balance_and_its_own_name() -> None:
    request = a_refund(reason=" two days ").request(ATTEMPT, PLAIN)
    assert (request.imp_uid, request.merchant_uid) == (ATTEMPT.imp_uid, ORDER)
    assert (request.money, request.balance, request.reason) == (won(3000), won(9900), f"{ID} two days")


@pytest.mark.parametrize(
    "attempt",
    [replace(ATTEMPT, status=status) for status in AttemptStatus if status is not AttemptStatus.APPROVED]
    + [replace(ATTEMPT, imp_uid=None)],
    ids=lambda attempt: f"{attempt.status} {attempt.imp_uid}",
)
def test_what_is_not_known_as_paid_cannot_be_given_back(attempt: Any) -> None:
    with pytest.raises(InvalidTransition):
        a_refund().request(attempt, PLAIN)


@pytest.mark.fm("L15")
@pytest.mark.parametrize("amount", [0, -1, 7901, True, 1.0, "1", None])
def test_only_a_positive_part_of_what_is_left_can_be_asked_for(amount: object) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        check_amount(amount, replace(ATTEMPT, refunded=2000))


def test_what_is_left_counts_approved_payments_only() -> None:
    part, declined = replace(ATTEMPT, refunded=2000), an_attempt(status=AttemptStatus.DECLINED)
    assert (refundable(part), check_amount(7900, part)) == (7900, won(7900))
    assert left_of([part, declined, ATTEMPT]) == 7900 + 9900
    assert left_of([declined]) == 0


DONE = {
    "ours alone": (a_refund(), shown(3000, OURS)),
    "ours after the console's": (a_refund(balance=7900), shown(5000, (2000, "operator"), OURS)),
    "ours before the console's": (a_refund(), shown(5000, OURS, (2000, None))),
    "ours, given up before": (a_refund(status=FAILED, refused=True), shown(3000, OURS)),
    "ours, and more than asked": (a_refund(), shown(9900, (9900, f"{ID} asked"))),
    "still called paid": (a_refund(), shown(3000, OURS, status=PaymentStatus.PAID)),
    "no reasons are kept": (a_refund(), shown(3000, (3000, None))),
    "no history is kept": (a_refund(), shown(3000)),
    "the same amount a second time": (a_refund(balance=6900), shown(6000, (3000, None), (3000, None))),
    "no reasons, refused the second time": (a_refund(sends=2, refused=True), shown(3000)),
}
CHANGED = {
    "the console's": (a_refund(), shown(2000, (2000, "operator"))),
    "the console's of the same amount": (a_refund(), shown(3000, (3000, "operator"))),
    "no reasons, another amount": (a_refund(), shown(2000)),
    "no reasons, and never sent": (a_refund(sends=0, status=PENDING), shown(3000)),
    "no reasons, and refused": (a_refund(refused=True), shown(3000)),
    "no reasons, and given up": (a_refund(status=FAILED), shown(3000)),
    "another refund of ours": (a_refund(), shown(3000, (3000, "rfd_fedcba9876543210 asked"))),
    "our name, but not in front": (a_refund(), shown(3000, (3000, f"see {ID}"))),
}
TROUBLE = {
    "another payment": shown(3000, OURS, imp_uid="imps_000000000002"),
    "another order": shown(3000, OURS, merchant_uid="another0001"),
    "another amount": shown(3000, OURS, money=won(9901)),
    "another currency": a_payment(money=Money(9900, "USD"), cancelled=Money(3000, "USD")),
    "never paid": shown(3000, OURS, status=PaymentStatus.READY),
    "failed": shown(3000, OURS, status=PaymentStatus.FAILED),
    "an unknown word": shown(3000, OURS, status=PaymentStatus.UNRECOGNISED),
    "a part of ours": shown(3000, (2999, f"{ID} asked")),
    "ours over nothing": shown(0, (0, f"{ID} asked")),
    "ours, but nothing given back": shown(0, OURS),
}


@pytest.mark.parametrize(("refund", "payment"), DONE.values(), ids=DONE)
def test_a_payment_shows_the_refund(refund: Refund, payment: GatewayPayment) -> None:
    assert judge_refund(refund, ATTEMPT, payment) == RefundFinding(done=True)


@pytest.mark.parametrize(("refund", "payment"), CHANGED.values(), ids=CHANGED)
def test_a_payment_shows_a_foreign_refund(refund: Refund, payment: GatewayPayment) -> None:
    assert judge_refund(refund, ATTEMPT, payment) == RefundFinding(balance_changed=True)


@pytest.mark.parametrize("payment", TROUBLE.values(), ids=TROUBLE)
def test_a_payment_that_is_another_or_contradicts_itself_proves_nothing(payment: GatewayPayment) -> None:
    finding = judge_refund(a_refund(), ATTEMPT, payment)
    assert finding.trouble
    assert not finding.done


@pytest.mark.parametrize(("pg", "later"), [("nice_v2", False), ("paymentwall", True), ("paypal_v2", True)])
def test_that_nothing_is_shown_means_less_where_the_money_moves_later(pg: str, later: bool) -> None:  # noqa: FBT001 - a table
    assert judge_refund(a_refund(), ATTEMPT, shown(0, pg_provider=pg)) == RefundFinding(may_come_later=later)


ANSWERS: dict[str, tuple[RefundAnswer, RefundStatus]] = {
    "shown": (Answered(shown(3000, OURS), EVIDENCE), SUCCEEDED),
    "taken, not shown": (Answered(shown(0), EVIDENCE), UNKNOWN),
    "another payment": (Answered(shown(3000, OURS, imp_uid="imps_2"), EVIDENCE), UNKNOWN),
    "refused": (Refused("code 1", EVIDENCE), UNKNOWN),
    "not sent": (Failed("not sent: connection refused"), PENDING),
    "no answer": (Unknown("no answer"), UNKNOWN),
}


@pytest.mark.parametrize(("answer", "status"), ANSWERS.values(), ids=ANSWERS)
def test_only_a_shown_refund_succeeds_by_an_answer_and_only_an_unsent_one_is_sent_again(
    answer: RefundAnswer, status: RefundStatus
) -> None:
    refund = a_refund(status=IN_FLIGHT)
    settled = settle_refund(refund, ATTEMPT, answer, Moment(NOW, NOW), TIMING)
    assert (refund.status, settled.done, settled.alert) == (status, status is SUCCEEDED, None)
    assert refund.accepted == (answer is ANSWERS["taken, not shown"][0])
    assert refund.refused == isinstance(answer, Refused)
    assert refund.is_open == (refund.next_step_at is not None)


NOTHING, CHANGE = RefundFinding(), RefundFinding(balance_changed=True)
SEEN_TWICE = {
    "nothing": (a_refund(), NOTHING, PENDING, False),
    "nothing, refused": (a_refund(refused=True), NOTHING, FAILED, True),
    "nothing, taken": (a_refund(accepted=True), NOTHING, UNKNOWN, False),
    "nothing yet": (a_refund(), RefundFinding(may_come_later=True), UNKNOWN, False),
    "nothing yet, refused": (a_refund(refused=True), RefundFinding(may_come_later=True), FAILED, True),
    "a foreign refund": (a_refund(), CHANGE, FAILED, True),
    "a foreign refund, refused": (a_refund(refused=True), CHANGE, FAILED, True),
    "a foreign refund, taken": (a_refund(accepted=True), CHANGE, UNKNOWN, False),
    "trouble": (a_refund(), RefundFinding(trouble="another"), UNKNOWN, False),
    "trouble, refused": (a_refund(refused=True), RefundFinding(trouble="another"), UNKNOWN, False),
}


def read(refund: Refund, finding: RefundFinding, seconds: float) -> Any:
    later = NOW + timedelta(seconds=seconds)
    return conclude(refund, finding, Moment(NOW, later), began_at=later, window=WINDOW)


@pytest.mark.parametrize(("refund", "finding", "status", "told"), SEEN_TWICE.values(), ids=SEEN_TWICE)
def test_what_two_reads_a_settle_window_apart_decide(
    refund: Refund,
    finding: RefundFinding,
    status: RefundStatus,
    told: bool,  # noqa: FBT001 - a table
) -> None:
    refund = replace(refund)
    assert read(refund, finding, 0).alert is None
    assert refund.status is UNKNOWN
    assert (read(refund, finding, TIMING.settle_window).alert is not None) == told
    assert refund.status is status


@pytest.mark.parametrize("case", ["nothing", "nothing, refused", "a foreign refund"])
def test_one_read_or_two_too_close_decide_nothing(case: str) -> None:
    refund, finding, _, _ = SEEN_TWICE[case]
    refund = replace(refund)
    for seconds in (0, 1, TIMING.settle_window - 1):
        read(refund, finding, seconds)
        assert refund.status is UNKNOWN


def test_a_read_that_began_within_the_window_and_ended_after_it_decides_nothing() -> None:
    refund = a_refund()
    read(refund, NOTHING, 0)
    ended = NOW + WINDOW + timedelta(seconds=60)
    conclude(refund, NOTHING, Moment(NOW, ended), began_at=NOW + timedelta(seconds=60), window=WINDOW)
    assert refund.status is UNKNOWN


def test_one_read_that_shows_it_is_enough() -> None:
    refund = a_refund(accepted=True)
    assert read(refund, RefundFinding(done=True), 0).done
    assert refund.status is SUCCEEDED


def test_each_send_takes_the_fence_and_forgets_what_was_read_before() -> None:
    refund = a_refund(status=PENDING, absent_since=NOW, looks=3, fence=4)
    refund.send(Moment(NOW, NOW), TIMING)
    assert (refund.status, refund.fence, refund.sends) == (IN_FLIGHT, 5, 2)
    assert (refund.looks, refund.absent_since) == (0, None)
    refund.look(NOW)
    assert (refund.status, refund.fence) == (UNKNOWN, 6)
    refund.look(NOW)
    assert (refund.fence, refund.looks) == (6, 2)


def test_waits_between_sends_grow_to_an_hour() -> None:
    refund = a_refund(status=IN_FLIGHT)
    waits = []
    for _ in range(8):
        settle_refund(refund, ATTEMPT, Failed("not sent"), Moment(NOW, NOW), TIMING)
        assert refund.next_step_at is not None
        waits.append((refund.next_step_at - NOW) // timedelta(minutes=1))
        refund.send(Moment(NOW, NOW), TIMING)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert refund.money.currency == WON.currency
