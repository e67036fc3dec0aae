"""Change what may be changed of a plan, a key or a subscription that is there."""

from collections.abc import Mapping
from dataclasses import replace

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.catch_up import policy_of
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.labels import merged
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.actions import note
from billing_worker.usecases.confirm import confirm
from billing_worker.usecases.issuing import given_up, with_email

Changes = Mapping[str, str | None]
"""Pairs of text to set; None takes a pair out."""


def change_plan(
    ports: Ports,
    plan_id: str,
    *,
    catch_up: str | None = None,
    catch_up_max_age: int | None = None,
    metadata: Changes | None = None,
) -> Plan:
    """Change what a plan does with late periods, or its metadata; what is None stays. A new price is a new plan.

    What is on hold already waits for a decision. Raises NotFound or InvalidInput.
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
        note(ports, uow, Verb.PLAN_CHANGED, plan.id, told)
        uow.commit()
    return changed


def change_key(
    ports: Ports, key_id: str, *, buyer_email: str | None = None, metadata: Changes | None = None
) -> BillingKey:
    """Change the e-mail that is sent with every charge, or the metadata; what is None stays.

    Raises NotFound, or InvalidInput: also for an e-mail that is not that of a known issuing payment.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        changed = replace(key, metadata=merged(key.metadata, metadata or {}))
        if buyer_email is not None:
            changed = with_email(ports, uow, changed, buyer_email)
        uow.keys.save(changed)
        note(ports, uow, Verb.KEY_CHANGED, key.id, "e-mail" if buyer_email is not None else "metadata")
        uow.commit()
    return changed


def set_email(ports: Ports, key_id: str, email: str) -> BillingKey:
    """Change the e-mail of a key, and read a key that was given up, which no scan reads any more, at once.

    Raises as `change_key` does.
    """
    changed = change_key(ports, key_id, buyer_email=email)
    if not given_up(changed) or not confirm(ports, key_id):
        return changed
    with ports.database.transaction() as uow:
        return uow.keys.get(key_id)


def change_subscription(ports: Ports, subscription_id: str, *, metadata: Changes) -> Subscription:
    """Change the metadata. Raises NotFound or InvalidInput."""
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        changed = replace(subscription, metadata=merged(subscription.metadata, metadata))
        uow.subscriptions.save(changed)
        note(ports, uow, Verb.SUBSCRIPTION_CHANGED, subscription.id, "metadata")
        uow.commit()
    return changed
