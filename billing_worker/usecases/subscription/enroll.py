"""Enroll many customers at once: their keys and subscriptions, in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.moment import Moment
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note_all
from billing_worker.usecases.key.register import NewKey, new_key
from billing_worker.usecases.subscription.subscribe import NewSubscription, created, new_subscription


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A customer with a card on a plan, not stored yet."""

    plan: Plan
    key: BillingKey
    subscription: Subscription
    has_new_key: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The customers to enroll, by the names that may already be stored."""

    customer_uid: str = field(repr=False)
    customer: str
    plan_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored data of some customers; the keys are locked until the transaction ends."""

    keys: Mapping[str, BillingKey]
    by_key: Mapping[str, Sequence[Subscription]]
    by_customer: Mapping[tuple[str, str], Sequence[Subscription]]


def prepare(
    ports: Ports,
    moment: Moment,
    plan: Plan,
    known_key: BillingKey | None,
    *,
    of_key: Mapping[str, Any],
    of_subscription: Mapping[str, Any],
) -> Enrolment:
    """Check the values as `register_key` and `subscribe` do, without storing them. Raises InvalidInput or Conflict."""
    key = known_key or new_key(ports, moment, NewKey(**of_key))
    wanted = NewSubscription(plan.id, key.id, **of_subscription)
    subscription = new_subscription(ports, moment.billing, plan, key, wanted)
    return Enrolment(plan, key, subscription, has_new_key=known_key is None)


def plans(ports: Ports) -> Mapping[str, Plan]:
    """Every plan, by its id."""
    with ports.database.transaction() as uow:
        return {plan.id: plan for plan in uow.plans.all()}


def enroll(
    ports: Ports,
    wanted: Sequence[Wanted],
    judge: Callable[[Stored, Moment], Sequence[Enrolment]],
    *,
    dry_run: bool = False,
) -> None:
    """Let the caller judge the enrolments by the stored data, and store the accepted ones: all of them, or none.

    A dry run judges the same way without storing. Raises the errors of `judge` and of `store`.
    """
    with ports.database.transaction() as uow:
        stored = _stored(uow, wanted)
        moment = ports.clock.moment()
        accepted = judge(stored, moment)
        if accepted and not dry_run:
            store(ports, uow, moment, accepted)
            uow.commit()


def _stored(uow: UnitOfWork, wanted: Sequence[Wanted]) -> Stored:
    """Read the stored data.

    If the same file is imported twice at once, the second run waits here, and then sees the first.
    """
    uow.subscriptions.lock_pairs([(each.customer, each.plan_id) for each in wanted])
    keys = uow.keys.lock_customer_uids(sorted({each.customer_uid for each in wanted}))
    customers = {form for each in wanted for form in spellings(each.customer)}
    found = uow.subscriptions.of_keys_or_customers([key.id for key in keys], sorted(customers))
    by_key, by_customer = defaultdict(list), defaultdict(list)
    for each in found:
        by_key[each.billing_key_id].append(each)
        by_customer[normal_form(each.customer), each.plan_id].append(each)
    return Stored({key.customer_uid: key for key in keys}, by_key, by_customer)


def store(ports: Ports, uow: UnitOfWork, moment: Moment, enrolments: Sequence[Enrolment]) -> None:
    """Store them with their events; the caller commits. Raises Conflict for a customer_uid stored meanwhile."""
    done: list[tuple[Verb, str]] = []
    for each in enrolments:
        if each.has_new_key:
            uow.keys.add(each.key)
            done.append((Verb.KEY_REGISTERED, each.key.id))
        uow.subscriptions.add(each.subscription)
        done.append((Verb.SUBSCRIPTION_CREATED, each.subscription.id))
    note_all(ports, uow, done, at=moment.real)
    uow.announce([created(each.subscription, each.plan) for each in enrolments], moment)
