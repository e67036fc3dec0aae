"""After an issue that replaces a key: its subscriptions are charged to the new one, and the old one may be deleted."""

from contextlib import suppress

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.key_call import CallStatus
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.subscription.replace_key import replace_key

REPLACED = "replaced by another key"


def follow(ports: Ports, call_id: str) -> None:
    """Move the subscriptions of the replaced key, each in its own transaction; a repeat moves the rest.

    Does nothing while the new key is not active. A subscription whose price the new key's PG does not charge stays.
    """
    with ports.database.transaction() as uow:
        call = uow.key_calls.get(call_id)
        key = uow.keys.get(call.key_id)
        if not call.is_open or call.replaces is None or key.status is not KeyStatus.ACTIVE:
            return
        found = uow.subscriptions.of_key(call.replaces)
    staying = []
    for subscription in found:
        if subscription.status is SubscriptionStatus.CANCELED:
            continue
        try:
            with suppress(Conflict):  # canceled meanwhile
                replace_key(ports, subscription.id, key.id)
        except InvalidInput as error:
            staying.append(f"{subscription.id} stays: {error.problem}")
    if call.deletes_replaced and not staying:
        try:
            request_delete(ports, call.replaces, REPLACED)
        except Conflict as error:
            _wait(ports, call_id, str(error))
            return
    with ports.database.transaction() as uow:
        uow.keys.lock(key.id)
        call = uow.key_calls.get(call_id)
        if call.is_open:
            call.end(CallStatus.DONE, ports.clock.moment().real, "; ".join(staying)[:500] or None)
            uow.key_calls.save(call)
            uow.commit()


def _wait(ports: Ports, call_id: str, why: str) -> None:
    """Try again later: a charge is still under way on the old key."""
    with ports.database.transaction() as uow:
        call = uow.key_calls.get(call_id)
        uow.keys.lock(call.key_id)
        call = uow.key_calls.get(call_id)
        if call.is_open:
            call.note = why
            call.look_again(ports.timing.next_look(call.looks, ports.clock.moment().real))
            uow.key_calls.save(call)
            uow.commit()
