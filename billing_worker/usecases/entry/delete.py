"""Delete a billing key: at PortOne first, then here. PortOne keeps the schedules of a deleted key."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.key_call import (
    LONGEST_REASON,
    LONGEST_REQUESTER,
    CallKind,
    CallStatus,
    KeyCall,
)
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.control.environment import is_elsewhere
from billing_worker.usecases.key.reactivate import lock_what_charges, was_never_paid_for

MOST_NAMED = 5
NOT_AT_PORTONE = frozenset({CallStatus.REFUSED, CallStatus.TAKEN})
"""How an issue ended that stored nothing of ours at PortOne. A key of that name there belongs to another system."""


def request_delete(ports: Ports, key_id: str, reason: str, requester: str | None = None) -> str | None:
    """Store the intent; the key is not charged from now on. Returns the id of the call.

    None if PortOne need not be asked: the key is deleted, or was never there. Raises NotFound, InvalidInput, or
    Conflict while a subscription or a single payment still collects with the key, and in a copy of the database.
    """
    reason = entered("reason", reason, LONGEST_REASON)
    requester = requester and entered("requester", requester, LONGEST_REQUESTER)
    with ports.database.transaction() as uow:
        if is_elsewhere(ports, uow):
            problem = "this database is not the claimed one, so nothing is changed at PortOne"
            raise Conflict(problem, field="environment")
        lock_what_charges(uow, key_id)
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        calls = uow.key_calls.of_key(key_id)
        under_way = next((call for call in calls if call.is_open), None)
        if key.status is KeyStatus.DELETED:
            return None
        if under_way is not None and under_way.kind is CallKind.DELETE:
            return under_way.id
        if under_way is not None:
            raise Conflict(f"billing key {key_id} is being issued; wait until that is known")
        _refuse_used(uow, key_id)
        is_ours = not _was_never_ours(uow, key, calls)
        if key.invalidate(f"deleted: {reason}"):
            uow.announce([of_key(EventType.BILLING_KEY_INVALID, key, reason=key.invalid_reason)], moment)
        uow.alerts.close(AlertKind.KEY_PENDING, key_id, moment)
        note(ports, uow, Verb.KEY_DELETE_REQUESTED, key_id, reason, at=moment.real)
        if not is_ours:
            key.move_to(KeyStatus.DELETED)
            call_id = None
        else:
            call_id = ports.ids.new("kc")
            uow.key_calls.add(
                KeyCall(
                    id=call_id,
                    key_id=key_id,
                    kind=CallKind.DELETE,
                    status=CallStatus.OPEN,
                    created_at=moment.billing,
                    lease_until=moment.real,
                    next_step_at=moment.real + timedelta(seconds=1),
                    reason=reason,
                    requester=requester or None,
                )
            )
        uow.keys.save(key)
        uow.commit()
    return call_id


def _was_never_ours(uow: UnitOfWork, key: BillingKey, calls: Sequence[KeyCall]) -> bool:
    """Whether a key of this name at PortOne, if there is one, is not ours: its issue or first payment made none."""
    if calls:
        return calls[-1].kind is CallKind.ISSUE and calls[-1].status in NOT_AT_PORTONE
    return was_never_paid_for(uow, key)


def _refuse_used(uow: UnitOfWork, key_id: str) -> None:
    used = uow.keys.charging(key_id)
    if used:
        named = ", ".join(used[:MOST_NAMED]) + (f" and {len(used) - MOST_NAMED} more" if len(used) > MOST_NAMED else "")
        way_out = (
            "give them another key (subscription set-key, or remove-fallback), cancel them (also single payments), or"
            " wait for charges"
        )
        raise Conflict(f"billing key {key_id} still pays for {named}: {way_out}")
