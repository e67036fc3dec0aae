"""Write the notices that no event causes: a charge that comes in some days, and a card that expires before it.

Each plan has a mark for each kind: how far its coming charges were looked at. So a scan reads only what came into
sight since the last one, however many customers a plan has.
"""

from datetime import timedelta

from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import FORESEEN, NoticeKind
from billing_worker.domain.notices.truth import expires_before
from billing_worker.domain.notices.written import Cause
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.notices import Noticing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.notice.matter import charged_next, expiry_of, switches_of_plan

AT_ONCE = 500
"""Subscriptions of a plan that one scan looks at."""

EVERY = timedelta(minutes=1)
"""The mark of a plan moves this far at least: a notice days before a charge needs no better precision."""


def foresee(ports: Ports, noticing: Noticing) -> None:
    """Write what has come into sight, for every plan."""
    if ports.shadow:
        return
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        for plan in sorted(uow.plans.all(), key=lambda each: each.id):
            for kind in FORESEEN:
                lead = switches_of_plan(plan, noticing).lead(kind)
                if lead is not None:
                    _look(uow, plan, kind, timedelta(days=lead), moment)
        uow.commit()


def _look(uow: UnitOfWork, plan: Plan, kind: NoticeKind, lead: timedelta, moment: Moment) -> None:
    until = moment.billing + lead
    mark = uow.notices.lock_mark(plan.id, kind, moment.billing)
    if until - mark.until < EVERY:
        return
    found = uow.notices.next_charges(plan.id, mark, until, AT_ONCE)
    uow.write_notices([_cause(kind, each) for each in found if _is_news(uow, kind, each)], moment)
    if len(found) == AT_ONCE:
        mark.until, mark.last_id = found[-1].next_period_start, found[-1].id
    else:
        mark.until, mark.last_id = until, ""
    uow.notices.save_mark(mark)


def _is_news(uow: UnitOfWork, kind: NoticeKind, subscription: Subscription) -> bool:
    if kind is NoticeKind.UPCOMING:
        return True
    main, charge = uow.keys.get(subscription.billing_key_id), subscription.next_period_start
    return expires_before(expiry_of(main), charge) and expires_before(
        expiry_of(charged_next(uow, subscription, main)), charge
    )


def _cause(kind: NoticeKind, subscription: Subscription) -> Cause:
    return Cause(
        kind,
        subject_id=subscription.id,
        step=str(subscription.next_period_index),
        customer=subscription.customer,
        subscription_id=subscription.id,
        invoice_id=None,
    )
