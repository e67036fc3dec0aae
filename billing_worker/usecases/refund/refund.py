"""Give money back, in three short acts like a charge: commit the intent, make one call, commit the result.

After a missing or unclear answer the call is never repeated blindly: the payment is read until its list of
cancellations shows the outcome. `settle/given_back` books the refunds in every read of a payment, from any source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.invoice import PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.pgs.rules import Return, require_return
from billing_worker.domain.refund import (
    LONGEST_IDEMPOTENCY_KEY,
    LONGEST_REASON,
    Answered,
    Refund,
    RefundAnswer,
    RefundCause,
    RefundRequest,
    RefundStatus,
    Settled,
    check_amount,
    conclude,
    judge_refund,
    refundable,
    settle_refund,
)
from billing_worker.domain.settlement import Settlement
from billing_worker.domain.text import entered, normal_form
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.control.environment import is_elsewhere
from billing_worker.usecases.settle.given_back import note_refunds, refund_event, refund_surplus
from billing_worker.usecases.settle.record import retry_write

HUMAN_AFTER = timedelta(hours=24)
STUCK_AFTER = 5
"""A refund sent this many times needs an operator."""


def request_refund(
    ports: Ports,
    invoice_id: str,
    amount: int | None,
    *,
    everything: bool = False,
    reason: str,
    attempt_id: str | None = None,
    idempotency_key: str | None = None,
) -> Refund:
    """Write down a refund of `amount` minor units of an invoice's payment; the next scan sends it.

    Either an amount or `everything` (all that is left): a missing amount never means everything. `attempt_id` names one
    of several payments; by default it is the one that settled the invoice. The same `idempotency_key` again is the same
    refund.

    Raises NotFound, InvalidInput, or Conflict if nothing is left, another refund of the payment is unfinished, or the
    `idempotency_key` already stands for another refund.
    """
    if everything == (amount is not None):
        raise InvalidInput("amount", amount, "say either how much, or everything that is left")
    if idempotency_key is not None:
        idempotency_key = entered("idempotency_key", idempotency_key, LONGEST_IDEMPOTENCY_KEY)
    reason = entered("reason", reason, LONGEST_REASON)
    with ports.database.transaction() as uow:
        locked = uow.lock_invoice(invoice_id)
        moment = ports.clock.moment()
        earlier = uow.refunds.of_invoice(invoice_id)
        for each in earlier if idempotency_key else ():
            # An older release stored it as received: the same key in another form must not give back twice.
            if each.idempotency_key and normal_form(each.idempotency_key) == idempotency_key:
                return _same(each, amount, attempt_id)
        attempt = payment_of(locked.attempts, invoice_id, attempt_id)
        left = refundable(attempt)
        if left == 0:
            raise Conflict(f"payment {attempt.imp_uid} of invoice {invoice_id} is given back already")
        refund = Refund(
            id=ports.ids.new("rfd"),
            attempt_id=attempt.id,
            money=Money(left, attempt.money.currency) if everything else check_amount(amount, attempt),
            balance=left,
            cause=RefundCause.REQUESTED,
            reason=reason,
            created_at=moment.billing,
            next_step_at=moment.real,
            idempotency_key=idempotency_key,
        )
        _require_return(uow, attempt, refund, earlier)
        uow.refunds.add(refund)
        note(ports, uow, Verb.REFUND_REQUESTED, refund.id, f"{refund.money} of invoice {invoice_id}", at=moment.real)
        uow.commit()
    return refund


def _require_return(uow: UnitOfWork, attempt: PaymentAttempt, refund: Refund, earlier: Sequence[Refund]) -> None:
    """Refuse a refund that the PG of the payment's key does not take."""
    before = [each for each in earlier if each.attempt_id == attempt.id and each.status is not RefundStatus.FAILED]
    pg_provider = uow.keys.get(attempt.billing_key_id).pg_provider
    # Noted no earlier than it was paid: at the turn of a month, the PG itself refuses what this lets through.
    paid_at = attempt.closed_at or refund.created_at
    require_return(pg_provider, Return(refund.money, attempt.money, paid_at, refund.created_at, len(before)))


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim refunds to send or to look up; none in a copy of the database, whose original serves them."""
    with ports.database.transaction() as uow:
        if is_elsewhere(ports, uow):
            return []
        real_now = ports.clock.moment().real
        ids = uow.refunds.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def refund(ports: Ports, refund_id: str) -> None:
    """Take one step: send it, once, or read the payment that it belongs to."""
    step = _take(ports, refund_id)
    if step is None:
        return
    if step.request is None:
        began_at = ports.clock.moment().real
        _conclude(ports, step, ports.gateway.payment(step.imp_uid), began_at)
        return
    if ports.clock.moment().real + timedelta(seconds=ports.timing.http_deadline) > step.lease_until:
        # This process stalled: when the call ends, another worker may own the refund.
        return
    answer = ports.gateway.cancel(step.request)
    retry_write(lambda: _record(ports, step, answer))


@dataclass(frozen=True, slots=True)
class _Step:
    """The next step, taken before any network call."""

    refund_id: str
    attempt_id: str
    imp_uid: str
    fence: int
    lease_until: datetime
    request: RefundRequest | None
    """Empty if the payment is only read."""


def _take(ports: Ports, refund_id: str) -> _Step | None:
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(uow.refunds.get(refund_id).attempt_id)
        moment = ports.clock.moment()
        found = uow.refunds.get(refund_id)
        if not found.is_open:
            return None
        lease_until = found.lease_until or moment.real
        request = (
            found.request(settlement.attempt, settlement.invoice.options)
            if found.status is RefundStatus.PENDING
            else None
        )
        under_way = found.status is RefundStatus.IN_FLIGHT and lease_until > moment.real
        if request is not None:
            found.send(moment, ports.timing)
        elif under_way:
            found.next_step_at = lease_until
        else:
            found.look(moment.billing)
        uow.refunds.save(found)
        uow.commit()
    if under_way:
        return None
    lease_until = found.lease_until or moment.real
    imp_uid = settlement.attempt.imp_uid or ""
    return _Step(found.id, settlement.attempt.id, imp_uid, found.fence, lease_until, request)


def _record(ports: Ports, step: _Step, answer: RefundAnswer) -> None:
    """Act three. A worker that lost the refund meanwhile records only the gateway's answer."""
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(step.attempt_id)
        moment = ports.clock.moment()
        evidence_id = answer.evidence and uow.keep_evidence(step.attempt_id, answer.evidence, moment.real)
        if isinstance(answer, Answered):
            note_refunds(uow, settlement, answer.payment, answer.evidence, moment)
        found = uow.refunds.get(step.refund_id)
        if found.fence == step.fence and found.status is RefundStatus.IN_FLIGHT:
            found.evidence_id = evidence_id or found.evidence_id
            settled = settle_refund(found, settlement.attempt, answer, moment, ports.timing)
            _announce(uow, settlement, found, moment)
            _alert(uow, found, settled, moment)
        elif found.is_open:
            found.next_step_at = moment.real
        uow.refunds.save(found)
        uow.commit()


def _conclude(ports: Ports, step: _Step, listing: Listing, began_at: datetime) -> None:
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(step.attempt_id)
        moment = ports.clock.moment()
        window = ports.timing.settle_window_of(settlement.key.pg_provider)
        for payment, evidence in listing.payments:
            note_refunds(uow, settlement, payment, evidence, moment)
        found = uow.refunds.get(step.refund_id)
        if found.fence == step.fence and found.status is RefundStatus.UNKNOWN:
            # Otherwise it is decided, or was sent again after this read began, which then proves nothing about it.
            found.next_step_at = _next_look(ports, found, moment.real, window)
            settled = Settled()
            for payment, evidence in listing.payments:
                found.evidence_id = uow.keep_evidence(step.attempt_id, evidence, moment.real)
                finding = judge_refund(found, settlement.attempt, payment)
                settled = conclude(found, finding, moment, began_at=began_at, window=window)
                if finding.trouble is not None:
                    uow.alerts.open(AlertKind.MISMATCH, step.attempt_id, {"reason": finding.trouble}, moment)
                else:
                    uow.alerts.close(AlertKind.MISMATCH, step.attempt_id, moment)
            if not listing.payments:
                found.note = f"the payment could not be read: {listing.trouble or 'the gateway shows no such payment'}"
            _announce(uow, settlement, found, moment)
            _alert(uow, found, settled, moment)
            uow.refunds.save(found)
        if found.status is RefundStatus.FAILED:
            refund_surplus(ports, uow, settlement, moment)
        uow.commit()


def _next_look(ports: Ports, found: Refund, real_now: datetime, window: timedelta) -> datetime:
    """The wait doubles, but the second read that proves absence comes after the settle window."""
    look = ports.timing.next_look(found.looks, real_now)
    if found.absent_since is None:
        return min(look, real_now + window) if found.looks == 1 else look
    settled = found.absent_since + window
    return min(look, settled) if settled > real_now else look


def _announce(uow: UnitOfWork, settlement: Settlement, found: Refund, moment: Moment) -> None:
    if not found.is_open:
        uow.announce([refund_event(settlement, found)], moment)


def _alert(uow: UnitOfWork, found: Refund, settled: Settled, moment: Moment) -> None:
    if not found.is_open:
        uow.alerts.close(AlertKind.REFUND_STUCK, found.id, moment)
    if settled.alert is not None:
        facts: Facts = {"money": str(found.money), "attempt": found.attempt_id, "reason": settled.alert}
        uow.alerts.open(AlertKind.REFUND_FAILED, found.id, facts, moment)
    late = found.lease_until is not None and moment.real - found.lease_until > HUMAN_AFTER
    if found.status is RefundStatus.UNKNOWN and late:
        uow.alerts.open(AlertKind.REFUND_STUCK, found.id, {"case": "unseen", "reason": found.note}, moment)
    elif found.is_open and found.failures >= STUCK_AFTER:
        stuck: Facts = {"case": "tried", "times": found.sends, "reason": found.note}
        uow.alerts.open(AlertKind.REFUND_STUCK, found.id, stuck, moment)


def payment_to_refund(ports: Ports, invoice_id: str, attempt_id: str | None) -> PaymentAttempt:
    """The payment that a refund of this invoice would give back. Raises NotFound, InvalidInput or Conflict."""
    with ports.database.transaction() as uow:
        return payment_of(uow.attempts.of_invoice(uow.invoices.get(invoice_id).id), invoice_id, attempt_id)


def payment_of(attempts: Sequence[PaymentAttempt], invoice_id: str, attempt_id: str | None) -> PaymentAttempt:
    """The refundable payment of an invoice. Raises InvalidInput, or Conflict if there is none."""
    paid = [attempt for attempt in attempts if attempt.imp_uid and attempt.closed_at]
    approved = [attempt for attempt in paid if attempt.status == "approved"]
    if attempt_id is not None:
        approved = [attempt for attempt in approved if attempt.id == attempt_id]
        if not approved:
            raise InvalidInput("attempt_id", attempt_id, f"is no payment of invoice {invoice_id}")
    elif not approved:
        raise Conflict(f"invoice {invoice_id} has no payment that could be given back")
    return next((attempt for attempt in approved if not attempt.surplus), approved[0])


def _same(earlier: Refund, amount: int | None, attempt_id: str | None) -> Refund:
    wanted = earlier.balance if amount is None else amount
    if wanted != earlier.money.amount or attempt_id not in (None, earlier.attempt_id):
        problem = f"stands for refund {earlier.id} over {earlier.money} already"
        raise Conflict(f"idempotency_key {earlier.idempotency_key} {problem}", field="idempotency_key")
    return earlier
