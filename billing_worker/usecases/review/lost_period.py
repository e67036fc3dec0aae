"""A paid period that a restored database has not opened: the database before it had.

The payment proves that the period was billed, so it is opened here as it was there, whatever the plan says about late
periods now. Otherwise a plan that waives late periods would waive one that the customer has paid.
"""

from billing_worker.domain.errors import NotFound
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import read_merchant_uid
from billing_worker.domain.payment import GatewayPayment
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import RENEWING
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueSubscription
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.environment import stands_in_for_a_lost_one
from billing_worker.usecases.subscription.renew import next_invoice


def open_lost_period(ports: Ports, uow: UnitOfWork, payment: GatewayPayment, moment: Moment) -> bool:
    """Open the period that has the order number of this payment; False where it stays an orphan for an operator.

    That is so in a database that is claimed, for a subscription that is not here, was ended or is collected by
    PortOne's schedules, and where a period before it would not be billed today.
    """
    number = read_merchant_uid(payment.merchant_uid)
    if number is None or number.period_index is None or not stands_in_for_a_lost_one(ports, uow):
        return False
    try:
        (due,) = uow.lock_renewals([number.owner_id])
    except NotFound:
        return False
    missing = number.period_index - due.subscription.next_period_index + 1
    if missing < 1 or not _is_charged_here(ports, due) or not _have_begun(due, missing, moment):
        return False
    opened = [next_invoice(ports, due, moment) for _ in range(missing)]
    uow.invoices.add_all(opened)
    if payment.merchant_uid != opened[-1].merchant_uid:
        uow.invoices.register_merchant_uids([(payment.merchant_uid, opened[-1].id, number.generation)])
    uow.subscriptions.save_all([due.subscription])
    return True


def _is_charged_here(ports: Ports, due: DueSubscription) -> bool:
    subscription = due.subscription
    renews = subscription.status in RENEWING and not subscription.cancel_at_period_end
    return (
        renews and subscription.collection is Collection.WORKER and not subscription.is_scheduled and not ports.shadow
    )


def _have_begun(due: DueSubscription, missing: int, moment: Moment) -> bool:
    """Whether so many periods have begun, and the policy for late ones bills those before the last: the paid one."""
    subscription, plan = due.subscription, due.plan
    if missing > 1:
        backlog = subscription.backlog(plan.catch_up, plan.calendar, moment.billing)
        if backlog.ask or backlog.waive:
            return False
    index, start = subscription.counted(subscription.next_period_index), subscription.next_period_start
    return plan.calendar.begun(subscription.anchor, index, start, moment.billing, missing) == missing
