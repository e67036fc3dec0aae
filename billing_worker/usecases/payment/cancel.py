"""Cancel a single payment that was not taken yet."""

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import Event
from billing_worker.domain.giving_up import void_if_open
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def cancel_payment(ports: Ports, invoice_id: str) -> Invoice:
    """Void a single payment. After this returns no attempt begins for it.

    Raises NotFound, or Conflict with the way out: it is for a period, was taken, is canceled already, or its outcome is
    not known.
    """
    with ports.database.transaction() as uow:
        locked = uow.lock_invoice(invoice_id)
        moment = ports.clock.moment()
        invoice = locked.invoice
        if invoice.single is None:
            problem = f"invoice {invoice_id} is for a period; cancel its subscription instead"
            raise Conflict(f"{problem}: {invoice.subscription_id}", field="payment_id")
        if invoice.status is InvoiceStatus.PAID:
            raise Conflict(f"payment {invoice_id} was taken already; request a refund", field="payment_id")
        if invoice.status is InvoiceStatus.VOID:
            raise Conflict(f"payment {invoice_id} is canceled already", field="payment_id")
        if locked.has_open_attempt:
            problem = "is being charged; wait until its outcome is known, then cancel or refund it"
            raise Conflict(f"payment {invoice_id} {problem} (see: why {invoice_id})", field="payment_id")
        events: list[Event] = []
        void_if_open(None, invoice, events, moment.billing)
        uow.invoices.save(invoice)
        uow.announce(events, moment)
        note(ports, uow, Verb.PAYMENT_CANCELED, invoice.id, at=moment.real)
        uow.commit()
    return invoice
