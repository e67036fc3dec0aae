"""One entity by its id, as every entrance shows it. Each function raises NotFound."""

from collections.abc import Sequence

from billing_worker.domain.comparison import Comparison
from billing_worker.domain.errors import NotFound
from billing_worker.domain.language import Language
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.usecases.reading.views.control import AlertDetail, detail_of_alert
from billing_worker.usecases.reading.views.dunning import DunningPolicyView, of_policy
from billing_worker.usecases.reading.views.invoices import AttemptView, InvoiceDetail, detail_of_invoice, of_attempt
from billing_worker.usecases.reading.views.keys import KeyView, of_key
from billing_worker.usecases.reading.views.payments import PaymentDetail, detail_of_payment
from billing_worker.usecases.reading.views.plans import PlanView, of_plan
from billing_worker.usecases.reading.views.refunds import RefundDetail, detail_of_refund
from billing_worker.usecases.reading.views.schedules import ScheduleView, of_schedule
from billing_worker.usecases.reading.views.subscriptions import SubscriptionDetail, detail_of_subscription
from billing_worker.usecases.reading.views.traffic import EventView, NotificationView, of_event, of_notification

MOST_INVOICES = 100
"""The newest invoices of a subscription; the list of invoices has the rest."""


def policy_with(ports: Ports, name: str, version: int | None = None) -> DunningPolicyView:
    """A version of a dunning policy, by its id or its number; by the name alone the newest."""
    with ports.database.transaction() as uow:
        if version is not None or "@" in name:
            return of_policy(uow.dunning_policies.get(name if version is None else f"{name}@{version}"))
        newest = uow.dunning_policies.newest(name)
        if newest is None:
            raise NotFound("dunning policy", name)
        return of_policy(newest)


def plan_with(ports: Ports, plan_id: str) -> PlanView:
    """A plan."""
    with ports.database.transaction() as uow:
        return of_plan(uow.plans.get(plan_id))


def key_with(ports: Ports, key_id: str) -> KeyView:
    """A billing key."""
    with ports.database.transaction() as uow:
        return of_key(uow.keys.get(key_id))


def subscription_with(ports: Ports, subscription_id: str) -> SubscriptionDetail:
    """A subscription with its newest invoices."""
    with ports.database.transaction() as uow:
        found = uow.subscriptions.get(subscription_id)
        invoices = uow.lists.part(Kind.INVOICES, {"subscription_id": found.id}, MOST_INVOICES, None).items
        return detail_of_subscription(found, invoices)


def invoice_with(ports: Ports, invoice_id: str) -> InvoiceDetail:
    """An invoice with its attempts and refunds."""
    with ports.database.transaction() as uow:
        invoice = uow.invoices.get(invoice_id)
        return detail_of_invoice(invoice, uow.attempts.of_invoice(invoice.id), uow.refunds.of_invoice(invoice.id))


def payment_with(ports: Ports, invoice_id: str) -> PaymentDetail:
    """A single payment with its attempts and refunds. Raises NotFound also for an invoice for a period."""
    with ports.database.transaction() as uow:
        invoice = uow.invoices.get(invoice_id)
        if invoice.single is None:
            raise NotFound("payment", invoice_id)
        attempts, refunds = uow.attempts.of_invoice(invoice.id), uow.refunds.of_invoice(invoice.id)
        return detail_of_payment(invoice, detail_of_invoice(invoice, attempts, refunds))


def attempt_with(ports: Ports, attempt_id: str) -> AttemptView:
    """An attempt."""
    with ports.database.transaction() as uow:
        return of_attempt(uow.attempts.get(attempt_id))


def schedule_with(ports: Ports, schedule_id: str) -> ScheduleView:
    """A schedule at PortOne."""
    with ports.database.transaction() as uow:
        return of_schedule(uow.schedules.get(schedule_id))


def refund_with(ports: Ports, refund_id: str) -> RefundDetail:
    """A refund with the gateway's answer about it."""
    with ports.database.transaction() as uow:
        refund = uow.refunds.get(refund_id)
        return detail_of_refund(refund, None if refund.evidence_id is None else uow.evidence(refund.evidence_id))


def alert_with(ports: Ports, alert_id: int, language: Language) -> AlertDetail:
    """An alert, open or closed, with the gateway's answer about it."""
    with ports.database.transaction() as uow:
        alert = uow.alerts.get(alert_id)
        evidence = None if alert.evidence_id is None else uow.evidence(alert.evidence_id)
        return detail_of_alert(alert, evidence, language)


def event_with(ports: Ports, event_id: str) -> EventView:
    """An event and its delivery."""
    with ports.database.transaction() as uow:
        return of_event(uow.outbox.get(event_id))


def latest_events(ports: Ports, most: int) -> Sequence[OutboxMessage]:
    """The latest events, newest first."""
    with ports.database.transaction() as uow:
        return uow.outbox.latest(most)


def notification_with(ports: Ports, message_id: int) -> NotificationView:
    """A webhook or pingback, and its result."""
    with ports.database.transaction() as uow:
        return of_notification(uow.inbox.get(message_id))


def comparison_with(ports: Ports, comparison_id: int) -> Comparison:
    """A comparison of both books, done or not."""
    with ports.database.transaction() as uow:
        return uow.comparisons.get(comparison_id)


def pg_providers(ports: Ports) -> Sequence[str]:
    """Every PG with a key here."""
    with ports.database.transaction() as uow:
        return uow.keys.pg_providers()
