"""Find out what became of an attempt whose answer is missing or unclear, by reading the gateway's books.

An attempt leaves `unknown` only by what the gateway shows: never because time passed, never by charging again. That
nothing was placed is believed only after two reads, a settle window apart, found nothing, while a read of something
that must be there (the control read) found it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.domain.proof import judge_all
from billing_worker.ports import Ports
from billing_worker.usecases.record import apply

HUMAN_AFTER = timedelta(hours=24)
"""An answer that the gateway has not shown for this long needs a person beside the reads that go on."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What the reads need to know, taken before the network is touched."""

    request: ChargeRequest
    settled_imp_uids: frozenset[str]
    control_imp_uid: str | None
    still_in_flight: bool


class _Absent:
    """The gateway shows nothing of this attempt, and the control read proves that it would."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim open attempts whose next look has come."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        lease = real_now + timedelta(seconds=ports.timing.claim)
        ids = uow.attempts.claim_looks(real_now, lease, limit)
        uow.commit()
    return ids


def open_attempts(ports: Ports) -> Sequence[str]:
    """Ids of all open attempts, oldest first, whether their next look has come or not."""
    with ports.database.transaction() as uow:
        return uow.attempts.open_ids()


def reconcile(ports: Ports, attempt_id: str) -> None:
    """Look once: read the gateway and record what it proves, or plan the next look."""
    question = _question(ports, attempt_id)
    if question is None:
        return
    finding = _read(ports, question)
    _conclude(ports, attempt_id, finding)


def _question(ports: Ports, attempt_id: str) -> _Question | None:
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        charge = uow.lock_charge(attempt_id)
        attempt = charge.attempt
        if not attempt.is_open:
            return None
        if attempt.status is AttemptStatus.IN_FLIGHT and attempt.lease_until <= real_now:
            # From here on the worker that placed the call, if it still lives, can write nothing.
            attempt.fence += 1
            attempt.move_to(AttemptStatus.UNKNOWN, ports.clock.now())
            attempt.reason = "no answer was recorded before the lease ended"
        attempt.looks += 1
        others = [a for a in uow.attempts.of_invoice(charge.invoice.id) if a.id != attempt.id]
        uow.attempts.save(attempt)
        question = _Question(
            request=charge.request,
            settled_imp_uids=frozenset(other.imp_uid for other in others if other.imp_uid),
            control_imp_uid=uow.attempts.known_imp_uid(charge.invoice.id),
            still_in_flight=attempt.status is AttemptStatus.IN_FLIGHT,
        )
        uow.commit()
    return question


def _read(ports: Ports, question: _Question) -> Outcome | _Absent | None:
    """What the gateway's books say; None where the call may still be under way and nothing is there yet."""
    listing = ports.gateway.payments_of(question.request.merchant_uid)
    if listing.trouble is not None:
        return None if question.still_in_flight else Unknown(f"the gateway could not be read: {listing.trouble}")
    finding = judge_all(question.request, listing.payments, question.settled_imp_uids)
    if finding is not None:
        return finding
    if question.still_in_flight:
        return None
    if not _control(ports, question):
        return Unknown("the gateway shows no payment, but it does not show what must be there either")
    return _Absent()


def _control(ports: Ports, question: _Question) -> bool:
    if question.control_imp_uid is not None:
        return bool(ports.gateway.payment(question.control_imp_uid).payments)
    # Nothing was ever charged here: that the gateway knows the key at least proves whose books these are.
    return ports.gateway.knows_key(question.request.customer_uid) is True


def _conclude(ports: Ports, attempt_id: str, finding: Outcome | _Absent | None) -> None:
    now, real_now = ports.clock.now(), ports.clock.real_now()
    with ports.database.transaction() as uow:
        charge = uow.lock_charge(attempt_id)
        attempt = charge.attempt
        if not attempt.is_open:
            return
        settled = timedelta(seconds=ports.timing.settle_window)
        if finding is None:
            attempt.next_look_at = min(ports.timing.next_look(attempt.looks, real_now), attempt.lease_until)
            uow.attempts.save(attempt)
        elif isinstance(finding, _Absent):
            if attempt.absent_since is None:
                attempt.absent_since = real_now
            if real_now - attempt.absent_since < settled:
                attempt.next_look_at = attempt.absent_since + settled
                uow.attempts.save(attempt)
            else:
                reason = "the gateway never had it: two reads, a settle window apart, found nothing"
                apply(ports, uow, charge, Failed(reason, new_merchant_uid=attempt.refused))
        else:
            apply(ports, uow, charge, finding)
        if attempt.is_open and real_now - attempt.lease_until > HUMAN_AFTER:
            detail = f"no answer for a day; last: {attempt.reason}. Look up {attempt.merchant_uid} in PortOne's console"
            uow.alerts.open("unknown", attempt.id, detail, now)
        uow.commit()
