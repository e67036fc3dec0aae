"""Give two policies to the subscriptions of a plan, half and half, to compare them."""

from collections.abc import Iterator
from hashlib import sha256

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import policy_named

AT_ONCE = 500
"""Subscriptions that one part of the list has."""


def is_first_half(plan_id: str, subscription_id: str) -> bool:
    """Whether a subscription gets the first policy. The same subscription always has the same half."""
    return sha256(f"{plan_id} {subscription_id}".encode()).digest()[0] % 2 == 0


def split(ports: Ports, plan_id: str, one: str, other: str) -> tuple[int, int]:
    """Give each live subscription of a plan one of two policies; returns how many have each.

    Invoices that open later take it. A second run also takes the subscriptions that came since, and moves none. Raises
    NotFound, or InvalidInput for a policy.
    """
    if one == other:
        raise InvalidInput("other", other, "is the same policy; name two")
    with ports.database.transaction() as uow:
        plan = uow.plans.get(plan_id)
        moment = ports.clock.moment()
        names = [policy_named(uow, name, plan.calendar, now=moment.billing).name for name in (one, other)]
        note(ports, uow, Verb.PLAN_CHANGED, plan_id, f"dunning split: {one}, {other}", at=moment.real)
        uow.commit()
    counts = [0, 0]
    for found in _live(ports, plan_id):
        half = 0 if is_first_half(plan_id, found.id) else 1
        counts[half] += 1
        if found.dunning_policy != names[half]:
            _give(ports, found.id, names[half])
    return counts[0], counts[1]


def _live(ports: Ports, plan_id: str) -> Iterator[Subscription]:
    cursor = None
    while True:
        with ports.database.transaction() as uow:
            part = uow.lists.part(Kind.SUBSCRIPTIONS, {"plan_id": plan_id}, AT_ONCE, cursor)
        yield from (each for each in part.items if each.status is not SubscriptionStatus.CANCELED)
        cursor = part.next
        if cursor is None:
            return


def _give(ports: Ports, subscription_id: str, name: str) -> None:
    """One transaction each: a worker that locks many subscriptions waits for one of ours at most."""
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        subscription.dunning_policy = name
        uow.subscriptions.save(subscription)
        uow.commit()
