"""A period that would be charged now: written down, and not charged."""

from billing_worker.domain.shadow import ShadowCharge
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueSubscription
from billing_worker.ports.storage import UnitOfWork


def decide_in_shadow(ports: Ports, uow: UnitOfWork, due: DueSubscription) -> None:
    """Step the locked subscription to its next period, and write down that it would have been charged."""
    period = due.subscription.open_period(due.plan.calendar)
    charge = ShadowCharge(ports.ids.new("shd"), due.subscription.id, period.index, due.plan.money, period.start)
    uow.shadow.add(charge)
