"""Revoke what is closed here, and alive at PortOne: brought back in its console, or registered by a late call."""

from billing_worker.domain.schedule import ScheduleStatus, ShownStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.schedule.asking import Taken, request_of, revoke

BROUGHT_BACK = "PortOne had it again, and it was revoked again"


def take_back(ports: Ports, schedule_id: str) -> str | None:
    """Revoke a schedule that is revoked or refused here. Returns why PortOne may still run it; None if it will not.

    Its status stays, since another schedule of its period may live. Nothing is called from a copy of the database.
    """
    with ports.database.transaction() as uow:
        (due,) = uow.lock_renewals([uow.schedules.get(schedule_id).subscription_id])
        schedule = uow.schedules.get(schedule_id)
        if schedule.status not in (ScheduleStatus.REVOKED, ScheduleStatus.REFUSED):
            return f"it is {schedule.status} here"
        if due.elsewhere:
            return "this database is not the claimed one"
        taken = Taken(schedule, request_of(uow, due.plan, schedule), was_sent=True, in_time=False)
    learned = revoke(ports, taken)
    if learned.state not in (ShownStatus.REVOKED, ShownStatus.ABSENT):
        return learned.unclear or "PortOne ran it"
    with ports.database.transaction() as uow:
        uow.lock_renewals([schedule.subscription_id])
        schedule = uow.schedules.get(schedule_id)
        if BROUGHT_BACK not in (schedule.note or ""):
            schedule.note = f"{schedule.note}; {BROUGHT_BACK}" if schedule.note else BROUGHT_BACK
            uow.schedules.save(schedule)
            uow.commit()
    return None
