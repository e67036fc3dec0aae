"""Keep a card as a key now, and charge the first payment on that key at a later time: one request, two intents.

Both are stored together, and then the card is sent once. A payment on a pending key waits, so it is charged only after
the key is known to be stored; where the key is known not to be, it is given up in the same transaction (`result`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.entry.issue import Issuing, NewCard, add_issue
from billing_worker.usecases.payment.create import NewPayment, add_payment, refuse_known_order


@dataclass(frozen=True, slots=True)
class LaterPayment:
    """A payment whose key is about to be issued. It holds the card, until that call has ended."""

    invoice_id: str
    issuing: Issuing


def request_later_payment(
    ports: Ports, card: NewCard, order_id: str | None, payment: Callable[[BillingKey], NewPayment]
) -> LaterPayment:
    """Act one: store the pending key, the intent to issue it, and the payment on it. Nothing of the card is stored.

    Raises as `request_issue` and `create_payment`; InvalidInput also for a time that is not later than now. A repeat of
    the whole request is known by its order number, before its customer_uid and its time.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        try:
            issuing = add_issue(ports, uow, card, moment)
        except Conflict:
            refuse_known_order(uow, order_id)
            raise
        asked = payment(issuing.key)
        made = add_payment(ports, uow, issuing.key, asked, moment, f"on {issuing.key.id}, which is issued by card data")
        if made.of_single.at <= moment.billing:
            problem = f"must be later than now ({moment.billing:%Y-%m-%dT%H:%M:%SZ}); leave it out to charge now"
            raise InvalidInput("at", asked.at.isoformat() if asked.at else None, problem)
        uow.commit()
    return LaterPayment(made.id, issuing)
