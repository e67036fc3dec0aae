"""Enroll many customers at once: their keys and subscriptions in one transaction of the caller's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note_all
from billing_worker.usecases.key.register import new_key
from billing_worker.usecases.subscription.subscribe import created, new_subscription


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A customer with a card on a plan, not stored yet."""

    plan: Plan
    key: BillingKey
    subscription: Subscription
    has_new_key: bool


def prepare(
    ports: Ports,
    now: datetime,
    plan: Plan,
    known_key: BillingKey | None,
    *,
    of_key: Mapping[str, Any],
    of_subscription: Mapping[str, Any],
) -> Enrolment:
    """Check the values as `register_key` and `subscribe` do; nothing is stored. Raises InvalidInput or Conflict."""
    key = known_key or new_key(ports, now, **of_key)
    subscription = new_subscription(ports, now, plan, key, **of_subscription)
    return Enrolment(plan, key, subscription, has_new_key=known_key is None)


def store(ports: Ports, uow: UnitOfWork, now: datetime, enrolments: Sequence[Enrolment]) -> None:
    """Write them down with their events; the caller commits. Raises Conflict for a customer_uid that came meanwhile."""
    done: list[tuple[Verb, str]] = []
    for each in enrolments:
        if each.has_new_key:
            uow.keys.add(each.key)
            done.append((Verb.KEY_REGISTERED, each.key.id))
        uow.subscriptions.add(each.subscription)
        done.append((Verb.SUBSCRIPTION_CREATED, each.subscription.id))
    note_all(ports, uow, done)
    uow.announce([created(each.subscription, each.plan) for each in enrolments], now, ports.clock.real_now())
