"""The one door for evidence: every answer and every read of the gateway is recorded here, and only here."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from billing_worker.domain.billing_key import NEVER_REUSES_IDS
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus, PaymentAttempt, merchant_uid
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import (
    Approved,
    Declined,
    DeclineKind,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    Unknown,
)
from billing_worker.domain.proof import judge
from billing_worker.domain.settlement import LockedInvoice, Settlement, settle
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.wrong_account import stop_when_keys_vanish
from billing_worker.usecases.settle.alerts import alert, alert_mismatch, alert_unasked
from billing_worker.usecases.settle.given_back import note_refunds, refund_surplus

RECORD_TRIES = 3
"""The first try may get a dead connection of the pool. After three failures, a later read of the gateway records it."""


def retry_write(write: Callable[[], None]) -> None:
    """Write an answer down, with retries: a broken connection must not lose it, and writing twice is harmless.

    Raises Unavailable if the last try also fails.
    """
    for _ in range(RECORD_TRIES - 1):
        with suppress(Unavailable):
            return write()
    return write()


def record_answer(ports: Ports, attempt_id: str, fence: int, outcome: Outcome) -> None:
    """Record the answer to our own call.

    A worker that lost the attempt meanwhile only stores the evidence, and the resolver looks at once. No resolver reads
    a closed attempt, so an approval then causes a read of the payment's present state.
    """
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(attempt_id)
        moment, attempt = ports.clock.moment(), settlement.attempt
        lost = attempt.fence != fence
        if not lost:
            record_outcome(ports, uow, settlement, outcome, moment)
        else:
            _keep(uow, settlement, outcome, moment.real)
            if attempt.is_open:
                attempt.next_look_at = moment.real
                uow.attempts.save(attempt)
        uow.commit()
    if lost and not attempt.is_open and isinstance(outcome, Approved):
        _read_again(ports, settlement.invoice.id, outcome.payment.imp_uid)


def _read_again(ports: Ports, invoice_id: str, imp_uid: str) -> None:
    """Read the payment again: money in an old answer may have been given back since.

    After a failed read, the comparison of both books finds it.
    """
    listing = ports.gateway.payment(imp_uid)
    with ports.database.transaction() as uow:
        locked = uow.lock_invoice(invoice_id)
        moment = ports.clock.moment()
        for payment, evidence in listing.payments:
            record_payment(ports, uow, locked, payment, evidence, moment=moment)
        uow.commit()


def record_outcome(ports: Ports, uow: UnitOfWork, settlement: Settlement, outcome: Outcome, moment: Moment) -> bool:
    """Record the outcome of an attempt, within the caller's transaction; returns whether it changed anything."""
    now, attempt = moment.billing, settlement.attempt
    if isinstance(outcome, Approved) and attempt.status is AttemptStatus.APPROVED:
        return note_refunds(uow, settlement, outcome.payment, outcome.evidence, moment)
    evidence_id = _keep(uow, settlement, outcome, moment.real)
    if isinstance(outcome, Declined) and outcome.kind is DeclineKind.HARD:
        # A key may serve several subscriptions: two workers must not both announce that it became invalid.
        settlement.keys[settlement.key.id] = uow.keys.lock(settlement.key.id)
    was = attempt.status
    if not settle(settlement, outcome, now):
        alert_mismatch(uow, settlement, outcome, now)
        return False
    attempt.evidence_id = evidence_id or attempt.evidence_id
    if isinstance(outcome, Unknown):
        attempt.next_look_at = _next_look(ports, settlement, moment.real)
    if settlement.invoice.status is InvoiceStatus.OPEN and _uses_up_the_id(settlement, outcome):
        _next_generation(ports, settlement)
    alert(uow, settlement, outcome, was, now)
    uow.save_settlement(settlement, moment)
    if isinstance(outcome, Approved):
        note_refunds(uow, settlement, outcome.payment, outcome.evidence, moment)
    refund_surplus(ports, uow, settlement, moment)
    stop_when_keys_vanish(uow, outcome, now)
    return True


def record_payment(
    ports: Ports, uow: UnitOfWork, locked: LockedInvoice, payment: GatewayPayment, evidence: Evidence, *, moment: Moment
) -> str:
    """Record a payment that the gateway's books show under one of the invoice's merchant_uids; returns its meaning.

    It belongs to the attempt that has its imp_uid; else to the open one; else, if it holds money, to the last attempt
    without an imp_uid (a late approval), or to a new attempt: it was charged elsewhere.
    """
    attempts = [a for a in locked.attempts if a.merchant_uid == payment.merchant_uid]
    attempt = next((a for a in attempts if a.imp_uid == payment.imp_uid), None)
    if attempt is None:
        attempt = next((a for a in attempts if a.is_open), None)
    if attempt is None and not payment.holds_money:
        return "a failed payment that no attempt of ours made"
    if attempt is None:
        attempt = next((a for a in reversed(attempts) if a.imp_uid is None), None)
    if attempt is None:
        attempt = _found_attempt(ports, uow, locked, payment, moment)
    settlement = locked.about(attempt)
    changed = note_refunds(uow, settlement, payment, evidence, moment)
    changed |= record_outcome(ports, uow, settlement, judge(settlement.request, payment, evidence), moment)
    alert_unasked(uow, settlement, moment.billing)
    return f"attempt {attempt.id} is {attempt.status}" + ("" if changed else ", as was known")


def _found_attempt(
    ports: Ports, uow: UnitOfWork, locked: LockedInvoice, payment: GatewayPayment, moment: Moment
) -> PaymentAttempt:
    """A new attempt for a payment that was not placed by us."""
    invoice = locked.invoice
    attempt = invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
    attempt.merchant_uid = payment.merchant_uid
    attempt.found = True
    if locked.has_open_attempt:
        # Only one attempt may be open; a closed one also takes a late approval.
        attempt.move_to(AttemptStatus.FAILED, moment.billing)
        attempt.reason = "found at the gateway; not placed by this worker"
    uow.attempts.add(attempt)
    uow.invoices.save(invoice)
    locked.attempts.append(attempt)
    if attempt.billing_key_id not in locked.keys:
        locked.keys[attempt.billing_key_id] = uow.keys.get(attempt.billing_key_id)
    return attempt


def _next_look(ports: Ports, settlement: Settlement, real_now: datetime) -> datetime:
    """The wait doubles, but the second read that proves absence comes after the settle window."""
    attempt = settlement.attempt
    look = ports.timing.next_look(attempt.looks, real_now)
    if attempt.absent_since is None:
        return look
    settled = attempt.absent_since + ports.timing.settle_window_of(settlement.key.pg_provider)
    return min(look, settled) if settled > real_now else look


def _uses_up_the_id(settlement: Settlement, outcome: Outcome) -> bool:
    """Whether the gateway refuses this merchant_uid from now on, although nothing is paid under it."""
    if isinstance(outcome, Failed):
        return outcome.new_merchant_uid
    return isinstance(outcome, Declined) and settlement.key.pg_provider in NEVER_REUSES_IDS


def _next_generation(ports: Ports, settlement: Settlement) -> None:
    invoice = settlement.invoice
    invoice.generation += 1
    invoice.merchant_uid = merchant_uid(
        ports.environment, settlement.subscription.id, invoice.period.index, invoice.generation
    )


def _keep(uow: UnitOfWork, settlement: Settlement, outcome: Outcome, real_now: datetime) -> int | None:
    evidence: Evidence | None = outcome.evidence
    if evidence is None:
        return None
    return uow.keep_evidence(settlement.attempt.id, evidence, real_now)
