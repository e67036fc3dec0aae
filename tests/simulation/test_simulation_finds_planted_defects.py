"""A test of the tests: each invariant of the simulation is proven able to fail, by a mistake planted in one world."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.fallback import Cards, Fallback
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Approved, Declined, Failed, Unknown
from billing_worker.domain.pingback import PingbackPayment, Verdict
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.charging import DueInvoice, DueSubscription
from billing_worker.ports.outside import Listing
from billing_worker.simulation.fleet.client import FaultyDatabase, Transaction
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.judge.docket import Breach
from billing_worker.simulation.memory.fallbacks import MemoryFallbackKeys
from billing_worker.simulation.run import START, Run
from billing_worker.simulation.world import backing

pytestmark = pytest.mark.long

MONEY = {
    "soft_rate": 0.1,
    "card_years": 2.0,
    "rescued": 1.0,
    "paymentwall": 0.0,
    "naverpay": 0.0,
    "review_rate": 0.0,
    "operator_rate": 0.0,
    "refund_rate": 0.0,
    "stops_a_year": 0.0,
    "pg_rate": 0,
    "spread_hours": 0,
    "catch_up": "bill_all",
    "catch_up_rate": 0,
    "notifies": False,
    "together": False,
    "scan_limit": 500,
    "deaths_a_year": 0.0,
    "long_outages": 0,
    "scheduled": 0.0,
    "switches_a_year": 0.0,
    "clerk_acts_a_year": 0.0,
    "policies": False,
    "recovery": False,
    "fallbacks": 0.0,
}


def a_run(faults: dict[str, float] | None = None, *, years: int = 2, seed: int = 7, **drawn: Any) -> Run:
    """A calm world with only these faults."""
    return Run(replace(Options.drawn(seed, 12, years), **MONEY | drawn, faults=faults or {}))


def breach_of(run: Run) -> Breach | None:
    return run.verdict().breach


def around(run: Run, name: str, changed: Callable[..., Any]) -> None:
    """Let every process call `changed(original, argument)` instead of this method of its gateway."""
    for process, ports in run.fleet.ports.items():
        double = _Around(ports.gateway, name, changed)
        run.fleet.ports[process] = replace(ports, gateway=double)


class _Around:
    def __init__(self, inner: Any, name: str, changed: Callable[..., Any]) -> None:
        self._inner = inner
        setattr(self, name, partial(changed, getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_without_a_planted_defect_all_is_well() -> None:
    run = a_run({"charge.dropped_after": 0.1, "charge.error_before": 0.1, "commit.lost_after": 0.02})
    verdict = run.verdict()
    assert verdict.breach is None, verdict.breach
    assert verdict.requests > 200
    assert set(verdict.fired) == {"charge.dropped_after", "charge.error_before", "commit.lost_after"}


@pytest.mark.fm("C7")
def test_a_timeout_taken_for_a_failure_charges_twice() -> None:
    run = a_run({"charge.error_after": 0.2, "webhook.never": 1.0}, soft_rate=0.0, card_years=50.0)
    run.ledger.takes = lambda *_: True  # type: ignore[method-assign] # a gateway that lets the same order pay twice
    around(run, "charge", lambda charge, request: _certain(charge(request)))
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I1"


def _certain(outcome: Any) -> Any:
    return Failed(outcome.reason) if isinstance(outcome, Unknown) else outcome


def test_an_approval_that_the_ledger_does_not_have_is_a_phantom() -> None:
    run = a_run()
    around(run, "charge", lambda charge, request: _renamed(charge(request)))
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "nowhere" in found.text) == ("I2", True)


def _renamed(outcome: Any) -> Any:
    if isinstance(outcome, Approved):
        return replace(outcome, payment=replace(outcome.payment, imp_uid=outcome.payment.imp_uid + "x"))
    return outcome


def test_a_payment_without_a_notification_is_an_orphan() -> None:
    run = a_run(operator_rate=0.5, soft_rate=0.9)
    run.market.paid = lambda _row: None  # type: ignore[method-assign] # no webhook at all
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "operator" in found.text) == ("I3", True)


def test_work_that_no_worker_ever_gets_is_lost() -> None:
    run = a_run(years=1)
    run.fleet.broker.hand_out = lambda: None  # type: ignore[method-assign] # the queue swallows everything
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I4"


def test_another_amount_than_owed_is_seen_at_the_gateway() -> None:
    run = a_run()
    around(run, "charge", lambda charge, request: charge(replace(request, money=replace(request.money, amount=1))))
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I5"


@pytest.mark.fm("L1")
def test_a_charge_after_a_cancellation_is_seen() -> None:
    run = a_run(churn_years=0.3, soft_rate=0.5)
    store = run.store
    get = store.subscriptions.get
    store.invoices.voidable = lambda _ident: []  # type: ignore[method-assign] # cancel closes nothing

    def blind(ident: str) -> Any:
        subscription = get(ident)
        if store.busy and subscription.status is SubscriptionStatus.CANCELED:
            subscription.status = SubscriptionStatus.ACTIVE
        return subscription

    store.subscriptions.get = blind  # type: ignore[method-assign] # it never looks canceled
    store.subscriptions.save = _unless_canceled(run, store.subscriptions.save)  # type: ignore[method-assign]
    store.invoices.due_from = lambda ident: _due_anyway(run, ident)  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I6"


def _unless_canceled(run: Run, save: Callable[[Any], None]) -> Callable[[Any], None]:
    def kept(subscription: Any) -> None:
        if run.store.subscriptions.rows[subscription.id].status is not SubscriptionStatus.CANCELED:
            save(subscription)

    return kept


def _due_anyway(run: Run, invoice_id: str) -> Any:
    row = run.store.invoices.rows.get(invoice_id)
    if row is None or row.status != "open" or invoice_id in run.store.attempts.open_of:
        return None
    return row.next_attempt_at if row.lease_until is None else max(row.next_attempt_at, row.lease_until)


@pytest.mark.fm("C3")
def test_an_outage_that_uses_up_dunning_is_seen() -> None:
    run = a_run({"charge.refused": 0.2})
    around(run, "charge", lambda charge, request: _declined(charge(request)))
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "declines" in found.text) == ("I7", True)


def _declined(outcome: Any) -> Any:
    if isinstance(outcome, Failed):
        return Declined(normalise("", "한도초과"), outcome.reason, None)  # type: ignore[arg-type] # the mistake needs no proof
    return outcome


def test_a_decline_that_is_tried_again_at_once_is_seen() -> None:
    run = a_run(soft_rate=0.3)
    save = run.store.invoices.save

    def impatient(invoice: Any) -> None:
        if invoice.declines and invoice.next_attempt_at is not None:
            invoice.next_attempt_at = min(invoice.next_attempt_at, run.scheduler.now + timedelta(hours=1))
        save(invoice)

    run.store.invoices.save = impatient  # type: ignore[method-assign] # dunning days become an hour
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "again at once" in found.text) == ("I7", True)


def test_a_dead_card_that_is_charged_again_is_seen() -> None:
    run = a_run(card_years=0.3, rescued=0.0)
    save = run.store.keys.save
    run.store.keys.save = lambda key: None if key.status == "invalid" else save(key)  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "for good" in found.text) == ("I7", True)


def test_a_store_without_the_unique_open_attempt_lets_two_be_open() -> None:
    run = a_run({"charge.dropped_after": 0.3})
    attempts = run.store.attempts
    attempts.guard = lambda *_: None  # type: ignore[method-assign] # no constraint
    attempts.open_of = _Forgetful()
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I8"


class _Forgetful(dict[str, str]):
    """Knows of no open attempt."""

    def __contains__(self, _: object) -> bool:
        return False


def test_a_fence_that_falls_is_seen() -> None:
    run = a_run({"charge.stall": 0.3})
    save = run.store.attempts.save
    run.store.attempts.save = lambda row: save(replace(row, fence=row.fence - row.looks))  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "fence" in found.text) == ("I8", True)


def test_an_approval_without_evidence_is_seen() -> None:
    run = a_run()
    run.store.attempts.guard = lambda *_: None  # type: ignore[method-assign] # no constraint
    save = run.store.attempts.save
    run.store.attempts.save = lambda row: save(replace(row, evidence_id=None))  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I12"


def test_an_edge_that_no_table_lists_is_seen() -> None:
    run = a_run()
    run.verdict()
    paid = next(row for row in run.store.attempts.rows.values() if row.status is AttemptStatus.APPROVED)
    run.safety.committed([(run.store.attempts, paid, replace(paid, status=AttemptStatus.DECLINED))])
    assert run.docket.breach is not None
    assert run.docket.breach.invariant == "I14"


def test_a_clock_that_runs_ahead_charges_too_early() -> None:
    run = a_run()
    for name, ports in run.fleet.ports.items():
        run.fleet.ports[name] = replace(ports, clock=_Ahead(run))
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I15"


class _Ahead:
    def __init__(self, run: Run) -> None:
        self._run = run

    def moment(self) -> Moment:
        ahead = self._run.scheduler.now + timedelta(days=2)
        return Moment(ahead, ahead)

    def wait_until(self, real: datetime) -> None:
        self._run.scheduler.wait(max(timedelta(0), real - self.moment().real))


def test_a_calendar_with_a_hole_is_seen() -> None:
    run = a_run()
    save = run.store.subscriptions.save
    run.store.subscriptions.save = lambda row: save(_later(row))  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "the one before ends" in found.text) == ("I15", True)


def _later(subscription: Any) -> Any:
    if subscription.next_period_index == 2:
        subscription.next_period_start += timedelta(seconds=1)
        subscription.next_period_index += 1
    return subscription


def test_a_resolver_that_never_reads_leaves_attempts_open() -> None:
    run = a_run({"charge.dropped_after": 0.3, "webhook.never": 1.0}, years=1, singles_a_year=0.0)
    blind_from = run.end - timedelta(days=40)
    around(run, "payments_of", lambda read, uid: read(uid) if run.scheduler.now < blind_from else Listing((), "blind"))
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I16"


@pytest.mark.fm("C27")
def test_a_client_that_sends_twice_is_seen() -> None:
    run = a_run()
    around(run, "charge", lambda charge, request: (charge(request), charge(request))[1])
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I17"


def test_a_refund_without_its_amount_is_seen() -> None:
    run = a_run(refund_rate=0.2)
    around(run, "cancel", lambda cancel, request: cancel(replace(request, money=replace(request.money, amount=0))))
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "I10"


def test_a_refund_that_is_given_back_twice_is_seen() -> None:
    run = a_run({"cancel.dropped_after": 0.5}, refund_rate=0.2)

    def careless(imp_uid: str, amount: int, _checksum: int, reason: str) -> Any:
        row = run.ledger.rows[imp_uid]
        run.ledger.cancel(row, amount, reason)
        return row

    run.ledger.refund = careless  # type: ignore[method-assign] # a gateway that checks no balance
    around(run, "cancel", lambda cancel, request: _certain(cancel(request)))
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "twice" in found.text) == ("I10", True)


def test_a_surplus_that_is_never_given_back_is_seen() -> None:
    run = a_run(paymentwall=1.0, review_rate=0.9, soft_rate=0.5)
    run.store.refunds.add = lambda _refund: None  # type: ignore[method-assign] # no refund is written down
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "still holds" in found.text) == ("I1", True)


def test_a_charge_that_begins_in_spite_of_a_stop_is_seen() -> None:
    run = a_run(stops_a_year=20.0)
    run.store.stops.holding = lambda *_: ()  # type: ignore[method-assign] # no stop is found
    found = breach_of(run)
    assert found is not None
    assert found.invariant == "R12"


HELD = PingbackPayment(0, "b0", "", None, Verdict.HELD, START)
KEYS = {"paymentwall": 1.0, "pingbacks": 1.0, "years": 3}


@pytest.mark.fm("E24")
def test_pingbacks_of_all_kinds_end_well_where_nothing_is_planted() -> None:
    faults = {"webhook.late": 0.2, "webhook.doubled": 0.2, "commit.lost_after": 0.02, "send.lost": 0.05}
    run = a_run(faults, **KEYS)
    verdict = run.verdict()
    assert verdict.breach is None, verdict.breach
    heard = {str(row.verdict) for row in run.store.pingbacks.rows.values()}
    assert heard >= {"delivered", "declined", "reversed"}


def test_a_key_that_is_unlocked_during_a_risk_review_is_seen() -> None:
    run = a_run({"webhook.late": 0.5}, **KEYS)
    run.store.pingbacks.newest = lambda *_: None  # type: ignore[method-assign] # no payment blocks it
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "was unlocked by a payment" in found.text) == ("I14", True)


class _CarelessDatabase(FaultyDatabase):
    def transaction(self) -> "_Careless":
        return _Careless(self._world, self._committed)


class _Careless(Transaction):
    """Takes every key for an active one."""

    def lock_due(self, invoice_ids: Sequence[str]) -> Sequence[DueInvoice]:
        found = super().lock_due(invoice_ids)
        return [replace(due, key=replace(due.key, status=KeyStatus.ACTIVE)) for due in found]

    def lock_renewals(self, subscription_ids: Sequence[str]) -> Sequence[DueSubscription]:
        found = super().lock_renewals(subscription_ids)
        return [replace(due, key=replace(due.key, status=KeyStatus.ACTIVE)) for due in found]


def test_a_charge_on_a_key_that_is_not_active_is_seen() -> None:
    run = a_run(**KEYS | {"rescued": 0.0, "card_years": 50.0, "seed": 3})
    for process, ports in run.fleet.ports.items():
        careless = _CarelessDatabase(run.world, ports.database._committed)
        run.fleet.ports[process] = replace(ports, database=careless)
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "began on key" in found.text) == ("I7", True)


@pytest.mark.timeout(1200)
def test_a_key_that_waits_for_ever_is_seen() -> None:
    run = a_run(**KEYS | {"years": 1, "subscriptions": 3})  # each key is looked up every hour
    run.store.pingbacks.newest = lambda *_: HELD  # type: ignore[method-assign] # every payment looks held back
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "is pending, and was confirmed" in found.text) == ("I4", True)


def test_a_call_within_a_transaction_is_seen() -> None:
    run = a_run()

    def held(charge: Callable[[Any], Any], request: Any) -> Any:
        with run.fleet.ports["worker1"].database.transaction():
            return charge(request)

    around(run, "charge", held)
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "within a transaction" in found.text) == ("unforeseen", True)


def test_the_stores_own_guards_are_seen_as_what_they_are() -> None:
    run = a_run()
    run.store.attempts.guard = _refuses  # type: ignore[method-assign]
    found = breach_of(run)
    assert found is not None
    assert (found.invariant, "Conflict" in found.text) == ("unforeseen", True)


def _refuses(before: Any, _after: Any) -> None:
    from billing_worker.simulation.memory.tables import GuardBroken  # noqa: PLC0415 - only this test breaks one

    if before is None:
        raise GuardBroken("planted")


def test_a_card_that_was_taken_out_of_the_order_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def also_ended(self: MemoryFallbackKeys, owners: Sequence[str]) -> dict[str, list[Fallback]]:
        own = {owner: [self.get(each) for each in self.by_owner[owner]] for owner in owners}
        keys = self._rows.keys
        return {
            owner: [Fallback(each, keys.get(each.billing_key_id)) for each in found] for owner, found in own.items()
        }

    monkeypatch.setattr(MemoryFallbackKeys, "in_use", also_ended)
    monkeypatch.setattr(backing, "CHANGES_MIND", 1.0)
    found = breach_of(a_run(fallbacks=1.0, rescued=0.0, card_years=0.5))
    assert found is not None
    assert (found.invariant, "did not agree" in found.text) == ("I7", True)


def test_cards_that_take_turns_for_ever_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    next_key = Cards.next_key
    monkeypatch.setattr(Cards, "next_key", lambda self, tried, now: next_key(self, list(tried)[-1:], now))
    found = breach_of(a_run(fallbacks=1.0, soft_rate=0.9, card_years=50.0))
    assert found is not None
    assert (found.invariant, "charged again" in found.text) == ("I7", True)


def test_with_further_cards_all_is_well() -> None:
    faults = {"charge.dropped_after": 0.05, "commit.lost_after": 0.02}
    run = a_run(faults, seed=4, fallbacks=1.0, soft_rate=0.3, card_years=0.5)
    assert run.verdict().breach is None
    fallbacks = run.store.fallbacks.rows.values()
    paid = [row for row in run.store.attempts.rows.values() if row.status == "approved"]
    agreed = {each.billing_key_id for each in fallbacks}
    assert sum(row.billing_key_id in agreed for row in paid) > 10
    assert {each.ended_because for each in fallbacks} >= {"main", None}
