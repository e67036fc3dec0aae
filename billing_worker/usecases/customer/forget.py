"""Forget a customer (개인정보 파기): what was entered about a customer goes, the money stays."""

from collections.abc import Sequence

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import Conflict, NotFound
from billing_worker.domain.text import storable
from billing_worker.ports.bundle import Ports
from billing_worker.ports.forgetting import Blanked, Held, StillOpen
from billing_worker.usecases.access.actions import note

MOST_NAMED = 5


def forget_customer(ports: Ports, customer: str, *, only_count: bool = False) -> tuple[Held, Blanked]:
    """Empty the name, the e-mail, the telephone number, the card and every text of this customer, in one transaction.

    Amounts, ids, order numbers and times stay, and so does the customer's id itself, which the merchant chose. To ask
    again is harmless. With `only_count` nothing changes, and the counts are what would be emptied.

    Raises NotFound for an unknown customer. Raises Conflict while money may still move: while a subscription, an
    invoice, a refund, a schedule, a call, an alert, a stop or a billing key is open.
    """
    if not storable(customer):
        raise NotFound("customer", customer)
    with ports.database.transaction() as uow:
        held = uow.forgetting.held(customer)
        if held.is_empty:
            raise NotFound("customer", customer)
        still_open = uow.forgetting.still_open(held)
        if still_open:
            problem = f"customer {customer} is not forgotten while money may still move: {_named(still_open)}"
            raise Conflict(problem, field="customer")
        blanked = uow.forgetting.blank(held)
        if not only_count:
            note(ports, uow, Verb.CUSTOMER_FORGOTTEN, customer, at=ports.clock.moment().real)
            uow.commit()
    return held, blanked


def _named(still_open: Sequence[StillOpen]) -> str:
    named = ", ".join(f"{each.kind} {each.id} is {each.status}" for each in still_open[:MOST_NAMED])
    more = len(still_open) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
