"""Change the changeable fields of a plan or a subscription."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.catch_up import policy_of
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.labels import merged
from billing_worker.domain.notices.switches import own_switches
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import policy_named
from billing_worker.usecases.key.change import Changes

LEAST_LEAD = timedelta(hours=24)
"""A subscription leaves the shadow no later than this before its next date."""

AT_ONCE = 500
"""Subscriptions that are read together before each is changed."""


def change_plan(
    ports: Ports,
    plan_id: str,
    *,
    catch_up: str | None = None,
    catch_up_max_age: int | None = None,
    notices: Sequence[str] | None = None,
    dunning_policy: str | None = None,
    metadata: Changes | None = None,
) -> Plan:
    """Change a plan's policies, its notices or its metadata; None changes nothing. A new price is a new plan.

    Subscriptions already on hold wait for a decision. Another dunning policy is for invoices that open later. Raises
    NotFound or InvalidInput.
    """
    with ports.database.transaction() as uow:
        plan = uow.plans.lock(plan_id)
        mode = plan.catch_up.mode if catch_up is None else catch_up
        age = plan.catch_up.max_age if catch_up_max_age is None else catch_up_max_age
        if age is None:
            raise InvalidInput("catch_up_max_age", age, "is needed")
        dunning = plan.dunning_policy
        if dunning_policy is not None:
            now = ports.clock.moment().billing
            dunning = policy_named(uow, dunning_policy, plan.calendar, now=now).name
        changed = replace(
            plan,
            catch_up=policy_of(mode, age),
            dunning_policy=dunning,
            notices=plan.notices if notices is None else own_switches(notices),
            metadata=merged(plan.metadata, metadata or {}),
        )
        uow.plans.save(changed)
        told = f"catch-up {mode}, {age} days" if changed.catch_up != plan.catch_up else "metadata"
        told = f"dunning {dunning}" if dunning != plan.dunning_policy else told
        if changed.notices != plan.notices:
            told = f"notices: {', '.join(changed.notices.words) or 'none'}" if changed.notices else "notices: default"
        note(ports, uow, Verb.PLAN_CHANGED, plan.id, told, at=ports.clock.moment().real)
        uow.commit()
    return changed


def change_subscription(
    ports: Ports,
    subscription_id: str,
    *,
    metadata: Changes | None = None,
    collection: Collection | None = None,
    dunning_policy: str | None = None,
) -> Subscription:
    """Change the metadata, the way in which coming periods are collected, or the dunning policy of invoices to come.

    None changes nothing; an empty name of a policy means that of the plan.

    An invoice that is open keeps its way: it is charged by a worker, or PortOne's schedule has an attempt for it. The
    next period is registered at PortOne, or revoked there, by the worker that serves schedules. Raises NotFound,
    InvalidInput, or Conflict for another way of a canceled subscription.
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        told = "metadata"
        if collection is not None and collection is not subscription.collection:
            if subscription.status is SubscriptionStatus.CANCELED:
                raise Conflict(f"subscription {subscription_id} is canceled", field="subscription_id")
            _refuse_close_to_a_date(ports, subscription)
            told = f"collected by {collection}, not by {subscription.collection} any more"
        dunning = subscription.dunning_policy
        if dunning_policy is not None:
            plan = uow.plans.get(subscription.plan_id)
            now = ports.clock.moment().billing
            dunning = policy_named(uow, dunning_policy, plan.calendar, now=now).name if dunning_policy else None
            told = f"dunning {dunning or 'as the plan'}"
        changed = replace(
            subscription,
            metadata=merged(subscription.metadata, metadata or {}),
            collection=collection or subscription.collection,
            dunning_policy=dunning,
        )
        uow.subscriptions.save(changed)
        note(ports, uow, Verb.SUBSCRIPTION_CHANGED, subscription.id, told, at=ports.clock.moment().real)
        uow.commit()
    return changed


def _refuse_close_to_a_date(ports: Ports, subscription: Subscription) -> None:
    """The old biller of a subscription in shadow may be about to charge. Raises Conflict within a day of a date."""
    due_in = subscription.next_period_start - ports.clock.moment().billing
    if subscription.collection is Collection.SHADOW and due_in < LEAST_LEAD:
        at = f"{subscription.next_period_start:%Y-%m-%dT%H:%MZ}"
        raise Conflict(f"the next charge is due within 24 hours ({at}); change it after that", field="collection")


def change_collections(
    ports: Ports, collection: Collection, *, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Collect every live subscription by this way from now on; returns how many changed.

    Each is changed by itself, so an interrupted run goes on where it stopped. `progress` hears the count so far.
    """
    changed = 0
    while ids := _otherwise(ports, collection):
        for subscription_id in ids:
            change_subscription(ports, subscription_id, collection=collection)
            changed += 1
        progress(changed)
    return changed


def _otherwise(ports: Ports, collection: Collection) -> Sequence[str]:
    other = Collection.WORKER if collection is Collection.PORTONE_SCHEDULE else Collection.PORTONE_SCHEDULE
    with ports.database.transaction() as uow:
        found: list[str] = []
        for status in SubscriptionStatus:
            if status is not SubscriptionStatus.CANCELED and not found:
                wanted = {"collection": other, "status": status}
                found = [each.id for each in uow.lists.part(Kind.SUBSCRIPTIONS, wanted, AT_ONCE, None).items]
    return found
