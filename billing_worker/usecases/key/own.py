"""One key is one customer's card: no other customer is charged on it."""

from billing_worker.domain.errors import Conflict
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.domain.text import normal_form
from billing_worker.ports.storage import UnitOfWork


def refuse_key_of_another(uow: UnitOfWork, key_id: str, customer: str, field: str = "billing_key_id") -> None:
    """Raises Conflict where a live subscription of another customer has this key, as its main card or as a fallback.

    The caller holds the lock of the key.
    """
    found = [*uow.subscriptions.of_key(key_id), *map(uow.subscriptions.get, uow.fallbacks.backed_by(key_id))]
    for each in found:
        if each.status is not SubscriptionStatus.CANCELED and normal_form(each.customer) != normal_form(customer):
            problem = f"billing key {key_id} is the card of another customer, who is charged on it by {each.id}"
            raise Conflict(f"{problem}: register a customer_uid of its own for each card", field=field)
