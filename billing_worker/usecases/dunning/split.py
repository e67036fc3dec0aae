"""Give two policies to the subscriptions of a plan, half and half, to compare them."""

from hashlib import sha256

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import policy_named

AT_ONCE = 200


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
    counts, cursor = [0, 0], None
    while True:
        with ports.database.transaction() as uow:
            plan = uow.plans.get(plan_id)
            names = [policy_named(uow, name, plan.calendar).name for name in (one, other)]
            part = uow.lists.part(Kind.SUBSCRIPTIONS, {"plan_id": plan_id}, AT_ONCE, cursor)
            for found in part.items:
                subscription = uow.subscriptions.lock(found.id)
                if subscription.status is SubscriptionStatus.CANCELED:
                    continue
                half = 0 if is_first_half(plan_id, subscription.id) else 1
                counts[half] += 1
                if subscription.dunning_policy != names[half]:
                    subscription.dunning_policy = names[half]
                    uow.subscriptions.save(subscription)
            if cursor is None:
                note(
                    ports,
                    uow,
                    Verb.PLAN_CHANGED,
                    plan_id,
                    f"dunning split: {one}, {other}",
                    at=ports.clock.moment().real,
                )
            uow.commit()
        cursor = part.next
        if cursor is None:
            return counts[0], counts[1]
