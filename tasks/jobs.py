"""The tasks. Each job has a scan (`…_due`), which claims ids and hands them out, and a unit, which serves one id.

No rule of billing is here: a task finds its use case, and the use case asks the database what is still to do.
"""

from collections.abc import Callable, Iterable
from typing import Any

from billing_worker.ports.bundle import Ports
from billing_worker.usecases import audit as auditing
from billing_worker.usecases import collect as collecting
from billing_worker.usecases import compare as comparing
from billing_worker.usecases import confirm as confirming
from billing_worker.usecases import inbox, outbox
from billing_worker.usecases import reconcile as reconciling
from billing_worker.usecases import refund as refunding
from billing_worker.usecases import renew as renewing
from billing_worker.usecases import tidy as tidying
from billing_worker.usecases import unlock as unlocking
from tasks import app
from tasks.process import process


def hand_out(due: Callable[[Ports, int], Iterable[object]], unit: Any) -> None:
    """Claim what is due and enqueue one message an id. What is lost on the way is claimed again after a while."""
    for ident in due(process.ports, process.settings.scan_limit):
        # Not much longer than the claim: what is offered again must not pile up behind a slow queue.
        unit.apply_async((str(ident),), expires=2 * process.settings.claim)


@app.task(name="billing.renew_due")
def renew_due() -> None:
    """Hand out subscriptions whose next period has begun."""
    hand_out(renewing.due, renew)


@app.task(name="billing.renew")
def renew(subscription_id: str) -> None:
    """Open the invoice of one period, and charge it in the same breath: it is due now."""
    invoice_id = renewing.renew(process.ports, subscription_id)
    if invoice_id is not None:
        collecting.collect(process.ports, invoice_id)


@app.task(name="billing.collect_due")
def collect_due() -> None:
    """Hand out invoices that may be charged now."""
    hand_out(collecting.due, collect)


@app.task(name="billing.collect")
def collect(invoice_id: str) -> None:
    """Charge one invoice."""
    collecting.collect(process.ports, invoice_id)


@app.task(name="billing.reconcile_due")
def reconcile_due() -> None:
    """Hand out attempts whose outcome is not known."""
    hand_out(reconciling.due, reconcile)


@app.task(name="billing.reconcile")
def reconcile(attempt_id: str) -> None:
    """Read the gateway about one attempt."""
    reconciling.reconcile(process.ports, attempt_id)


@app.task(name="billing.refund_due")
def refund_due() -> None:
    """Hand out refunds that are to be sent or looked up."""
    hand_out(refunding.due, refund)


@app.task(name="billing.refund")
def refund(refund_id: str) -> None:
    """Send one refund, or read what became of it."""
    refunding.refund(process.ports, refund_id)


@app.task(name="billing.compare_due")
def compare_due() -> None:
    """Hand out spans of time over which both books are to be compared."""
    hand_out(comparing.due, compare)


@app.task(name="billing.compare")
def compare(comparison_id: str) -> None:
    """Compare both books over one span."""
    comparing.compare(process.ports, int(comparison_id))


@app.task(name="billing.apply_due")
def apply_due() -> None:
    """Hand out notifications that are not applied yet."""
    hand_out(inbox.due, apply)


@app.task(name="billing.apply")
def apply(message_id: str) -> None:
    """Apply one notification; what it unlocks is told to all who listen."""
    applied = inbox.apply(process.ports, int(message_id))
    for key_id in applied.unlocked:
        unlocked.delay(key_id)
    for key_id in applied.to_confirm:
        confirm.delay(key_id)


@app.task(name="billing.confirm_due")
def confirm_due() -> None:
    """Hand out keys that wait for their confirmation."""
    hand_out(confirming.due, confirm)


@app.task(name="billing.confirm")
def confirm(key_id: str) -> None:
    """Ask the gateway about one pending key."""
    if confirming.confirm(process.ports, key_id):
        unlocked.delay(key_id)


@app.task(name="billing.unlocked", bind=True)
def unlocked(self: Any, key_id: str) -> None:
    """A key may be charged from now on: say so as a Celery event, and charge what waited for it."""
    self.send_event("billing-key-activated", billing_key_id=key_id)
    for invoice_id in unlocking.waiting(process.ports, key_id, process.settings.scan_limit):
        collect.delay(invoice_id)


@app.task(name="billing.deliver_due")
def deliver_due() -> None:
    """Hand out events for the merchant."""
    hand_out(outbox.due, deliver)


@app.task(name="billing.deliver")
def deliver(message_id: str) -> None:
    """Send one event to the merchant."""
    outbox.deliver(process.ports, message_id)


@app.task(name="billing.tidy_due")
def tidy_due() -> None:
    """Hand out the inbox, if it is time to look after it."""
    hand_out(tidying.due, tidy)


@app.task(name="billing.tidy")
def tidy(inbox_id: str) -> None:
    """Tell of what is stuck in the inbox, and delete what is old."""
    tidying.tidy(process.ports, inbox_id)


@app.task(name="billing.audit_due")
def audit_due() -> None:
    """Hand out an audit, if it is time for one."""
    hand_out(auditing.due, audit)


@app.task(name="billing.audit")
def audit(audit_id: str) -> None:
    """Check the promises on what changed since the last audit."""
    auditing.audit_recent(process.ports, int(audit_id))
