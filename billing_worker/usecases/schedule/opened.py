"""A period that has begun while PortOne has, or had, a schedule for it.

Its invoice takes the order number of the last schedule, so that PortOne refuses a second payment of the period. The
numbers of the earlier ones belong to it too: whatever was paid under them is recognised.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing_worker.domain.invoice import Invoice
from billing_worker.domain.pgs.rules import takes_id
from billing_worker.domain.schedule import Schedule
from billing_worker.ports.charging import DueInvoice, DueSubscription
from billing_worker.ports.storage import UnitOfWork


def of_next_periods(uow: UnitOfWork, found: Sequence[DueSubscription]) -> Mapping[str, Sequence[Schedule]]:
    """The schedules of the next period of each subscription, by its id; no query where there can be none.

    One that was revoked shortly before its date was to be written down again, and its number counts all the same.
    """
    owners = [due.subscription for due in found]
    periods = [
        (owner.id, owner.next_period_index) for owner in owners if owner.scheduled_index >= owner.next_period_index - 1
    ]
    return {owner: schedules for (owner, _), schedules in _by_period(uow, periods).items()}


def with_schedules(uow: UnitOfWork, dues: Sequence[DueInvoice]) -> Sequence[DueInvoice]:
    """These invoices, each with the schedules of its period; no query where there can be none."""
    periods = []
    for due in dues:
        owner, period = due.subscription, due.invoice.period
        if owner is not None and period is not None and owner.scheduled_index >= period.index:
            periods.append((owner.id, period.index))
    found = _by_period(uow, periods)
    if not found:
        return dues
    return [replace(due, schedules=found.get(_period_of(due), ())) for due in dues]


def is_at_portone(schedules: Sequence[Schedule]) -> bool:
    """Whether PortOne charges a period, or may have charged it, that is not opened yet."""
    return any(each.may_have_charged(attempts=0) for each in schedules)


def take_order_number(invoice: Invoice, schedules: Sequence[Schedule], pg_provider: str) -> None:
    """Give a new invoice the order number of the last schedule of its period.

    A number that another program gave, and that cannot be charged, is left out where its schedule is revoked.
    """
    last = schedules[-1]
    if last.may_have_charged(attempts=0) or takes_id(pg_provider, last.merchant_uid):
        invoice.generation, invoice.merchant_uid = last.generation, last.merchant_uid


def register_earlier(uow: UnitOfWork, opened: Sequence[DueInvoice]) -> None:
    """Register the order numbers of the other schedules for these invoices, which were stored just now."""
    others = [
        (each.merchant_uid, due.invoice.id, each.generation)
        for due in opened
        for each in due.schedules
        if each.merchant_uid != due.invoice.merchant_uid
    ]
    uow.invoices.register_merchant_uids(others)


def _by_period(uow: UnitOfWork, periods: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Sequence[Schedule]]:
    found: defaultdict[tuple[str, int], list[Schedule]] = defaultdict(list)
    for schedule in uow.schedules.of_periods(periods) if periods else ():
        found[schedule.subscription_id, schedule.period_index].append(schedule)
    return found


def _period_of(due: DueInvoice) -> tuple[str, int]:
    owner, period = due.invoice.subscription_id, due.invoice.period
    return owner or "", -1 if period is None else period.index
