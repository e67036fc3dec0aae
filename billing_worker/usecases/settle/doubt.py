"""Doubt about a booked payment that the gateway shows differently or not at all. An alert opens only when it lasts.

Books lag, and a read can be wrong, so one read proves no absence. The first read without the payment begins a doubt. An
alert opens when a read a settle window later has the same result. A control read, which shows a known payment, follows
each of both reads. When a read shows the payment, doubt and alert end.
"""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind, Fact, Facts
from billing_worker.domain.comparing import Booked, Finding, FindingKind
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Looked:
    """The result of looking for one booked payment."""

    finding: Finding | None = None
    """The new finding, if any."""
    lasts: bool = False
    """Whether it has been missing for a settle window."""


def reads_work(ports: Ports, invoice_id: str, customer_uid: str, control: str | None = None) -> bool:
    """Control read, after a read without the payment: whether the gateway shows a known payment.

    That is the payment `control`; or else the newest known one of another invoice; or else the billing key itself.
    """
    if control is None:
        with ports.database.transaction() as uow:
            control = uow.attempts.known_imp_uid(invoice_id)
    if control is not None:
        return ports.gateway.shows(control)
    return ports.gateway.read_key(customer_uid).known is True


def lasts(
    ports: Ports, uow: UnitOfWork, subject_id: str, pg_provider: str, *, began_at: datetime, real_now: datetime
) -> datetime | None:
    """Doubt the payment of this attempt or key, after a read that began at `began_at`; since when, if it lasts."""
    since = uow.doubts.begin(subject_id, real_now)
    return since if began_at - since >= ports.timing.settle_window_of(pg_provider) else None


def doubt(
    ports: Ports, booked: Booked, shown: GatewayPayment | None, evidence: Evidence | None, began_at: datetime
) -> Looked:
    """Note that a read did not show the payment as booked. One alert opens when that lasts."""
    kind = FindingKind.PHANTOM_PAYMENT
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        since = lasts(ports, uow, booked.attempt_id, booked.pg_provider, began_at=began_at, real_now=moment.real)
        if since is None:
            uow.commit()
            return Looked()
        facts = _facts(booked, shown, since)
        told = uow.alerts.has(AlertKind.PHANTOM_PAYMENT, booked.attempt_id, facts)
        if not told:
            kept = uow.keep_evidence(booked.attempt_id, evidence, moment.real) if evidence else None
            uow.alerts.open(AlertKind.PHANTOM_PAYMENT, booked.attempt_id, facts, moment, evidence_id=kept)
        uow.commit()
    if told:
        return Looked(lasts=True)
    actions = RULES[AlertKind.PHANTOM_PAYMENT].actions
    finding = Finding(kind, booked.imp_uid or "", booked.merchant_uid, booked.invoice_id, "alert opened", actions)
    return Looked(finding, lasts=True)


def _facts(booked: Booked, shown: GatewayPayment | None, since: datetime) -> Facts:
    facts: dict[str, Fact] = {"case": "missing", "invoice": booked.invoice_id, "payment": booked.imp_uid}
    facts |= {"since": f"{since:%F %T} UTC"}
    if shown is not None:
        facts |= {"case": "differs", "status": shown.status.value, "order": shown.merchant_uid}
    return facts


def believe(ports: Ports, attempt_id: str) -> None:
    """End the doubt: a read shows the payment as booked, or as more."""
    with ports.database.transaction() as uow:
        if uow.doubts.end(attempt_id):
            uow.alerts.close(AlertKind.PHANTOM_PAYMENT, attempt_id, ports.clock.moment())
            uow.commit()
