"""Tell the operator of alerts by chat and by mail: all that changed since the last message, in one message.

The delivery is three short acts like a charge: take what waits, send it, record the result. At least once: a worker
that dies between the delivery and its record lets the next one tell the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.alert_digest import KEPT_FOR, LATELY, MOST_AT_ONCE, AlertChannel, digest, is_news
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.delivery import LEASE, SENDING, Endpoint
from billing_worker.ports.alert_digest import Alerting, AlertMessage, AlertMessenger
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outgoing import Refusal
from billing_worker.ports.storage import UnitOfWork

FORGOTTEN_AT_ONCE = 500
"""Old changes that one scan deletes."""

NEVER = timedelta.max
"""A channel is tried for ever, at most ten minutes apart."""


def due(ports: Ports, _limit: int) -> Sequence[str]:
    """The channels that are told now. What an earlier setting left is let go in time."""
    messengers = ports.alerting.messengers if ports.alerting is not None else {}
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        lease_until = moment.real + timedelta(seconds=ports.timing.claim)
        found: list[str] = []
        if messengers:
            uow.alert_changes.begin(messengers)
        for channel, messenger in messengers.items():
            if _is_due(uow, channel, messenger, moment.real, lease_until):
                found.append(channel)
        uow.alert_changes.forget(moment.real - KEPT_FOR, moment.real - ports.delivering.keep, FORGOTTEN_AT_ONCE)
        uow.commit()
    return found


def alert(ports: Ports, channel: str) -> None:
    """Send one message by this channel, if something waits; on trouble try again later."""
    if ports.alerting is None or AlertChannel(channel) not in ports.alerting.messengers:
        return
    sending = _take(ports, ports.alerting, AlertChannel(channel))
    if sending is None:
        return
    at = ports.clock.moment().real
    if at + SENDING > sending.until:
        # This process stalled: when the delivery ends, another worker may tell the same.
        return
    _note(ports, sending, sending.messenger.send(sending.message, at))


@dataclass(frozen=True, slots=True)
class _Sending:
    """A message that this worker sends."""

    channel: AlertChannel
    messenger: AlertMessenger
    message: AlertMessage
    numbers: Sequence[int]
    """The changes in it."""
    fence: int
    until: datetime


def _is_due(
    uow: UnitOfWork, channel: AlertChannel, messenger: AlertMessenger, real_now: datetime, lease_until: datetime
) -> bool:
    """Whether the channel is told now; if so, it is leased to the caller."""
    waiting = uow.alert_changes.waiting_kinds(channel)
    if not waiting:
        return False
    pace = uow.alert_changes.lock_pace(channel)
    lately = uow.alert_changes.kinds_since(channel, real_now - LATELY)
    news = is_news([kind for kind, opens in waiting.items() if opens], lately)
    if not pace.is_its_turn(real_now, news=news):
        return False
    endpoint = _endpoint(uow, messenger, real_now)
    if not endpoint.allowance(0, 1, real_now):
        return False
    endpoint.handed_out([channel], 1, 1, lease_until)
    uow.endpoints.save(endpoint)
    pace.lease_until = lease_until
    uow.alert_changes.save_pace(pace)
    return True


def _endpoint(uow: UnitOfWork, messenger: AlertMessenger, real_now: datetime) -> Endpoint:
    """The health of the channel's address, locked. A new address has no history."""
    address = messenger.address
    if uow.endpoints.find(address.id) is None:
        uow.endpoints.add(Endpoint(address.id, address.shown, real_now))
    return uow.endpoints.lock(address.id)


def _take(ports: Ports, alerting: Alerting, channel: AlertChannel) -> _Sending | None:
    """Act one: read what waits, and put it into words as it stands now."""
    with ports.database.transaction() as uow:
        pace = uow.alert_changes.lock_pace(channel)
        real_now = ports.clock.moment().real
        if pace.sending_until is not None and pace.sending_until > real_now:
            return None
        changes = uow.alert_changes.waiting(channel, MOST_AT_ONCE)
        if not changes:
            return None
        told, until = digest(changes), real_now + LEASE
        pace.begin(until)
        whole = [uow.alerts.get(ident) for ident in told.whole]
        message = alerting.wording.words(f"alerts_{channel}_{pace.fence}", told, whole)
        uow.alert_changes.save_pace(pace)
        uow.commit()
    numbers = [each.number for each in changes]
    return _Sending(channel, alerting.messengers[channel], message, numbers, pace.fence, until)


def _note(ports: Ports, sending: _Sending, refusal: Refusal | None) -> None:
    """Act three. A success always counts; a refusal counts only while this worker owns the channel."""
    with ports.database.transaction() as uow:
        pace = uow.alert_changes.lock_pace(sending.channel)
        moment = ports.clock.moment()
        if pace.fence != sending.fence and refusal is not None:
            return
        endpoint = _endpoint(uow, sending.messenger, moment.real)
        if refusal is None:
            uow.alert_changes.note_sent(sending.numbers, moment.real)
            endpoint.took(moment.real)
            uow.alerts.close(AlertKind.ALERTS_UNDELIVERED, sending.channel, moment)
        else:
            wait = refusal.retry_after
            endpoint.refused(sending.message.id, refusal.trouble, moment.real, disable_after=NEVER, retry_after=wait)
            if endpoint.is_down:
                facts = {"url": endpoint.url, "trouble": refusal.trouble}
                uow.alerts.open(AlertKind.ALERTS_UNDELIVERED, sending.channel, facts, moment)
        if pace.fence == sending.fence:
            pace.end(moment.real, taken=refusal is None)
            uow.alert_changes.save_pace(pace)
        uow.endpoints.save(endpoint)
        uow.commit()
