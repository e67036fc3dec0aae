"""Any mix of declines, dead keys and requests by people ends: no loop, no silence, no step that nobody owes."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.dunning.policy import FAILURE_WAITS, days
from billing_worker.domain.giving_up import meet_dead_key
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment import Failed, Outcome
from billing_worker.domain.settlement import LockedInvoice, settle
from billing_worker.domain.spared import MERCHANT_TRIES
from tests.builders import EVIDENCE, a_key, a_plan, a_subscription, an_attempt, an_invoice, declined, failed

SOFT, HARD, SOON, MERCHANT = "한도초과", "도난분실카드", "카드사 시스템 장애", "[8901]미등록PG업체/거래정지업체"
OUTCOMES: dict[str, Outcome] = {
    **{name: declined(text) for name, text in {"soft": SOFT, "hard": HARD, "soon": SOON, "merchant": MERCHANT}.items()},
    "failed": failed(),
    "taken back": Failed("given back", EVIDENCE, taken_back=True),
}
MOVES_NO_KEY = ("soon", "merchant", "failed")
HANDS = ("retry", "another card", "another card during the charge", "reactivate")
START = datetime.fromisoformat("2026-01-31T00:00:00+00:00")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*OUTCOMES, "soft", "soft"]), st.sampled_from([None, None, None, *HANDS]), st.integers(0, 9)
    ),
    max_size=70,
)


class Story:
    """One invoice, charged as `begin` and `retry_now` charge it."""

    def __init__(self, policy: tuple[int, ...]) -> None:
        self.now, self.policy = START, days(*policy)
        self.key = a_key()
        self.keys: dict[str, BillingKey] = {self.key.id: self.key}
        self.locked = LockedInvoice(
            subscription=a_subscription(),
            invoice=an_invoice(),
            agreed=a_plan(),
            policy=self.policy,
            keys=self.keys,
            attempts=[],
        )
        self.invoice = self.locked.invoice
        self.unasked = self.asked = 0
        self.last: datetime | None = None
        self.by_person = True

    def another_key(self) -> str:
        key = a_key(id=f"key_{len(self.keys) + 1}")
        self.keys[key.id] = key
        return key.id

    def hand(self, hand: str | None) -> None:
        invoice = self.invoice
        if hand is None or invoice.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
            return
        key = self.keys[invoice.billing_key_id]
        if hand == "retry" and key.status is KeyStatus.ACTIVE:
            invoice.try_by_hand(self.now)
            self.by_person = True
        elif hand == "another card":
            invoice.use_key(self.another_key(), self.now, at_once=True)
            self.by_person = True
        elif hand == "reactivate" and key.status is KeyStatus.INVALID:
            key.move_to(KeyStatus.ACTIVE)
            if invoice.status is InvoiceStatus.OPEN and invoice.awaits_key:
                invoice.use_key(key.id, self.now, at_once=True)
            self.by_person = True

    def charge(self, outcome: str, *, another: bool = False) -> None:
        invoice, key = self.invoice, self.keys[self.invoice.billing_key_id]
        if key.status is not KeyStatus.ACTIVE:
            meet_dead_key(self.locked.subscription, invoice, key, self.policy, self.now)
            return
        if not self.by_person and self.last is not None:
            assert self.now - self.last >= timedelta(seconds=30), "charged in a loop"
        self.asked += self.by_person
        self.last, self.by_person = self.now, another
        invoice.attempts += 1
        attempt = an_attempt(id=f"att_{invoice.attempts}", number=invoice.attempts, billing_key_id=key.id)
        self.locked.attempts.append(attempt)
        if another:
            invoice.use_key(self.another_key(), self.now, at_once=False)
        settle(self.locked.about(attempt), OUTCOMES[outcome], self.now)
        self.check()

    def check(self) -> None:
        invoice = self.invoice
        if invoice.status is InvoiceStatus.OPEN:
            assert invoice.next_attempt_at is not None or invoice.taken_back > 1, "open, and never tried again"
            assert invoice.by_hand or invoice.resumes_at is None
        else:
            assert not invoice.by_hand
        assert invoice.spared <= max(len(FAILURE_WAITS), MERCHANT_TRIES)

    def to_next(self) -> bool:
        invoice = self.invoice
        if invoice.status is not InvoiceStatus.OPEN or invoice.next_attempt_at is None:
            return False
        self.now = max(self.now, invoice.next_attempt_at)
        return True


@given(policy=st.lists(st.integers(1, 9), max_size=5).map(tuple), steps=STEPS)
@settings(deadline=None)
def test_it_always_has_a_next_date_or_an_end(policy: tuple[int, ...], steps: list[tuple[str, str | None, int]]) -> None:
    story = Story(policy)
    for outcome, hand, hours in steps:
        if hand is not None and hand != "another card during the charge":
            if story.invoice.next_attempt_at is not None:
                story.now = min(story.now + timedelta(hours=hours), max(story.now, story.invoice.next_attempt_at))
            story.hand(hand)
            story.check()
        if story.to_next():
            story.charge(outcome, another=hand == "another card during the charge")
    charges = 0
    while story.to_next():
        charges += 1
        assert charges <= len(policy) + 2
        story.charge("soft")
    assert story.invoice.status is InvoiceStatus.UNCOLLECTIBLE or story.invoice.awaits_decision


@given(policy=st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple), steps=STEPS)
@settings(deadline=None)
def test_no_hand_ends_dunning_earlier_than_the_policy_would(
    policy: tuple[int, ...], steps: list[tuple[str, str | None, int]]
) -> None:
    story = Story(policy)
    story.charge("soft")
    end = START + timedelta(days=sum(policy))
    for outcome, hand, hours in steps:
        if story.invoice.status is not InvoiceStatus.OPEN:
            break
        during = hand == "another card during the charge"
        if hand is not None and not during and story.invoice.next_attempt_at is not None:
            story.now = min(story.now + timedelta(hours=hours), max(story.now, story.invoice.next_attempt_at))
            story.hand(hand)
        if story.to_next():
            story.charge(outcome if outcome in MOVES_NO_KEY else "soft", another=during)
    while story.to_next():
        story.charge("soft")
    assert story.invoice.status is InvoiceStatus.UNCOLLECTIBLE
    assert story.now >= end
