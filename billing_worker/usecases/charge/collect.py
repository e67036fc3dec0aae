"""Charge one open invoice, in three short acts: commit the intent, make one call, commit the result.

No transaction and no row lock is held during the call. A crash leaves an open attempt behind, which the resolver
(`reconcile`) finds. No act is done twice for one attempt.
"""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.billing_key import IssuingPayment, KeyStatus
from billing_worker.domain.invoice import PaymentAttempt
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.settlement import meet_dead_key
from billing_worker.domain.stop import StopCause
from billing_worker.domain.subscription import COLLECTING
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.charge.issuing_payment import settle_by_issuing_payment
from billing_worker.usecases.control.budget import beyond_budget
from billing_worker.usecases.control.environment import require_claimed_environment
from billing_worker.usecases.control.pace import claim_invoices
from billing_worker.usecases.control.stop_charging import stop_charging
from billing_worker.usecases.settle.record import record_answer, retry_write


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim invoices that may be charged now, until `limit` of them are claimed but not started."""
    require_claimed_environment(ports)
    with ports.database.transaction() as uow:
        ids = claim_invoices(ports, uow, ports.clock.moment(), limit)
        uow.commit()
    return ids


def collect(ports: Ports, invoice_id: str) -> Outcome | None:
    """Charge the invoice once, if it is still due; returns the outcome, or None when it is not due."""
    intent = _intend(ports, invoice_id)
    if isinstance(intent, IssuingPayment) and settle_by_issuing_payment(ports, invoice_id, intent):
        intent = _intend(ports, invoice_id)
    if intent is None or isinstance(intent, IssuingPayment):
        return None
    attempt, request = intent
    if ports.clock.moment().real + timedelta(seconds=ports.timing.http_deadline) > attempt.lease_until:
        # This process stalled: its call could end after its lease, so the resolver takes the attempt.
        return None
    outcome = ports.gateway.charge(request)
    retry_write(lambda: record_answer(ports, attempt.id, attempt.fence, outcome))
    return outcome


def _intend(ports: Ports, invoice_id: str) -> tuple[PaymentAttempt, ChargeRequest] | IssuingPayment | None:
    """Act one: check that the invoice is still due, and write the attempt down before the first byte leaves.

    Returns the payment that issued the key, if it may have paid this period already.
    """
    with ports.database.transaction() as uow:
        due_now = uow.lock_due(invoice_id)
        # Read under the lock: an attempt that began before a cancellation must not get a later time.
        moment = ports.clock.moment()
        subscription, invoice, key = due_now.subscription, due_now.invoice, due_now.key
        if not invoice.is_due(moment.billing) or subscription.status not in COLLECTING or due_now.has_open_attempt:
            return None
        if key.status is KeyStatus.PENDING or due_now.stop is not None or due_now.elsewhere:
            return None
        if key.status is not KeyStatus.ACTIVE:
            events = meet_dead_key(subscription, invoice, key, due_now.plan.dunning, moment.billing)
            uow.invoices.save(invoice)
            uow.subscriptions.save(subscription)
            uow.announce(events, moment)
            uow.commit()
            return None
        issue = key.undecided_issue(subscription.id)
        if issue is not None or not key.email_agrees:
            # Only the e-mail of the issuing payment may leave, even if the key has another one now.
            return issue
        beyond = beyond_budget(uow, ports.budgets, due_now, moment.billing)
        if beyond is None:
            attempt = invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
            uow.attempts.add(attempt)
            uow.invoices.save(invoice)
            uow.commit()
    if beyond is not None:
        stop_charging(ports, beyond.scope, StopCause.BUDGET, beyond.reason, [invoice_id])
        return None
    return attempt, attempt.request(key, due_now.plan.name)


def waiting(ports: Ports, key_id: str, limit: int) -> Sequence[str]:
    """Claim the due invoices that waited for this key, oldest first.

    The claim has the limits of every scan: the same bound of started work, and the same pace for late work. So a burst
    of confirmations cannot stampede. The scans find the rest, and the work of lost rings.
    """
    require_claimed_environment(ports)
    with ports.database.transaction() as uow:
        ids = claim_invoices(ports, uow, ports.clock.moment(), limit, key_id)
        uow.commit()
    return ids
