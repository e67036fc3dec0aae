"""Change the changeable fields of a plan or a subscription."""

from dataclasses import replace

from billing_worker.domain.action import Verb
from billing_worker.domain.catch_up import policy_of
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.labels import merged
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.change import Changes


def change_plan(
    ports: Ports,
    plan_id: str,
    *,
    catch_up: str | None = None,
    catch_up_max_age: int | None = None,
    metadata: Changes | None = None,
) -> Plan:
    """Change a plan's catch-up policy or its metadata; None changes nothing. A new price is a new plan.

    Subscriptions already on hold wait for a decision. Raises NotFound or InvalidInput.
    """
    with ports.database.transaction() as uow:
        plan = uow.plans.lock(plan_id)
        mode = plan.catch_up.mode if catch_up is None else catch_up
        age = plan.catch_up.max_age if catch_up_max_age is None else catch_up_max_age
        if age is None:
            raise InvalidInput("catch_up_max_age", age, "is needed")
        changed = replace(plan, catch_up=policy_of(mode, age), metadata=merged(plan.metadata, metadata or {}))
        uow.plans.save(changed)
        told = f"catch-up {mode}, {age} days" if changed.catch_up != plan.catch_up else "metadata"
        note(ports, uow, Verb.PLAN_CHANGED, plan.id, told, at=ports.clock.moment().real)
        uow.commit()
    return changed


def change_subscription(ports: Ports, subscription_id: str, *, metadata: Changes) -> Subscription:
    """Change the metadata. Raises NotFound or InvalidInput."""
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        changed = replace(subscription, metadata=merged(subscription.metadata, metadata))
        uow.subscriptions.save(changed)
        note(ports, uow, Verb.SUBSCRIPTION_CHANGED, subscription.id, "metadata", at=ports.clock.moment().real)
        uow.commit()
    return changed
