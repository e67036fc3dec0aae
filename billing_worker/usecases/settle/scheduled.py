"""The attempts that PortOne makes by its schedules, and the schedules whose attempts are known."""

from collections.abc import Sequence

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.invoice import AttemptStatus, Invoice, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.schedule import Schedule, ScheduleStatus
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def attempt_of_portone(ports: Ports, invoice: Invoice, schedule: Schedule, moment: Moment) -> PaymentAttempt:
    """The attempt that PortOne makes by this schedule. No worker calls: webhooks and the resolver tell its outcome."""
    attempt = invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
    attempt.scheduled = True
    attempt.merchant_uid, attempt.money = schedule.merchant_uid, schedule.money
    attempt.billing_key_id = schedule.billing_key_id
    attempt.lease_until = moment.real
    attempt.move_to(AttemptStatus.UNKNOWN, moment.billing)
    attempt.reason = "PortOne charges it by its schedule"
    return attempt


def close_schedule(ports: Ports, uow: UnitOfWork, settlement: Settlement, moment: Moment) -> None:
    """Close the live schedule of a closed attempt: PortOne ran it, or two reads showed that it did not.

    From here on a worker may charge the invoice again, under the same order number.
    """
    schedule = uow.schedules.with_merchant_uid(settlement.attempt.merchant_uid)
    if schedule is None:
        return
    if schedule.is_live:
        ran = settlement.attempt.status is not AttemptStatus.FAILED
        status = ScheduleStatus.EXECUTED if ran else ScheduleStatus.REVOKED
        schedule.move_to(status, moment.real, None if ran else settlement.attempt.reason)
        uow.schedules.save(schedule)
        uow.alerts.close(AlertKind.SCHEDULE_UNCLEAR, schedule.id, moment)
    others = others_of_period(uow, schedule)
    if settlement.attempt.status is AttemptStatus.APPROVED:
        revoke_all(uow, others, schedule, moment)
    _look_at_another(ports, uow, settlement, others, moment)


def others_of_period(uow: UnitOfWork, schedule: Schedule) -> Sequence[Schedule]:
    """The other schedules of its period."""
    found = uow.schedules.of_periods([(schedule.subscription_id, schedule.period_index)])
    return [each for each in found if each.id != schedule.id]


def revoke_all(uow: UnitOfWork, others: Sequence[Schedule], paid: Schedule, moment: Moment) -> None:
    """Revoke the live ones, since this one has paid their period. One that ran meanwhile is known by that, too."""
    for each in others:
        if each.is_live and each.status is not ScheduleStatus.REVOKING:
            each.move_to(ScheduleStatus.REVOKING, moment.real, f"order {paid.merchant_uid} has paid its period")
            each.next_step_at = moment.real
            uow.schedules.save(each)


def _look_at_another(
    ports: Ports, uow: UnitOfWork, settlement: Settlement, others: Sequence[Schedule], moment: Moment
) -> None:
    """Have the next schedule of the period looked at that ran, and that no attempt is about.

    A clerk can have several of them run before the period begins. No invoice has their numbers then, so neither a
    webhook nor the comparison of payments books what they took.
    """
    known = {attempt.merchant_uid for attempt in settlement.attempts}
    ran = [each for each in others if each.status is ScheduleStatus.EXECUTED and each.merchant_uid not in known]
    if not ran or settlement.has_open_attempt:
        return
    attempt = attempt_of_portone(ports, settlement.invoice, ran[0], moment)
    uow.invoices.save(settlement.invoice)
    uow.attempts.add(attempt)
    settlement.attempts.append(attempt)
