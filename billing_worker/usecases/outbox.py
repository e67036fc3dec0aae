"""Deliver events to the merchant. They were written together with the state that they tell of."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.ports import Ports

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=6)


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim events to deliver; none where the merchant named no receiver (then they are kept, and shown by `why`)."""
    if ports.notifier is None:
        return ()
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        ids = uow.outbox.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def deliver(ports: Ports, message_id: str) -> None:
    """Send one event; on trouble try again later, for as long as it takes, in the order of each subject."""
    if ports.notifier is None:
        return
    with ports.database.transaction() as uow:
        message = uow.outbox.get(message_id)
    if message.delivered_at is not None:
        return
    message.next_try_at = ports.clock.real_now()  # signed as the time of sending
    trouble = ports.notifier.send(message)
    with ports.database.transaction() as uow:
        message = uow.outbox.get(message_id)
        real_now = ports.clock.real_now()
        message.tries += 1
        message.note = trouble
        if trouble is None:
            message.delivered_at = real_now
        else:
            message.next_try_at = real_now + min(FIRST_WAIT * 2 ** min(message.tries - 1, 20), LONGEST_WAIT)
        uow.outbox.save(message)
        uow.commit()
