"""Resolve an attempt whose answer is missing or unclear, by reading the gateway's books.

Only a read of the gateway moves an attempt out of `unknown`: never the passing of time, never another charge. Only two
reads without a payment, a settle window apart, prove that nothing was placed, each with a control read that shows a
known payment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.invoice import AttemptStatus, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.domain.proof import judge_all, may_have_made, speaks_of
from billing_worker.domain.schedule import ScheduleReading
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.schedule.running import waits_for_portone
from billing_worker.usecases.settle.record import record_outcome, record_payment

HUMAN_AFTER = timedelta(hours=24)
"""After this time without an outcome, an alert opens for an operator. The reads go on."""


@dataclass(frozen=True, slots=True)
class _Question:
    """The data for the reads, taken before any network call."""

    request: ChargeRequest
    attempt: PaymentAttempt
    settled_imp_uids: frozenset[str]
    control_imp_uid: str | None

    @property
    def still_in_flight(self) -> bool:
        """Whether a worker may still hold the call."""
        return self.attempt.status is AttemptStatus.IN_FLIGHT


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading the gateway's books."""

    listing: Listing
    began_at: datetime
    """Real time before the first byte was sent: two overlapping reads count as one."""
    control: bool = False
    """Whether the control read found its payment. It begins after the listing has shown nothing new: otherwise an
    outage that began in between would pass for absence."""
    schedule: ScheduleReading | None = None
    """The schedule by which PortOne charges, read after the listing has shown nothing new."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim open attempts whose next look is due."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        lease = real_now + timedelta(seconds=ports.timing.claim)
        ids = uow.attempts.claim_looks(real_now, lease, limit)
        uow.commit()
    return ids


def open_attempts(ports: Ports) -> Sequence[str]:
    """Ids of all open attempts, oldest first, even if their next look is not due."""
    with ports.database.transaction() as uow:
        return uow.attempts.open_ids()


def reconcile(ports: Ports, attempt_id: str) -> None:
    """Look once: read the gateway and record what it proves, or plan the next look."""
    question = _question(ports, attempt_id)
    if question is None:
        return
    reading = _read(ports, question)
    _conclude(ports, attempt_id, question, reading)


def _question(ports: Ports, attempt_id: str) -> _Question | None:
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(attempt_id)
        moment, attempt = ports.clock.moment(), settlement.attempt
        if not attempt.is_open:
            return None
        if attempt.status is AttemptStatus.IN_FLIGHT and attempt.lease_until <= moment.real:
            # From here on, the worker that placed the call can write nothing, even if it still lives.
            attempt.fence += 1
            attempt.move_to(AttemptStatus.UNKNOWN, moment.billing)
            attempt.reason = "no answer was recorded before the lease ended"
        attempt.looks += 1
        others = [a for a in settlement.attempts if a.id != attempt.id]
        uow.attempts.save(attempt)
        question = _Question(
            request=settlement.request,
            attempt=attempt,
            settled_imp_uids=frozenset(other.imp_uid for other in others if other.imp_uid),
            control_imp_uid=uow.attempts.known_imp_uid(settlement.invoice.id),
        )
        uow.commit()
    return question


def _read(ports: Ports, question: _Question) -> _Reading:
    began_at = ports.clock.moment().real
    listing = ports.gateway.payments_of(question.request.merchant_uid)
    shows_new = any(
        payment.imp_uid not in question.settled_imp_uids
        and speaks_of(question.request, payment)
        and may_have_made(question.attempt, payment)
        for payment, _ in listing.payments
    )
    if listing.trouble is not None or shows_new or question.still_in_flight:
        return _Reading(listing, began_at)
    schedule = ports.gateway.read_schedule(question.request.merchant_uid) if question.attempt.scheduled else None
    return _Reading(listing, began_at, control=_control(ports, question), schedule=schedule)


def _control(ports: Ports, question: _Question) -> bool:
    if question.control_imp_uid is not None:
        return ports.gateway.shows(question.control_imp_uid)
    # Nothing was ever charged here. A known key at least proves that these are the right books.
    return ports.gateway.read_key(question.request.customer_uid).known is True


def _conclude(ports: Ports, attempt_id: str, question: _Question, reading: _Reading) -> None:
    with ports.database.transaction() as uow:
        settlement = uow.lock_settlement(attempt_id)
        moment, attempt = ports.clock.moment(), settlement.attempt
        if not attempt.is_open:
            return
        finding = _finding(ports, uow, settlement, reading, moment)
        if finding is None and question.still_in_flight:
            # The call may still be under way: a missing payment proves nothing yet.
            attempt.next_look_at = min(ports.timing.next_look(attempt.looks, moment.real), attempt.lease_until)
            uow.attempts.save(attempt)
        else:
            outcome = (
                finding or _waits(uow, settlement, reading, moment) or _absence(ports, settlement, reading, moment.real)
            )
            record_outcome(ports, uow, settlement, outcome, moment)
            _record_others(ports, uow, settlement, reading, moment)
        if attempt.is_open and moment.real - attempt.lease_until > HUMAN_AFTER:
            _alert(uow, attempt, reading, moment)
        uow.commit()


def _alert(uow: UnitOfWork, attempt: PaymentAttempt, reading: _Reading, moment: Moment) -> None:
    """Open the alert, with the last answer as evidence, stored once while it stays the same."""
    facts: Facts = {"order": attempt.merchant_uid, "reason": attempt.reason}
    here = uow.alerts.of_subject(attempt.id)
    if any(alert.kind == AlertKind.UNKNOWN and alert.facts == facts for alert in here):
        return
    said = reading.listing.evidence
    kept = uow.keep_evidence(attempt.id, said, moment.real) if said else attempt.evidence_id
    uow.alerts.open(AlertKind.UNKNOWN, attempt.id, facts, moment, evidence_id=kept)


def _finding(
    ports: Ports, uow: UnitOfWork, settlement: Settlement, reading: _Reading, moment: Moment
) -> Outcome | None:
    """The outcome that the listing proves for this attempt. Payments of earlier attempts go to those first."""
    if reading.listing.trouble is not None:
        return Unknown(f"the gateway could not be read: {reading.listing.trouble}")
    owned = {a.imp_uid for a in settlement.attempts if a.imp_uid and a.id != settlement.attempt.id}
    for payment, evidence in reading.listing.payments:
        if payment.imp_uid in owned and payment.holds_money:
            record_payment(ports, uow, settlement, payment, evidence, moment=moment)
    settling = {a.imp_uid for a in settlement.attempts if a.status is AttemptStatus.APPROVED}
    rest = [
        seen
        for seen in reading.listing.payments
        if seen[0].imp_uid not in settling and may_have_made(settlement.attempt, seen[0])
    ]
    return judge_all(settlement.request, rest, owned)


def _record_others(ports: Ports, uow: UnitOfWork, settlement: Settlement, reading: _Reading, moment: Moment) -> None:
    """Record other money in the listing: a second payment, or one placed by another program or a clerk."""
    if settlement.attempt.is_open:
        return
    known = {attempt.imp_uid for attempt in settlement.attempts}
    for payment, evidence in reading.listing.payments:
        if payment.holds_money and payment.imp_uid not in known:
            record_payment(ports, uow, settlement, payment, evidence, moment=moment)


def _waits(uow: UnitOfWork, settlement: Settlement, reading: _Reading, moment: Moment) -> Outcome | None:
    if reading.schedule is None:
        return None
    return waits_for_portone(uow, settlement, reading.schedule, moment)


def _absence(ports: Ports, settlement: Settlement, reading: _Reading, real_now: datetime) -> Outcome:
    """Judge a missing payment: proven only with the control read, and by the second read, a settle window later."""
    attempt = settlement.attempt
    if not reading.control:
        return Unknown("the gateway shows no payment, but it does not show what must be there either")
    attempt.absent_since = attempt.absent_since or real_now
    settled = reading.began_at - attempt.absent_since >= ports.timing.settle_window_of(settlement.key.pg_provider)
    if attempt.refused and not reading.listing.payments:
        # The gateway refuses the id as used, but shows no payment under it: one of both is wrong, and a new id could
        # charge twice.
        reason = "the gateway refuses the merchant_uid as used, but shows no payment under it"
        return Unknown(reason, alarming=settled)
    if not settled:
        return Unknown("the gateway shows no payment so far")
    reason = "the gateway never had it: two reads, a settle window apart, found nothing"
    ran = reading.schedule.schedule if reading.schedule is not None else None
    if ran is not None and ran.fail_reason is not None:
        reason += f"; its schedule says: {ran.fail_reason}"
    return Failed(reason, new_merchant_uid=attempt.refused)
