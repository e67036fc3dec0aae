"""What the known result of a call does to its key, within the caller's transaction."""

from datetime import timedelta

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.events import Event, EventType, of_key
from billing_worker.domain.giving_up import close_unpaid
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.key_call import CallStatus, KeyCall
from billing_worker.domain.moment import Moment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def lock_for_result(uow: UnitOfWork, key_id: str) -> BillingKey:
    """Lock a key, after the single payments that wait for it: all transactions lock in this order. Raises NotFound."""
    for payment in uow.invoices.singles_of_key(key_id):
        uow.lock_invoice(payment.id)
    return uow.keys.lock(key_id)


def conclude_issue(  # noqa: PLR0917 - one result, with all that it changes
    uow: UnitOfWork, key: BillingKey, call: KeyCall, status: CallStatus, moment: Moment, reason: str | None = None
) -> None:
    """End an issue. The key is active, or invalid for the reason, and no payment waits for it any more.

    Both are locked by `lock_for_result`; the caller saves the call. An issue that replaces another key goes on: its
    next step moves the subscriptions.
    """
    uow.alerts.close(AlertKind.KEY_PENDING, key.id, moment)
    if status is CallStatus.DONE:
        if key.activate(moment.billing):
            uow.keys.save(key)
            uow.announce([of_key(EventType.BILLING_KEY_ACTIVATED, key)], moment)
        if call.replaces is None:
            call.end(status, moment.real)
        else:
            call.lease_until = call.next_step_at = moment.real
        return
    call.end(status, moment.real, reason)
    if key.invalidate(reason or "the gateway did not store the card"):
        uow.keys.save(key)
        uow.announce([of_key(EventType.BILLING_KEY_INVALID, key, reason=key.invalid_reason)], moment)
    _give_up_payments(uow, key, moment)


def _give_up_payments(uow: UnitOfWork, key: BillingKey, moment: Moment) -> None:
    """End the single payments on a key that the gateway never stored: no later event makes it chargeable.

    They are locked once more, since one may have been created right before the key was locked.
    """
    events: list[Event] = []
    for payment in uow.invoices.singles_of_key(key.id):
        invoice = uow.lock_invoice(payment.id).invoice
        if invoice.status is InvoiceStatus.OPEN:
            invoice.last_reason = f"its card was not kept as a key: {key.invalid_reason}"
            close_unpaid(None, invoice, events, moment.billing)
            uow.invoices.save(invoice)
    uow.announce(events, moment)


def conclude_deletion(uow: UnitOfWork, key: BillingKey, call: KeyCall, moment: Moment) -> None:
    """End a deletion: the gateway has the key no more. Both are locked; the caller saves the call."""
    uow.alerts.close(AlertKind.KEY_PENDING, key.id, moment)
    if key.status is not KeyStatus.DELETED:
        key.move_to(KeyStatus.DELETED)
        key.next_look_at = None
        uow.keys.save(key)
    call.end(CallStatus.DONE, moment.real)


def wait_for_result(ports: Ports, uow: UnitOfWork, call: KeyCall, case: str, moment: Moment) -> None:
    """Look again later. After `key_pending_alert` an operator is alerted."""
    call.lease_until = moment.real
    call.look_again(ports.timing.next_look(call.looks, moment.real))
    if moment.billing - call.created_at >= timedelta(seconds=ports.timing.key_pending_alert):
        facts = {"case": case, "since": f"{call.created_at:%Y-%m-%d %H:%M} UTC"}
        uow.alerts.open(AlertKind.KEY_PENDING, call.key_id, facts, moment)
