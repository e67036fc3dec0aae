"""One difference between both books: read the payment by itself, then book it, or alert an operator.

The list of payments is only a reason to look. The single read is the evidence, and its result goes through the one door
(`record`). A finding opens only one alert, even after an operator has closed it.
"""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.comparing import (
    Booked,
    Finding,
    FindingKind,
    Match,
    kind_of_change,
    match_booked,
    match_unbooked,
    match_unknown,
)
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.issuing_payment import is_another_issue
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import OrderNumber, read_merchant_uid
from billing_worker.domain.payment import Evidence, GatewayPayment, Unknown
from billing_worker.domain.proof import judge
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Unreadable
from billing_worker.ports.review import Known
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.key.issuance import facts_of_another_issue
from billing_worker.usecases.review.lost_period import open_lost_period
from billing_worker.usecases.schedule.leftover import take_unopened
from billing_worker.usecases.settle.doubt import Looked, believe, doubt, reads_work
from billing_worker.usecases.settle.record import record_payment


class NotRead(Exception):
    """The gateway could not be read, or contradicts itself: the whole span is read again later."""


LISTED_ONLY = (
    "the gateway lists payment {} and does not show it singly; a test channel needs "
    "BILLING_PORTONE_INCLUDE_SANDBOX=true, or these are another merchant's keys"
)

ALERTED = {
    FindingKind.OPERATOR_PAYMENT: AlertKind.UNASKED_PAYMENT,
    FindingKind.DUPLICATE: AlertKind.SURPLUS_PAYMENT,
    FindingKind.REFUND: AlertKind.CANCELLED_ELSEWHERE,
    FindingKind.PARTIAL_REFUND: AlertKind.CANCELLED_ELSEWHERE,
    FindingKind.MISMATCH: AlertKind.MISMATCH,
}
"""The alert for each kind of recorded difference; kinds without an entry have none."""


def match(known: Known, payment: GatewayPayment, environment: str) -> Match:
    """Match a payment with our books."""
    booked = known.booked.get(payment.imp_uid)
    if booked is not None:
        return match_booked(booked, payment)
    if payment.merchant_uid in known.invoices:
        return match_unbooked(payment, known.open_attempts.get(payment.merchant_uid))
    number = read_merchant_uid(payment.merchant_uid)
    since = known.keys.get(payment.customer_uid) if payment.customer_uid else None
    issued = known.issued.get(payment.customer_uid or "")
    if issued is not None and since is not None and is_another_issue(payment, issued.imp_uid, since):
        return Match.ISSUED_TWICE
    return match_unknown(payment, environment, number.environment if number else None, since)


def look_into(ports: Ports, listed: GatewayPayment) -> Finding | None:
    """Look into a listed payment that differs; None if it is not new. Raises NotRead."""
    with ports.database.transaction() as uow:
        if _was_alerted(ports, uow, listed):
            return None
    began_at = ports.clock.moment().real
    listing = ports.gateway.payment(listed.imp_uid)
    if listing.trouble is not None:
        raise NotRead(f"payment {listed.imp_uid} could not be read: {listing.trouble}")
    if not listing.payments:
        raise NotRead(LISTED_ONLY.format(listed.imp_uid))
    return conclude(ports, *listing.payments[0], began_at=began_at)


def look_for(ports: Ports, booked: Booked, control: str | None = None) -> Looked:
    """Look for the payment of an approved attempt that a list did not show. Raises NotRead.

    It may have changed since, or have a time outside the list. It is in doubt only if a single read does not show it,
    and a later control read works (`control`: a known payment).
    """
    began_at = ports.clock.moment().real
    listing = ports.gateway.payment(booked.imp_uid or "")
    if listing.trouble is not None:
        raise NotRead(f"payment {booked.imp_uid} could not be read: {listing.trouble}")
    if listing.payments:
        payment, evidence = listing.payments[0]
        found = match_booked(booked, payment)
        if found is Match.PHANTOM:
            return doubt(ports, booked, payment, evidence, began_at)
        believe(ports, booked.attempt_id)
        return Looked(None if found is Match.AGREES else conclude(ports, payment, evidence, began_at=began_at))
    if not reads_work(ports, booked.invoice_id, booked.customer_uid, control):
        raise NotRead(f"the gateway shows no payment {booked.imp_uid}, but not what must be there either")
    return doubt(ports, booked, None, listing.evidence, began_at)


def conclude(ports: Ports, payment: GatewayPayment, evidence: Evidence, *, began_at: datetime) -> Finding | None:
    """Book the result of one read (begun at `began_at`, real time), or alert an operator; None if it is not new."""
    with ports.database.transaction() as uow:
        known = uow.comparisons.known([payment])
        found = match(known, payment, ports.environment)
        if found is not Match.PHANTOM:
            finding = _conclude(ports, uow, known, found, (payment, evidence))
            uow.commit()
            return finding
    return doubt(ports, known.booked[payment.imp_uid], payment, evidence, began_at).finding


def _conclude(
    ports: Ports, uow: UnitOfWork, known: Known, found: Match, seen: tuple[GatewayPayment, Evidence]
) -> Finding | None:
    if found in (Match.AGREES, Match.OTHER):
        return None
    if found is Match.RECORD:
        return _record(ports, uow, known, *seen)
    if found is Match.ORPHAN and take_unopened(ports, uow, *seen, ports.clock.moment()) is not None:
        return None
    if found is Match.ORPHAN and open_lost_period(ports, uow, seen[0], ports.clock.moment()):
        return _record(ports, uow, uow.comparisons.known([seen[0]]), *seen)
    notice = _notice(known, seen[0], found)
    return None if _notice_was_alerted(uow, notice) else _alert(uow, notice, seen[1], ports.clock.moment())


def _record(ports: Ports, uow: UnitOfWork, known: Known, payment: GatewayPayment, evidence: Evidence) -> Finding | None:
    invoice_id = known.invoices[payment.merchant_uid]
    locked = uow.lock_invoice(invoice_id)
    if _mismatch_was_alerted(uow, locked, payment):
        return None
    before = known.booked.get(payment.imp_uid)
    done = record_payment(ports, uow, locked, payment, evidence, moment=ports.clock.moment())
    after = uow.comparisons.known([payment]).booked.get(payment.imp_uid)
    kind = kind_of_change(before, after, was_open=payment.merchant_uid in known.open_attempts)
    alerted = ALERTED.get(kind)
    if alerted is AlertKind.CANCELLED_ELSEWHERE and not _given_back_elsewhere(uow, after):
        alerted = None
    actions = RULES[alerted].actions if alerted is not None else ()
    return Finding(kind, payment.imp_uid, payment.merchant_uid, invoice_id, done, actions)


def _given_back_elsewhere(uow: UnitOfWork, booked: Booked | None) -> bool:
    """Whether recording it opened an alert: our own unbooked refund does not."""
    alerts = uow.alerts.of_subject(booked.attempt_id) if booked is not None else ()
    return any(alert.kind == AlertKind.CANCELLED_ELSEWHERE for alert in alerts)


@dataclass(frozen=True, slots=True)
class _Notice:
    """The alert for an operator about a payment."""

    kind: FindingKind
    alert: AlertKind
    facts: Facts
    payment: GatewayPayment


def _notice(known: Known, payment: GatewayPayment, found: Match) -> _Notice:
    """It contains no value that changes between reads, so that the same finding opens one alert."""
    number = read_merchant_uid(payment.merchant_uid)
    if found is Match.ORPHAN and number is not None:
        return _orphan(payment, number)
    issued = known.issued.get(payment.customer_uid or "")
    if found is Match.ISSUED_TWICE and issued is not None:
        facts = facts_of_another_issue(payment, issued.key_id, issued.imp_uid)
        return _Notice(FindingKind.ISSUED_TWICE, AlertKind.ISSUED_TWICE, facts, payment)
    facts = {"money": str(payment.money), "order": payment.merchant_uid}
    return _Notice(FindingKind.FOREIGN_PAYMENT, AlertKind.FOREIGN_PAYMENT, facts, payment)


def _orphan(payment: GatewayPayment, number: OrderNumber) -> _Notice:
    facts: Facts = {
        "money": str(payment.money),
        "order": payment.merchant_uid,
        "period": number.period_index,
        "subscription": number.owner_id,
    }
    return _Notice(FindingKind.ORPHAN_PAYMENT, AlertKind.ORPHAN_PAYMENT, facts, payment)


def alert_unreadable(ports: Ports, row: Unreadable) -> Finding | None:
    """Alert an operator to one of our payments that cannot be read exactly; None if foreign, or if it has its alert."""
    with ports.database.transaction() as uow:
        number = read_merchant_uid(row.merchant_uid)
        invoice_id = uow.invoices.with_merchant_uid(row.merchant_uid) if row.merchant_uid else None
        ours = invoice_id is not None or (number is not None and number.environment == ports.environment)
        subject, facts = row.imp_uid or row.merchant_uid, {"order": row.merchant_uid, "problem": row.problem}
        if not ours or uow.alerts.has(AlertKind.UNREADABLE_PAYMENT, subject, facts):
            return None
        moment = ports.clock.moment()
        kept = uow.keep_evidence(None, row.evidence, moment.real)
        uow.alerts.open(AlertKind.UNREADABLE_PAYMENT, subject, facts, moment, evidence_id=kept)
        uow.commit()
    actions = RULES[AlertKind.UNREADABLE_PAYMENT].actions
    return Finding(FindingKind.UNREADABLE_PAYMENT, row.imp_uid, row.merchant_uid, invoice_id, "alert opened", actions)


def _alert(uow: UnitOfWork, notice: _Notice, evidence: Evidence | None, moment: Moment) -> Finding:
    payment, facts = notice.payment, notice.facts
    kept = uow.keep_evidence(None, evidence, moment.real) if evidence else None
    match notice.alert:
        case AlertKind.ORPHAN_PAYMENT:
            uow.alerts.open(AlertKind.ORPHAN_PAYMENT, payment.imp_uid, facts, moment, evidence_id=kept)
        case AlertKind.ISSUED_TWICE:
            uow.alerts.open(AlertKind.ISSUED_TWICE, payment.imp_uid, facts, moment, evidence_id=kept)
        case _:
            uow.alerts.open(AlertKind.FOREIGN_PAYMENT, payment.imp_uid, facts, moment, evidence_id=kept)
    actions = RULES[notice.alert].actions
    return Finding(notice.kind, payment.imp_uid, payment.merchant_uid, None, "alert opened", actions)


def _was_alerted(ports: Ports, uow: UnitOfWork, payment: GatewayPayment) -> bool:
    """Whether the same finding already had its alert."""
    known = uow.comparisons.known([payment])
    found = match(known, payment, ports.environment)
    if found is Match.PHANTOM:
        return False  # only a read shows whether it lasts
    if found is Match.FOREIGN and uow.shadow.keys_in_shadow([payment.customer_uid or ""], everything=ports.shadow):
        return True  # the old biller's, which the comparison of its day looks at
    if found is Match.RECORD:
        return _mismatch_was_alerted(uow, uow.lock_invoice(known.invoices[payment.merchant_uid]), payment)
    return _notice_was_alerted(uow, _notice(known, payment, found))


def _notice_was_alerted(uow: UnitOfWork, notice: _Notice) -> bool:
    return uow.alerts.has(notice.alert, notice.payment.imp_uid, notice.facts)


def _mismatch_was_alerted(uow: UnitOfWork, locked: LockedInvoice, payment: GatewayPayment) -> bool:
    """Whether this mismatch already had its alert.

    Recording such a payment changes nothing, so only the alert shows it.
    """
    nothing = Evidence("portone", "list", None, "")
    for attempt in locked.attempts:
        concerned = attempt.imp_uid == payment.imp_uid or (
            attempt.status is AttemptStatus.UNKNOWN and attempt.merchant_uid == payment.merchant_uid
        )
        if concerned:
            outcome = judge(locked.about(attempt).request, payment, nothing)
            facts = {"reason": outcome.reason} if isinstance(outcome, Unknown) else None
            if facts is not None and uow.alerts.has(AlertKind.MISMATCH, attempt.id, facts):
                return True
    return False
