"""Serve one schedule: register it, compare it with its subscription, revoke it.

No transaction is open during a call. A registration or a revocation with an unclear answer is followed by a read. Both
may be repeated: PortOne takes an order number once, and revokes what is there.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.moment import Moment
from billing_worker.domain.schedule import (
    CHECK_BEFORE,
    LATE_RUN,
    LEAST_LEAD,
    Schedule,
    ScheduleStatus,
    ShownStatus,
)
from billing_worker.domain.schedule_difference import revived
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueSubscription
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.schedule.asking import Learned, Taken, register, request_of, revoke
from billing_worker.usecases.schedule.differs import alert_difference
from billing_worker.usecases.schedule.leftover import opens_later, take_leftover
from billing_worker.usecases.schedule.register import register_again, wish_of
from billing_worker.usecases.schedule.take_back import take_back

ALERT_AFTER = timedelta(hours=1)
"""A schedule whose state is unclear for so long needs an operator."""

NEAR_LOOK = timedelta(minutes=5)
"""The longest wait between two looks around the date, and where another database is claimed: the end of an outage, or a
new claim, must not be noticed after it."""

MOST_CALLS = 3
"""Of one step, each with its own deadline: a revocation, a read, and the payments or another revocation."""


def step(ports: Ports, schedule_id: str) -> None:
    """Take the next step of a schedule. No process but the one that calls acts before its lease has ended."""
    taken = _take(ports, schedule_id)
    if taken is None:
        return
    began_at = ports.clock.moment().real
    learned = revoke(ports, taken) if taken.schedule.status is ScheduleStatus.REVOKING else register(ports, taken)
    if learned.state is ShownStatus.EXECUTED:
        payments = ports.gateway.payments_of(taken.schedule.merchant_uid)
        learned = replace(learned, payments=payments)
    if not _conclude(ports, schedule_id, learned, began_at) and learned.state is ShownStatus.SCHEDULED:
        _take_back(ports, schedule_id)


def _take_back(ports: Ports, schedule_id: str) -> None:
    """Revoke what came to PortOne after it was closed here: this process stood still for longer than its lease.

    Others have read PortOne meanwhile. What cannot be revoked now, the comparison of both books finds.
    """
    trouble = take_back(ports, schedule_id)
    if trouble is None:
        return
    with ports.database.transaction() as uow:
        difference = revived(uow.schedules.get(schedule_id), trouble)
        alert_difference(uow, difference, ports.clock.moment())
        uow.commit()


def _take(ports: Ports, schedule_id: str) -> Taken | None:
    with ports.database.transaction() as uow:
        (due,) = uow.lock_renewals([uow.schedules.get(schedule_id).subscription_id])
        schedule = uow.schedules.get(schedule_id)
        moment = ports.clock.moment()
        taken = _decide(ports, uow, due, schedule, moment) if schedule.is_live else None
        uow.schedules.save(schedule)
        uow.commit()
    return taken


def _decide(ports: Ports, uow: UnitOfWork, due: DueSubscription, schedule: Schedule, moment: Moment) -> Taken | None:
    if schedule.lease_until is not None and schedule.lease_until > moment.real:
        schedule.next_step_at = schedule.lease_until
        return None
    if due.elsewhere or ports.shadow:
        # A copy of the database, or in shadow: what is at PortOne is the affair of the one that charges.
        schedule.next_step_at = moment.real + NEAR_LOOK
        return None
    has_begun = uow.invoices.with_merchant_uid(schedule.merchant_uid) is not None
    _compare(ports, uow, due, schedule, moment, has_begun=has_begun)
    if schedule.status not in (ScheduleStatus.REGISTERING, ScheduleStatus.REVOKING) or (
        has_begun and schedule.status is ScheduleStatus.REGISTERING
    ):
        return None
    was_sent, in_time = schedule.sent_at is not None, schedule.schedule_at >= moment.billing + LEAST_LEAD / 2
    schedule.lease_until = moment.real + timedelta(seconds=MOST_CALLS * ports.timing.http_deadline)
    schedule.next_step_at = schedule.lease_until
    if schedule.status is ScheduleStatus.REGISTERING and in_time:
        schedule.sent_at = moment.real
    return Taken(schedule, request_of(uow, due.plan, schedule), was_sent, in_time)


def _compare(
    ports: Ports, uow: UnitOfWork, due: DueSubscription, schedule: Schedule, moment: Moment, *, has_begun: bool
) -> None:
    """Compare it with its subscription, and note what follows: nothing, a later look, or a revocation."""
    if has_begun:
        # The attempt of the period belongs to the resolver, which also revokes a schedule that is late.
        if schedule.sent_at is None:
            schedule.move_to(ScheduleStatus.REFUSED, moment.real, "its period had begun before it was sent")
        elif schedule.status is not ScheduleStatus.REVOKING:
            schedule.next_step_at = None
        return
    reason = wish_of(uow, due).against_schedule(schedule)
    if schedule.status is ScheduleStatus.REGISTERING and schedule.sent_at is None:
        too_near = schedule.schedule_at < moment.billing + LEAST_LEAD / 2
        if reason is not None or too_near:
            schedule.move_to(ScheduleStatus.REFUSED, moment.real, reason or "its date is too near: a worker charges it")
            register_again(uow, due, schedule)
    elif reason is not None and schedule.status is not ScheduleStatus.REVOKING:
        schedule.move_to(ScheduleStatus.REVOKING, moment.real, reason)
    elif schedule.status is ScheduleStatus.REGISTERED:
        schedule.next_step_at = next_check(ports, schedule, moment)


def next_check(ports: Ports, schedule: Schedule, moment: Moment) -> datetime | None:
    """When a registered schedule is compared next: an hour before its date, and an hour after it. Real time."""
    dates = (schedule.schedule_at - CHECK_BEFORE, schedule.schedule_at + LATE_RUN)
    wait = next((date - moment.billing for date in dates if date > moment.billing), None)
    return None if wait is None else moment.real + wait / ports.auditing.rate


def _conclude(ports: Ports, schedule_id: str, learned: Learned, began_at: datetime) -> bool:
    """Record what was learned; returns whether the schedule was still open here."""
    with ports.database.transaction() as uow:
        (due,) = uow.lock_renewals([uow.schedules.get(schedule_id).subscription_id])
        schedule = uow.schedules.get(schedule_id)
        moment = ports.clock.moment()
        if not schedule.is_live:
            return False
        schedule.lease_until = None
        if learned.evidence is not None:
            schedule.evidence_id = uow.keep_evidence(None, learned.evidence, moment.real)
        unclear = _apply(ports, uow, due, schedule, learned, moment, began_at)
        if unclear is not None:
            _look_again(ports, uow, schedule, unclear, moment)
        elif not schedule.is_live or schedule.status is ScheduleStatus.REGISTERED:
            uow.alerts.close(AlertKind.SCHEDULE_UNCLEAR, schedule.id, moment)
        uow.schedules.save(schedule)
        uow.commit()
    return True


def _apply(  # noqa: PLR0917 - one result, with all that it changes
    ports: Ports,
    uow: UnitOfWork,
    due: DueSubscription,
    schedule: Schedule,
    learned: Learned,
    moment: Moment,
    began_at: datetime,
) -> str | None:
    """Record what was learned; returns what is still unclear, if anything is."""
    if learned.refused is not None:
        schedule.move_to(ScheduleStatus.REFUSED, moment.real, learned.refused)
        facts: Facts = {"reason": learned.refused, "date": f"{schedule.schedule_at:%Y-%m-%d %H:%M} UTC"}
        uow.alerts.open(AlertKind.SCHEDULE_REFUSED, schedule.subscription_id, facts, moment)
        return None
    match learned.state:
        case ShownStatus.SCHEDULED if schedule.status is ScheduleStatus.REGISTERING:
            if learned.differs is not None:
                schedule.move_to(ScheduleStatus.REVOKING, moment.real, learned.differs)
                schedule.next_step_at = moment.real
            else:
                schedule.move_to(ScheduleStatus.REGISTERED, moment.real)
                # What changed while it was being registered woke no schedule.
                is_wanted = wish_of(uow, due).against_schedule(schedule) is None
                schedule.next_step_at = next_check(ports, schedule, moment) if is_wanted else moment.real
                uow.alerts.close(AlertKind.SCHEDULE_REFUSED, schedule.subscription_id, moment)
            return None
        case ShownStatus.REVOKED:
            schedule.move_to(ScheduleStatus.REVOKED, moment.real)
            register_again(uow, due, schedule)
            return None
        case ShownStatus.ABSENT:
            return _apply_absence(ports, uow, due, schedule, moment, began_at)
        case ShownStatus.EXECUTED:
            return _apply_run(ports, uow, due, schedule, learned, moment)
    return learned.unclear or "PortOne still has it"


def _apply_absence(  # noqa: PLR0917 - as above
    ports: Ports, uow: UnitOfWork, due: DueSubscription, schedule: Schedule, moment: Moment, began_at: datetime
) -> str | None:
    window = timedelta(seconds=ports.timing.http_deadline) + ports.timing.settle_window_of(due.key.pg_provider)
    if schedule.status is not ScheduleStatus.REVOKING or not schedule.is_absent(began_at, window):
        return "PortOne has no such schedule so far"
    schedule.move_to(ScheduleStatus.REVOKED, moment.real, f"{schedule.note}; PortOne does not have it")
    register_again(uow, due, schedule)
    return None


def _apply_run(  # noqa: PLR0917 - as above
    ports: Ports, uow: UnitOfWork, due: DueSubscription, schedule: Schedule, learned: Learned, moment: Moment
) -> str | None:
    if not opens_later(due, schedule):
        if learned.payments is None or learned.payments.trouble is not None:
            return "PortOne ran it, and its payment could not be read"
        if not _shows_end(schedule, learned, learned.payments, moment):
            return "PortOne ran it, and does not show its payment so far"
        take_leftover(ports, uow, due, schedule, learned.payments.payments, moment)
    schedule.move_to(ScheduleStatus.EXECUTED, moment.real)
    return None


def _shows_end(schedule: Schedule, learned: Learned, payments: Listing, moment: Moment) -> bool:
    """Whether the payments show what became of it. The charge takes seconds, and the books lag."""
    shown = {payment.imp_uid for payment, _ in payments.payments}
    if learned.imp_uid is not None:
        return learned.imp_uid in shown
    return bool(shown) or moment.billing - schedule.schedule_at >= LATE_RUN


def _look_again(ports: Ports, uow: UnitOfWork, schedule: Schedule, unclear: str, moment: Moment) -> None:
    """Look again later. An operator is alerted after an hour, or when the date comes near."""
    look = ports.timing.next_look(schedule.looks, moment.real)
    if abs(schedule.schedule_at - moment.billing) <= 2 * CHECK_BEFORE:
        look = min(look, moment.real + NEAR_LOOK / ports.auditing.rate)
    schedule.look_again(look)
    near = schedule.schedule_at - moment.billing <= CHECK_BEFORE and schedule.looks > 1
    if near or moment.billing - schedule.created_at >= ALERT_AFTER:
        case = "revoking" if schedule.status is ScheduleStatus.REVOKING else "registering"
        uow.alerts.open(AlertKind.SCHEDULE_UNCLEAR, schedule.id, _unclear(schedule, case, unclear), moment)


def _unclear(schedule: Schedule, case: str, reason: str) -> Facts:
    date = f"{schedule.schedule_at:%Y-%m-%d %H:%M} UTC"
    return {"case": case, "order": schedule.merchant_uid, "date": date, "reason": reason}
