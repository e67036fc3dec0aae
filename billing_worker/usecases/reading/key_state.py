"""The state of a billing key, in words of `why`."""

from collections.abc import Callable
from datetime import datetime

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.reading.refund_state import State
from billing_worker.usecases.reading.waits import last_month, missing_of, ways_to_confirm


def state_of_key(uow: UnitOfWork, key: BillingKey, day: Callable[[datetime | None], str]) -> State:
    """Whether a key may be charged, and what follows; `day` writes a time."""
    match key.status:
        case KeyStatus.PENDING:
            answer = f"It may not be charged yet: {missing_of(uow, key)}."
            then = "It is active as soon as PortOne shows that; due invoices wait and follow at once."
            return State(answer, then, ways_to_confirm(key))
        case KeyStatus.ACTIVE:
            answer = f"It may be charged since {day(key.activated_at)}.{last_month(key)}"
            return State(answer, "It is charged when an invoice is due.")
        case _:
            because = f": {key.invalid_reason}" if key.invalid_reason is not None else ""
            answer = f"It is {key.status} and is not charged{because}."
            return State(answer, "The customer needs another card.", (WayOut(Action.SET_SUBSCRIPTION_KEY),))
