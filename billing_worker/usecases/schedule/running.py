"""A period that PortOne was to charge, and whose payment is not there yet."""

from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Unknown
from billing_worker.domain.schedule import LATE_RUN, ScheduleReading, ScheduleStatus, ShownStatus
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.storage import UnitOfWork


def waits_for_portone(
    uow: UnitOfWork, settlement: Settlement, reading: ScheduleReading, moment: Moment
) -> Unknown | None:
    """Why a missing payment proves nothing yet; None if PortOne does not run the schedule (any more).

    A schedule that is an hour late, or whose customer has canceled meanwhile, is revoked: its next step does that, and
    the resolver goes on looking.
    """
    if reading.trouble is not None:
        return Unknown(f"the schedule could not be read: {reading.trouble}")
    if reading.schedule is None or reading.schedule.status in (ShownStatus.EXECUTED, ShownStatus.REVOKED):
        return None
    schedule = uow.schedules.with_merchant_uid(settlement.attempt.merchant_uid)
    if schedule is None or schedule.status is ScheduleStatus.REVOKING:
        return Unknown("PortOne has not run its schedule yet")
    # Its own date counts, also where PortOne's console has moved it.
    late = moment.billing - schedule.schedule_at >= LATE_RUN
    if not (late or settlement.is_canceled):
        return Unknown("PortOne has not run its schedule yet")
    why = "PortOne did not run it within an hour" if late else "the subscription is canceled"
    settlement.attempt.looks = 0  # what is read changes soon
    if schedule.is_live:
        schedule.move_to(ScheduleStatus.REVOKING, moment.real, why)
        schedule.next_step_at = moment.real
        uow.schedules.save(schedule)
    return Unknown(f"its schedule is revoked: {why}")
