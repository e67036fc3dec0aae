"""A schedule that charged a period which is not owed: the money goes back, and an operator is told.

That happens where a cancellation, a waiver or a switch came too late, or was undone in PortOne's console.
"""

from collections.abc import Sequence

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.events import Event
from billing_worker.domain.giving_up import void_if_open
from billing_worker.domain.invoice import Invoice, InvoiceStatus, Period
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.domain.schedule import Schedule, ScheduleStatus
from billing_worker.domain.subscription import RENEWING
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueSubscription
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.settle.record import record_payment
from billing_worker.usecases.settle.scheduled import others_of_period, revoke_all


def opens_later(due: DueSubscription, schedule: Schedule) -> bool:
    """Whether the period of this schedule will be opened here: then its payment belongs to that invoice."""
    subscription = due.subscription
    if subscription.cancel_at_period_end or subscription.status not in RENEWING:
        return False
    return schedule.period_index >= subscription.next_period_index


def take_unopened(
    ports: Ports, uow: UnitOfWork, payment: GatewayPayment, evidence: Evidence, moment: Moment
) -> str | None:
    """Look at a payment whose order number no invoice has: what became of it, if a schedule of ours has the number.

    The schedule ran, whatever was known of it, also where PortOne's console had brought a revoked one back.
    """
    schedule = uow.schedules.with_merchant_uid(payment.merchant_uid)
    if schedule is None:
        return None
    (due,) = uow.lock_renewals([schedule.subscription_id])
    schedule = uow.schedules.get(schedule.id)
    later = opens_later(due, schedule)
    if schedule.status is not ScheduleStatus.EXECUTED and not (later and schedule.status is ScheduleStatus.REGISTERED):
        # A registered one stays so until its period begins: what changes the subscription meanwhile wakes it.
        schedule.move_to(ScheduleStatus.EXECUTED, moment.real)
        uow.schedules.save(schedule)
        uow.alerts.close(AlertKind.SCHEDULE_UNCLEAR, schedule.id, moment)
    if later:
        if payment.holds_money:
            revoke_all(uow, others_of_period(uow, schedule), schedule, moment)
        return f"schedule {schedule.id} of a period that begins at {schedule.schedule_at:%F %T} UTC"
    take_leftover(ports, uow, due, schedule, [(payment, evidence)], moment)
    return f"schedule {schedule.id} charged a period that has another payment, or is not owed"


def take_back_money(ports: Ports, schedule_id: str) -> None:
    """Book what a schedule took before its period began, where that will not be opened any more.

    What ends the subscription after such a run wakes no schedule, since it is closed.
    """
    with ports.database.transaction() as uow:
        schedule = uow.schedules.get(schedule_id)
        (due,) = uow.lock_renewals([schedule.subscription_id])
    if opens_later(due, schedule):
        return
    listing = ports.gateway.payments_of(schedule.merchant_uid)
    if listing.trouble is not None:
        return  # the next comparison tries again
    with ports.database.transaction() as uow:
        (due,) = uow.lock_renewals([schedule.subscription_id])
        if not opens_later(due, schedule):
            take_leftover(ports, uow, due, uow.schedules.get(schedule_id), listing.payments, ports.clock.moment())
            uow.commit()


def take_leftover(  # noqa: PLR0917 - one payment, with all that it changes
    ports: Ports,
    uow: UnitOfWork,
    due: DueSubscription,
    schedule: Schedule,
    found: Sequence[tuple[GatewayPayment, Evidence]],
    moment: Moment,
) -> None:
    """Book what a schedule charged beside the invoice of its period.

    Where the period has an invoice, under another number, the money pays it, or is too much. A period that is not owed
    gets a void invoice, so the money is refunded. A try that took no money leaves nothing behind.
    """
    taken = [seen for seen in found if seen[0].holds_money]
    if not taken:
        return
    locked = uow.lock_invoice(_invoice_with(ports, uow, due, schedule, moment))
    for payment, evidence in taken:
        record_payment(ports, uow, locked, payment, evidence, moment=moment)


def _invoice_with(ports: Ports, uow: UnitOfWork, due: DueSubscription, schedule: Schedule, moment: Moment) -> str:
    """The id of the invoice that has the schedule's order number from now on."""
    known = uow.invoices.with_merchant_uid(schedule.merchant_uid)
    if known is not None:
        return known
    for own in uow.invoices.of_subscription(schedule.subscription_id):
        if own.period is not None and own.period.index == schedule.period_index:
            uow.invoices.register_merchant_uids([(schedule.merchant_uid, own.id, schedule.generation)])
            return own.id
    invoice, events = _invoice(ports, due, schedule, moment), list[Event]()
    uow.invoices.add(invoice)
    void_if_open(due.subscription, invoice, events, moment.billing)
    uow.invoices.save(invoice)
    uow.announce(events, moment)
    return invoice.id


def _invoice(ports: Ports, due: DueSubscription, schedule: Schedule, moment: Moment) -> Invoice:
    start = schedule.schedule_at
    # Counted from its own start: the subscription's anchor may have moved since the schedule was made.
    end = due.plan.calendar.start_after(start, 1, start)
    return Invoice(
        id=ports.ids.new("inv"),
        subscription_id=schedule.subscription_id,
        billing_key_id=schedule.billing_key_id,
        period=Period(schedule.period_index, start, end),
        money=schedule.money,
        status=InvoiceStatus.OPEN,
        merchant_uid=schedule.merchant_uid,
        generation=schedule.generation,
        created_at=moment.billing,
        next_attempt_at=None,
        dunning_policy=due.policy_id,
        last_reason="PortOne's schedule charged a period that is not owed",
    )
