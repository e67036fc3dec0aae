"""Late periods: follow the plan's policy, or ask an operator and follow the answer."""

from collections.abc import Mapping

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.catch_up import LATE_AFTER, decision_of
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import EventType, of_subscription
from billing_worker.domain.moment import Moment
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Chosen
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note


def may_bill_late_period(uow: UnitOfWork, subscription: Subscription, plan: Plan, moment: Moment) -> bool:
    """Waive late periods, or put the subscription on hold; returns whether to bill its next period.

    Within the caller's transaction, under the subscription's lock: a period is waived with an event, or billed.
    """
    backlog = subscription.backlog(plan.catch_up, plan.calendar, moment.billing)
    if backlog.ask:
        subscription.held_since = moment.billing
        _ask(uow, plan, moment)
        return False
    if backlog.waive:
        first, last = subscription.leave_out(plan.calendar, backlog.waive)
        kind, span = EventType.SUBSCRIPTION_PERIODS_SKIPPED, {"first": first.isoformat(), "last": last.isoformat()}
        skipped = of_subscription(kind, subscription, count=backlog.waive, **span)
        uow.announce([skipped], moment)
    return backlog.bill > 0


def decide_late(ports: Ports, mode: str, chosen: Chosen) -> Mapping[str, int]:
    """Note an operator's decision on all begun periods of the chosen late subscriptions.

    Workers follow the decision at the pace of late work. Returns the number of subscriptions by plan. The last decision
    counts for periods that the workers have not reached yet.

    Raises InvalidInput for `ask`, NotFound, or Conflict if the named subscription is not late.
    """
    decided = decision_of(mode)
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        if chosen.plan_id is not None:
            uow.plans.get(chosen.plan_id)
        if chosen.subscription_id is not None:
            uow.subscriptions.get(chosen.subscription_id)
        concerned = uow.catch_up.decide(decided, moment.billing - LATE_AFTER, moment.billing, chosen)
        if chosen.subscription_id is not None and not concerned:
            raise Conflict(f"subscription {chosen.subscription_id} has no late period", field="subscription")
        if chosen.subscription_id is not None:
            note(ports, uow, Verb.LATE_PERIODS_DECIDED, chosen.subscription_id, f"mode {mode}", at=moment.real)
        else:
            for plan_id, count in concerned.items():
                note(
                    ports,
                    uow,
                    Verb.LATE_PERIODS_DECIDED,
                    plan_id,
                    f"mode {mode}, {count} subscriptions",
                    at=moment.real,
                )
        uow.commit()
    for plan_id in sorted(concerned):
        _close_answered(ports, plan_id)
    return concerned


def look_after_alerts(ports: Ports) -> None:
    """Keep a plan's alert open while one of its subscriptions waits, and close it afterwards.

    A waiting subscription may have been canceled, or become unpaid. Or an operator closed the alert without a decision:
    the subscriptions on hold would be forgotten.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        for plan_id in sorted(uow.catch_up.unasked()):
            _ask(uow, uow.plans.get(plan_id), moment)
        answered = uow.catch_up.answered()
        uow.commit()
    for plan_id in sorted(answered):
        _close_answered(ports, plan_id)


def _ask(uow: UnitOfWork, plan: Plan, moment: Moment) -> None:
    uow.alerts.open(AlertKind.CATCH_UP, plan.id, {"plan_name": plan.name}, moment)


def _close_answered(ports: Ports, plan_id: str) -> None:
    """Close the plan's alert when none of its subscriptions waits any more."""
    with ports.database.transaction() as uow:
        if uow.catch_up.held(plan_id):
            return
        uow.alerts.close(AlertKind.CATCH_UP, plan_id, ports.clock.moment())
        # From here on we hold the alert's row: a subscription put on hold meanwhile is visible now, or opens a new
        # alert.
        if uow.catch_up.held(plan_id):
            return
        uow.commit()
