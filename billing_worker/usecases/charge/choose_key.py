"""Before a charge: another key that the customer agreed to, where the key of the invoice is dead or past its month."""

from collections.abc import Sequence
from dataclasses import replace

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.card_expiry import is_past
from billing_worker.domain.fallback import Cards
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.moment import Moment
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.settle.cards import cards_of

DEAD = frozenset({KeyStatus.INVALID, KeyStatus.DELETED})


def choose_keys(uow: UnitOfWork, dues: Sequence[DueInvoice], moment: Moment) -> Sequence[DueInvoice]:
    """The same invoices, each on the key that is charged now. Reads nothing more where all keys are good."""
    doubtful = {
        due.invoice.id: due.subscription for due in dues if due.subscription is not None and _is_doubtful(due, moment)
    }
    cards = cards_of(uow, doubtful.values()) if doubtful else {}
    return [
        _on_best(uow, due, cards[due.subscription.id], moment)
        if due.invoice.id in doubtful and due.subscription is not None and due.subscription.id in cards
        else due
        for due in dues
    ]


def _is_doubtful(due: DueInvoice, moment: Moment) -> bool:
    """Whether another key may be charged: no attempt is open, and PortOne charges none by its schedule."""
    if due.has_open_attempt or due.at_portone is not None or not due.invoice.is_due(moment.billing):
        return False
    return due.key.status in DEAD or is_past(due.key.card_expires, moment.billing)


def _on_best(uow: UnitOfWork, due: DueInvoice, cards: Cards, moment: Moment) -> DueInvoice:
    invoice, attempts = due.invoice, uow.attempts.of_invoice(due.invoice.id)
    declined = {each.billing_key_id for each in attempts if each.status is AttemptStatus.DECLINED}
    best = cards.first_choice(due.key, declined, moment.billing)
    if best.id == due.key.id:
        return due
    invoice.billing_key_id = best.id
    invoice.awaits_key = invoice.awaits_key and best.status in DEAD
    held = uow.stops.holding(invoice.owner_id, best.pg_provider)
    return replace(due, key=best, stop=held[0].id if held else None)
