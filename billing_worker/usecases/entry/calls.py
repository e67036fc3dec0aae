"""Find out what became of a call about a key: by reads, never by a second issue.

An issue was preceded by a read that found no key under its customer_uid, so a key that a later read finds is the one
that was issued. Absence is concluded as for a charge: from two reads a settle window apart, while the gateway shows
what must be there.
"""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.billing_key import BillingKey, KeyStatus, KeyWait
from billing_worker.domain.card_entry import Deleted, NotDeleted
from billing_worker.domain.key_call import CallKind, CallStatus, KeyCall
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.environment import is_elsewhere
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.entry.replace import follow
from billing_worker.usecases.entry.result import conclude_deletion, conclude_issue, lock_for_result, wait_for_result

NEVER_SENT = "nothing was stored: the process ended before the card was sent. Issue it again under a new customer_uid"
NEVER_STORED = "PortOne never stored it: two reads, a settle window apart, found no key. Issue it again"


def delete_key(ports: Ports, key_id: str, reason: str, requester: str | None = None) -> BillingKey:
    """Delete a key and wait for the answer; an unclear one leaves it to the worker. Raises as `request_delete`."""
    call_id = request_delete(ports, key_id, reason, requester)
    if call_id is not None:
        step(ports, call_id)
    with ports.database.transaction() as uow:
        return uow.keys.get(key_id)


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim open calls whose next step is due; none in a copy of the database, whose original serves them."""
    with ports.database.transaction() as uow:
        if is_elsewhere(ports, uow):
            return []
        real_now = ports.clock.moment().real
        ids = uow.key_calls.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def step(ports: Ports, call_id: str) -> str | None:
    """Take the next step of a call; returns the id of a key that may be charged from now on.

    No process but the one that wrote the call down acts before its lease has ended.
    """
    found = _take(ports, call_id)
    if found is None:
        return None
    call, key = found
    if call.kind is CallKind.DELETE:
        _delete(ports, call, key)
        return None
    if key.status is KeyStatus.PENDING:
        return _resolve(ports, call, key)
    follow(ports, call_id)
    return None


def _take(ports: Ports, call_id: str) -> tuple[KeyCall, BillingKey] | None:
    with ports.database.transaction() as uow:
        key = lock_for_result(uow, uow.key_calls.get(call_id).key_id)
        call = uow.key_calls.get(call_id)
        moment = ports.clock.moment()
        if not call.is_open:
            return None
        if call.lease_until > moment.real:
            call.next_step_at = call.lease_until
            uow.key_calls.save(call)
            uow.commit()
            return None
        was_sent = call.sent
        if call.kind is CallKind.DELETE:
            # Two calls: a read, and the deletion.
            call.sent, call.lease_until = True, moment.real + timedelta(seconds=2 * ports.timing.http_deadline)
            call.next_step_at = call.lease_until
        elif key.status is KeyStatus.PENDING and not was_sent:
            conclude_issue(uow, key, call, CallStatus.REFUSED, moment, NEVER_SENT)
        uow.key_calls.save(call)
        uow.commit()
    call.sent = was_sent
    return (call, key) if call.is_open else None


def _resolve(ports: Ports, call: KeyCall, key: BillingKey) -> str | None:
    """Read once whether PortOne has stored the card."""
    began_at = ports.clock.moment().real
    reading = ports.gateway.read_key(key.customer_uid)
    known = reading.known
    control = known is not False or _shows_the_rest(ports)
    with ports.database.transaction() as uow:
        key, found = lock_for_result(uow, key.id), uow.key_calls.get(call.id)
        moment = ports.clock.moment()
        if not found.is_open or key.status is not KeyStatus.PENDING:
            return None
        if reading.stored is not None:
            key.card = reading.stored.card
            conclude_issue(uow, key, found, CallStatus.DONE, moment)
        elif known is False and control:
            window = ports.timing.settle_window_of(key.pg_provider)
            if found.shows_nothing(began_at, window):
                conclude_issue(uow, key, found, CallStatus.ABSENT, moment, NEVER_STORED)
            else:
                key.waits_for = KeyWait.NOT_STORED
                wait_for_result(ports, uow, found, "unreadable", moment)
                settled = (found.absent_since or began_at) + window
                found.next_step_at = min(found.next_step_at or settled, max(settled, moment.real))
        else:
            key.waits_for = KeyWait.UNREADABLE
            wait_for_result(ports, uow, found, "unreadable", moment)
        uow.keys.save(key)
        uow.key_calls.save(found)
        uow.commit()
    return key.id if known and found.status is not CallStatus.OPEN else None


def _shows_the_rest(ports: Ports) -> bool:
    """Control read: whether the gateway shows a payment that must be there. Without one, nothing contradicts it."""
    with ports.database.transaction() as uow:
        imp_uid = uow.attempts.known_imp_uid("")
    return imp_uid is None or ports.gateway.shows(imp_uid)


def _delete(ports: Ports, call: KeyCall, key: BillingKey) -> None:
    """Delete the key at PortOne. After an unclear answer, a read comes first; a repeated deletion does no harm."""
    known = ports.gateway.read_key(key.customer_uid).known if call.sent else True
    answer = ports.gateway.delete_key(key.customer_uid, call.reason or "", call.requester) if known else None
    gone = known is False and _shows_the_rest(ports)
    with ports.database.transaction() as uow:
        key, found = uow.keys.lock(key.id), uow.key_calls.get(call.id)
        moment = ports.clock.moment()
        if not found.is_open:
            return
        if answer is not None and answer.evidence is not None:
            found.evidence_id = uow.keep_evidence(None, answer.evidence, moment.real)
        if gone or isinstance(answer, Deleted):
            conclude_deletion(uow, key, found, moment)
        elif isinstance(answer, NotDeleted):
            found.end(CallStatus.REFUSED, moment.real, answer.reason)
            key.invalid_reason = f"it is not charged, and PortOne did not delete it: {answer.reason}"
            uow.keys.save(key)
        else:
            found.note = answer.reason if answer is not None else "PortOne could not be read"
            wait_for_result(ports, uow, found, "deleting", moment)
        uow.key_calls.save(found)
        uow.commit()
