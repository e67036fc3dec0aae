"""Deliver notices to customers: claim, look again whether it is still true, send, record. At least once.

A worker that dies between the delivery and its record sends the notice again, under the same id: the `Message-ID` of a
mail, the `webhook-id` of a webhook. Notices of one invoice on one channel leave in the order of writing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.delivery import LEASE, SENDING, Endpoint, next_try
from billing_worker.domain.errors import NotFound, TemplateInvalid
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import STALE_AFTER, Channel, Notice, NoticeStatus
from billing_worker.domain.notices.truth import Drop, Later
from billing_worker.ports.bundle import Ports
from billing_worker.ports.notices import Letter, Messenger, Noticing
from billing_worker.ports.outgoing import Refusal
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.notice.contents import Contents, contents_of
from billing_worker.usecases.notice.foresee import foresee
from billing_worker.usecases.notice.matter import Matter, matter_of

BEHIND = timedelta(seconds=5)
"""A notice behind an earlier one of its subject looks again so soon."""

FORGOTTEN_AT_ONCE = 500
"""Old notices that one scan deletes."""

NEVER = timedelta.max
"""A mail server that is down is tried for ever: what is too old by then is dropped one by one."""

STALE = f"could not be sent within {STALE_AFTER.days} days"
NO_ADDRESS = "no address: the billing key has no e-mail"


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Write what the calendar foresees, and claim notices to send; none without a channel."""
    if ports.noticing is None:
        return ()
    foresee(ports, ports.noticing)
    ids: list[str] = []
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        real_now, lease_until = moment.real, moment.real + timedelta(seconds=ports.timing.claim)
        for channel, messenger in ports.noticing.messengers.items():
            endpoint = _endpoint(uow, messenger, real_now)
            allowed = endpoint.allowance(uow.notices.under_way(channel, real_now), limit, real_now)
            claimed = list(uow.notices.claim_due(channel, real_now, lease_until, allowed)) if allowed else []
            if allowed and not claimed and endpoint.is_down:
                # All that waits was refused and has a later time. The channel may be well long before.
                claimed = list(uow.notices.claim_early(channel, real_now, lease_until))
            if allowed:
                endpoint.handed_out(claimed, allowed, limit, lease_until)
            uow.endpoints.save(endpoint)
            ids += claimed
        uow.notices.forget(real_now - ports.delivering.keep, FORGOTTEN_AT_ONCE)
        uow.commit()
    return ids


def send(ports: Ports, notice_id: str) -> None:
    """Send one notice, if it is still true and its turn; on trouble try again later, for three days."""
    if ports.noticing is None:
        return
    sending = _take(ports, ports.noticing, notice_id)
    if sending is None:
        return
    at = ports.clock.moment().real
    if at + SENDING > sending.until:
        # This process stalled: when the delivery ends, another worker may own the notice.
        return
    _note(ports, sending, _hand_over(ports.noticing, sending, at))


@dataclass(frozen=True, slots=True)
class _Sending:
    """A notice that this worker sends."""

    notice: Notice
    messenger: Messenger
    contents: Contents
    until: datetime
    before: bool
    """Whether an earlier delivery of it may have arrived."""


def _endpoint(uow: UnitOfWork, messenger: Messenger, real_now: datetime) -> Endpoint:
    """The health of a channel, locked. A new address has no history."""
    address = messenger.address
    if uow.endpoints.find(address.id) is None:
        uow.endpoints.add(Endpoint(address.id, address.shown, real_now))
    return uow.endpoints.lock(address.id)


def _hand_over(noticing: Noticing, sending: _Sending, at: datetime) -> Refusal | None:
    notice, contents = sending.notice, sending.contents
    try:
        words = noticing.wording.words(notice.kind, contents.language, contents.facts)
    except TemplateInvalid as error:
        return Refusal(str(error))
    letter = Letter(notice.id, notice.kind, contents.language, notice.customer, contents.to, contents.facts, words)
    return sending.messenger.send(letter, at)


def _take(ports: Ports, noticing: Noticing, notice_id: str) -> _Sending | None:
    """Act one: look again, under the lock of the records that it is about."""
    with ports.database.transaction() as uow:
        try:
            matter = matter_of(ports, uow, noticing, uow.notices.get(notice_id))
        except NotFound:
            return None
        real_now = matter.moment.real
        notice = _its_turn(matter, notice_id)
        sending = None
        if notice is not None and not _is_over(matter, notice):
            messenger = noticing.messengers[notice.channel]
            contents, before = contents_of(ports, matter, notice), notice.may_have_arrived
            notice.begin(real_now, real_now + LEASE)
            sending = _Sending(notice, messenger, contents, real_now + LEASE, before)
        if notice is not None:
            uow.notices.save(notice)
        uow.commit()
    return sending


def _its_turn(matter: Matter, notice_id: str) -> Notice | None:
    """The notice, locked; None if it has left, or waits for an earlier one of its subject.

    Earlier ones that are untrue are dropped on the way.
    """
    real_now = matter.moment.real
    for each in matter.waiting(notice_id):
        if each.id == notice_id:
            is_early = each.next_try_at > real_now and not _is_probe(matter, each)
            return None if is_early or each.is_sent_now(real_now) else each
        if each.is_sent_now(real_now) or not _is_untrue(matter, each):
            again = max(each.next_try_at, each.sending_until or real_now, real_now + BEHIND)
            behind = matter.uow.notices.lock(notice_id)
            behind.wait(again)
            matter.uow.notices.save(behind)
            return None
        matter.uow.notices.save(each)
    return None


def _is_probe(matter: Matter, notice: Notice) -> bool:
    """Whether it is sent before its time, to see whether its channel is well again."""
    messenger = matter.noticing.messengers.get(notice.channel)
    endpoint = matter.uow.endpoints.find(messenger.address.id) if messenger is not None else None
    return endpoint is not None and endpoint.probes_with(notice.id)


def _is_untrue(matter: Matter, notice: Notice) -> bool:
    """Close a notice that is not true, or too old; returns whether it was."""
    verdict, real_now = matter.verdict(notice), matter.moment.real
    if isinstance(verdict, Drop):
        notice.close(NoticeStatus.SUPERSEDED, real_now, verdict.reason)
    elif notice.is_stale(real_now):
        notice.close(NoticeStatus.FAILED, real_now, f"{STALE}: {notice.note}" if notice.note else STALE)
    return not notice.waits


def _is_over(matter: Matter, notice: Notice) -> bool:
    """Close it, or let it wait; returns whether it is not to be sent now."""
    real_now, messengers = matter.moment.real, matter.noticing.messengers
    if _is_untrue(matter, notice):
        return True
    if notice.channel not in messengers:
        notice.close(NoticeStatus.SUPERSEDED, real_now, f"no {notice.channel} is set up any more")
        return True
    if notice.channel is Channel.MAIL and matter.key.buyer_email is None:
        by_webhook = Channel.WEBHOOK in messengers
        notice.close(NoticeStatus.SUPERSEDED if by_webhook else NoticeStatus.FAILED, real_now, NO_ADDRESS)
        return True
    verdict, quiet = matter.verdict(notice), matter.noticing.quiet
    until = verdict.until if isinstance(verdict, Later) else quiet.ends(real_now) if quiet is not None else None
    if until is not None:
        notice.wait(until)
        return True
    endpoint = matter.uow.endpoints.find(messengers[notice.channel].address.id)
    if endpoint is not None and not endpoint.may_send(notice.id):
        notice.lease_until = None
        return True
    return False


def _note(ports: Ports, sending: _Sending, refusal: Refusal | None) -> None:
    """Act three. A success always counts; a refusal counts only while this worker owns the notice."""
    with ports.database.transaction() as uow:
        notice = uow.notices.lock(sending.notice.id)
        moment = ports.clock.moment()
        lost = notice.fence != sending.notice.fence
        if not notice.waits or (lost and refusal is not None):
            return
        endpoint = uow.endpoints.lock(sending.messenger.address.id)
        is_well_again = refusal is None and endpoint.is_down
        if refusal is None:
            notice.close(NoticeStatus.SENT, moment.real)
            endpoint.took(moment.real)
            uow.alerts.close(AlertKind.NOTICES_UNDELIVERED, notice.channel, moment)
        else:
            _note_refusal(uow, sending, notice, endpoint, refusal, moment=moment)
        uow.notices.save(notice)
        uow.endpoints.save(endpoint)
        if is_well_again:
            # What it refused meanwhile would wait for up to 20 hours.
            uow.notices.resume(notice.channel, moment.real)
        uow.commit()


def _note_refusal(
    uow: UnitOfWork, sending: _Sending, notice: Notice, endpoint: Endpoint, refusal: Refusal, *, moment: Moment
) -> None:
    real_now = moment.real
    # A clear refusal says nothing about an earlier delivery that ended without an answer.
    notice.may_have_arrived = refusal.unclear or sending.before
    if refusal.gone:
        # This customer's address, or this notice, is refused for good: the channel itself may be well.
        notice.close(NoticeStatus.FAILED, real_now, refusal.trouble)
        return
    spread = crc32(f"{notice.id} {notice.tries}".encode()) / 2**32
    first = notice.first_tried_at or real_now
    again = next_try(notice.tries, first, real_now, spread=spread, retry_after=refusal.retry_after)
    if again is None:
        notice.close(NoticeStatus.FAILED, real_now, refusal.trouble)
    else:
        notice.wait(again)
        notice.note = refusal.trouble
    endpoint.refused(notice.id, refusal.trouble, real_now, disable_after=NEVER, retry_after=refusal.retry_after)
    if endpoint.is_down or again is None:
        facts = {"url": endpoint.url, "trouble": refusal.trouble}
        uow.alerts.open(AlertKind.NOTICES_UNDELIVERED, notice.channel, facts, moment)
