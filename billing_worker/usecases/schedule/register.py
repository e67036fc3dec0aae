"""Write down the schedules of coming periods, and claim those with something to do."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import merchant_uid
from billing_worker.domain.schedule import AHEAD, LEAST_LEAD, Schedule, ScheduleStatus
from billing_worker.domain.schedule_wish import Wish
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueSubscription
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.environment import scanning


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Write down the next period of each subscription that PortOne is to charge, and claim schedules to serve.

    The intent is committed here, before any call. An installation in shadow serves none. A subscription that another
    transaction holds comes next time.
    """
    with scanning(ports) as (uow, _):
        if ports.shadow:
            return []
        now = ports.clock.moment().billing
        ids = uow.schedules.unscheduled(now + LEAST_LEAD, now + AHEAD, limit)
        if ids:
            _write_down(ports, uow, uow.lock_renewals(ids))
        real_now = ports.clock.moment().real
        claimed = uow.schedules.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return claimed


def _write_down(ports: Ports, uow: UnitOfWork, found: Sequence[DueSubscription]) -> None:
    moment = ports.clock.moment()
    wanted = [each for each in found if not each.elsewhere and wish_of(uow, each).may_register(moment.billing)]
    periods = [(each.subscription.id, each.subscription.next_period_index) for each in wanted]
    earlier = [each.subscription_id for each in uow.schedules.of_periods(periods)]
    new = []
    for each in wanted:
        generation = 1 + earlier.count(each.subscription.id)
        new.append(_schedule(ports, each, generation, moment))
        each.subscription.scheduled_index = each.subscription.next_period_index
    uow.schedules.add_all(new)
    uow.subscriptions.save_all([each.subscription for each in wanted])


def wish_of(uow: UnitOfWork, due: DueSubscription) -> Wish:
    """What decides whether PortOne is to charge the next period of this locked subscription."""
    holding = uow.stops.holding(due.subscription.id, due.key.pg_provider) if due.stop is not None else ()
    stopped = next((stop.scope for stop in holding if not stop.waits_for_gateway), None)
    return Wish(due.subscription, due.key, due.plan.money, stopped)


def register_again(uow: UnitOfWork, due: DueSubscription, schedule: Schedule) -> None:
    """Let the scan write the next period down again, if PortOne is to charge it, with what holds now.

    After moving in, schedules of several periods may be there: then the last one that is closed lets it. One that ran
    before its period begins has charged it.
    """
    subscription = due.subscription
    index = subscription.next_period_index
    if schedule.period_index < index or not subscription.is_scheduled:
        return
    live = [each for each in uow.schedules.live_of_subscription(subscription.id) if each.id != schedule.id]
    ran = [
        each for each in uow.schedules.of_periods([(subscription.id, index)]) if each.status is ScheduleStatus.EXECUTED
    ]
    if not ran and not any(each.period_index >= index for each in live):
        subscription.scheduled_index = index - 1
        uow.subscriptions.save(subscription)


def _schedule(ports: Ports, due: DueSubscription, generation: int, moment: Moment) -> Schedule:
    subscription = due.subscription
    index = subscription.next_period_index
    return Schedule(
        id=ports.ids.new("sch"),
        subscription_id=subscription.id,
        billing_key_id=due.key.id,
        period_index=index,
        generation=generation,
        merchant_uid=merchant_uid(ports.environment, subscription.id, index, generation),
        money=due.plan.money,
        schedule_at=subscription.next_period_start,
        status=ScheduleStatus.REGISTERING,
        created_at=moment.billing,
        next_step_at=moment.real,
    )
