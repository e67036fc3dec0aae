"""Try an invoice once more after dunning gave it up, at the time that its policy planned."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.dunning.planner import opened
from billing_worker.domain.events import EventType, of_invoice
from billing_worker.domain.giving_up import facts_of
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.subscription import COLLECTING
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.environment import scanning

UNCONFIRMED_WAIT = timedelta(days=1)
"""How long the try waits for a key that is not confirmed yet."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim invoices that were given up, and are to be tried once more now."""
    with scanning(ports) as (uow, _):
        if ports.shadow:
            return []
        now = ports.clock.moment().billing
        ids = uow.invoices.claim_win_backs(now, now + timedelta(seconds=ports.timing.lease), limit)
        uow.commit()
    return ids


def win_back(ports: Ports, invoice_id: str) -> None:
    """Open the invoice for one more charge; the next scan makes it. A second call changes nothing.

    A key that does not work any more ends the matter: another one makes a try of its own.
    """
    with ports.database.transaction() as uow:
        (found,) = uow.lock_due([invoice_id])
        moment, invoice, key = ports.clock.moment(), found.invoice, found.key
        if invoice.status is not InvoiceStatus.UNCOLLECTIBLE or invoice.win_back_at is None:
            return
        opens = opened(
            found.policy.hours,
            moment.billing,
            facts_of(found.subscription, invoice, key, ports.pg_limits),
        )
        is_over = found.subscription is not None and found.subscription.status not in COLLECTING
        if is_over or key.status in (KeyStatus.INVALID, KeyStatus.DELETED):
            invoice.win_back_at = None
        elif key.status is KeyStatus.PENDING:
            invoice.win_back_at = moment.billing + UNCONFIRMED_WAIT
        elif opens > moment.billing:
            invoice.win_back_at = opens
        else:
            invoice.try_to_win_back(moment.billing)
            uow.announce([of_invoice(EventType.INVOICE_REOPENED, found.subscription, invoice)], moment)
        uow.invoices.save(invoice)
        uow.commit()
