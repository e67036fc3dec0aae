"""The one door for evidence: every answer and every read of the gateway is recorded here, and only here."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from billing_worker.domain.billing_key import NEVER_REUSES_IDS, KeyStatus, KeyWait
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.giving_up import meet_dead_key
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import merchant_uid_of
from billing_worker.domain.payment import (
    Approved,
    Declined,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    Unknown,
)
from billing_worker.domain.pgs.rules import takes_id
from billing_worker.domain.proof import judge, may_have_made
from billing_worker.domain.settlement import LockedInvoice, Settlement, settle
from billing_worker.domain.subscription import NEVER_SCHEDULED
from billing_worker.ports.bundle import Ports
from billing_worker.ports.calls import Answered
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.gateway_pause import watch_gateway
from billing_worker.usecases.control.wrong_account import stop_when_keys_vanish
from billing_worker.usecases.settle.alerts import alert, alert_mismatch, alert_unasked
from billing_worker.usecases.settle.canceled import void_the_rest
from billing_worker.usecases.settle.cards import attach_cards, promote
from billing_worker.usecases.settle.given_back import note_refunds, refund_surplus
from billing_worker.usecases.settle.scheduled import close_schedule

RECORD_TRIES = 3
"""The first try may get a dead connection of the pool. After three failures, a later read of the gateway records it."""


def record_answers(ports: Ports, answers: Sequence[Answered]) -> None:
    """Record the answers to our own calls, all with one commit; what does not go with the others goes alone.

    A connection that broke meanwhile is no reason to forget an answer: writing it twice is harmless. Raises Unavailable
    where the last try met no database either.
    """
    if len(answers) == 1:
        retry_write(partial(_record, ports, answers))
        return
    try:
        held = _record(ports, answers)
    except Exception:  # noqa: BLE001 - one bad row must not hold up the others
        held = answers
    failed: list[Exception] = []
    for answer in held:
        try:
            record_answers(ports, [answer])
        except Exception as error:  # noqa: BLE001 - its attempt stays open, and is read
            failed.append(error)
    if failed:
        raise failed[0]


def retry_write(write: Callable[[], object]) -> None:
    """Write, up to three times. Raises Unavailable where the last try met no database either."""
    for _ in range(RECORD_TRIES - 1):
        with suppress(Unavailable):
            write()
            return
    write()


def _record(ports: Ports, answers: Sequence[Answered]) -> Sequence[Answered]:
    """Record these with one commit; returns those that are to go alone.

    That is an answer whose subscription another transaction holds, and a second answer for one subscription: both
    outcomes may move it, and each move is a step that the tables check.

    A worker that lost its attempt meanwhile writes nothing but what it learned: the resolver looks at once. Where the
    attempt is closed no scan looks any more; then an approval makes us read the payment again.
    """
    by_attempt = {answer.attempt_id: answer for answer in answers}
    with ports.database.transaction() as uow:
        firsts = {each.invoice.owner_id: each for each in reversed(uow.lock_settlements(list(by_attempt)))}
        found = [(each, by_attempt.pop(each.attempt.id)) for each in firsts.values()]
        moment = ports.clock.moment()
        own = [(each, answer.outcome) for each, answer in found if each.attempt.fence == answer.fence]
        for each, answer in found:
            if each.attempt.fence == answer.fence:
                each.attempt.took_ms = answer.took_ms
        lost = [(each, answer.outcome) for each, answer in found if each.attempt.fence != answer.fence]
        record_outcomes(ports, uow, own, moment)
        _keep_all(uow, lost, moment)
        for settlement, _ in lost:
            if settlement.attempt.is_open:
                settlement.attempt.next_look_at = moment.real
                uow.attempts.save(settlement.attempt)
        recorded = [answer.outcome for answer in answers if answer.attempt_id not in by_attempt]
        watch_gateway(ports, uow, recorded, moment)
        uow.commit()
    for settlement, outcome in lost:
        if not settlement.attempt.is_open and isinstance(outcome, Approved):
            _read_again(ports, settlement.invoice.id, outcome.payment.imp_uid)
    return list(by_attempt.values())


def _read_again(ports: Ports, invoice_id: str, imp_uid: str) -> None:
    """Read the payment again: money in an old answer may have been given back since.

    After a failed read, the comparison of both books finds it.
    """
    listing = ports.gateway.payment(imp_uid)
    with ports.database.transaction() as uow:
        locked = uow.lock_invoice(invoice_id)
        moment = ports.clock.moment()
        for payment, evidence in listing.payments:
            record_payment(ports, uow, locked, payment, evidence, moment=moment)
        uow.commit()


Known = tuple[Settlement, Outcome]
"""An attempt, and what is known of it now."""


def record_outcome(ports: Ports, uow: UnitOfWork, settlement: Settlement, outcome: Outcome, moment: Moment) -> bool:
    """Record what is known of an attempt, within the caller's transaction; returns whether it changed anything."""
    return bool(record_outcomes(ports, uow, [(settlement, outcome)], moment))


def record_outcomes(ports: Ports, uow: UnitOfWork, known: Sequence[Known], moment: Moment) -> int:
    """Record what is known of many attempts, within the caller's transaction; returns how many changed.

    Every outcome is decided by itself and written with the others; then follows what is rare: alerts, refunds, a stop.
    """
    repeated = [each for each in known if _is_repeated(*each)]
    news = [each for each in known if not _is_repeated(*each)]
    kept = _keep_all(uow, news, moment)
    _lock_declined_keys(uow, news)
    if any(isinstance(outcome, Declined) or _on_another_card(settlement) for settlement, outcome in news):
        attach_cards(uow, news)
    was = {settlement.attempt.id: settlement.attempt.status for settlement, _ in news}
    alive = [settlement for settlement, _ in news if not settlement.is_canceled]
    settled = []
    for settlement, outcome in news:
        if settle(settlement, outcome, moment.billing, ports.pg_limits):
            _complete(ports, uow, settlement, outcome, kept.get(settlement.attempt.id), moment)
            settled.append((settlement, outcome))
        else:
            alert_mismatch(uow, settlement, outcome, moment)
    uow.save_settlements([settlement for settlement, _ in settled], moment)
    for settlement in alive:
        void_the_rest(uow, settlement.subscription, moment)
    for settlement, outcome in settled:
        if settlement.attempt.scheduled and not settlement.attempt.is_open:
            close_schedule(ports, uow, settlement, moment)
        alert(uow, settlement, outcome, was[settlement.attempt.id], moment)
        if isinstance(outcome, Approved):
            note_refunds(uow, settlement, outcome.payment, outcome.evidence, moment)
        refund_surplus(ports, uow, settlement, moment)
        stop_when_keys_vanish(uow, outcome, moment)
    noted = [
        note_refunds(uow, settlement, outcome.payment, outcome.evidence, moment)
        for settlement, outcome in repeated
        if isinstance(outcome, Approved)
    ]
    return len(settled) + sum(noted)


def _on_another_card(settlement: Settlement) -> bool:
    """Whether it was charged on another card than the main one of its subscription."""
    owner = settlement.subscription
    return owner is not None and settlement.attempt.billing_key_id != owner.billing_key_id


def _is_repeated(settlement: Settlement, outcome: Outcome) -> bool:
    """Whether the attempt is approved already: then only what was given back since can be news."""
    return isinstance(outcome, Approved) and settlement.attempt.status is AttemptStatus.APPROVED


def _complete(  # noqa: PLR0917 - one settled attempt, with all that follows
    ports: Ports, uow: UnitOfWork, settlement: Settlement, outcome: Outcome, evidence_id: int | None, moment: Moment
) -> None:
    """Give a settled attempt its evidence, its next look, and its invoice the next merchant_uid."""
    attempt = settlement.attempt
    attempt.evidence_id = evidence_id or attempt.evidence_id
    if isinstance(outcome, Approved) and settlement.cards is not None:
        promote(ports, uow, settlement, moment)
    if isinstance(outcome, Unknown):
        attempt.next_look_at = _next_look(ports, settlement, moment.real)
    if settlement.invoice.status is InvoiceStatus.OPEN and _uses_up_the_id(settlement, outcome):
        _next_generation(ports, settlement)
    if settlement.key.waits_for is KeyWait.FIRST_PAYMENT and not attempt.is_open:
        _conclude_first_payment(settlement, moment)
    if isinstance(outcome, Failed) and _is_over(settlement):
        settlement.events += meet_dead_key(
            None, settlement.invoice, settlement.key, settlement.policy, moment.billing, ports.pg_limits
        )


def _is_over(settlement: Settlement) -> bool:
    """Whether it is an unpaid single payment whose card is not charged again: card data serve one call."""
    invoice, key = settlement.invoice, settlement.key
    unpaid = invoice.single is not None and invoice.status is InvoiceStatus.OPEN
    return unpaid and key.status in (KeyStatus.INVALID, KeyStatus.DELETED)


def _conclude_first_payment(settlement: Settlement, moment: Moment) -> None:
    """The payment that issues a key is known. Only an approved one lets the key be read, and confirmed."""
    key = settlement.key
    if settlement.attempt.status is AttemptStatus.APPROVED:
        key.waits_for, key.next_look_at = KeyWait.UNREAD, moment.real
        return
    reason = f"its first payment was not taken: {settlement.attempt.reason}"
    if key.invalidate(reason):
        settlement.events.append(of_key(EventType.BILLING_KEY_INVALID, key, reason=reason))


def _lock_declined_keys(uow: UnitOfWork, known: Sequence[Known]) -> None:
    """A key may serve several subscriptions: no decline of it may be lost, and one worker announces that it is invalid.

    Keys are locked in the order of their ids, before anything is written: no two transactions wait for each other.
    """
    declined = {each.key.id for each, outcome in known if isinstance(outcome, Declined)}
    for key in uow.keys.lock_all(sorted(declined)) if declined else ():
        for settlement, _ in known:
            if key.id in settlement.keys:
                settlement.keys[key.id] = key


def record_payment(
    ports: Ports, uow: UnitOfWork, locked: LockedInvoice, payment: GatewayPayment, evidence: Evidence, *, moment: Moment
) -> str:
    """Record a payment that the gateway's books show under one of the invoice's merchant_uids; returns its meaning.

    It belongs to the attempt that has its imp_uid; else to the open one; else, if it holds money, to the last attempt
    without an imp_uid (a late approval), or to a new attempt: it was charged elsewhere.
    """
    attempts = [a for a in locked.attempts if a.merchant_uid == payment.merchant_uid]
    attempt = next((a for a in attempts if a.imp_uid == payment.imp_uid), None)
    if attempt is None:
        attempt = next((a for a in attempts if a.is_open and may_have_made(a, payment)), None)
    if attempt is None and not payment.holds_money:
        return "a failed payment that no attempt of ours made"
    if attempt is None:
        attempt = next((a for a in reversed(attempts) if a.imp_uid is None), None)
    if attempt is None:
        attempt = _found_attempt(ports, uow, locked, payment, moment)
    settlement = locked.about(attempt)
    changed = note_refunds(uow, settlement, payment, evidence, moment)
    changed |= record_outcome(ports, uow, settlement, judge(settlement.request, payment, evidence), moment)
    alert_unasked(ports, uow, settlement, moment)
    return f"attempt {attempt.id} is {attempt.status}" + ("" if changed else ", as was known")


def _found_attempt(
    ports: Ports, uow: UnitOfWork, locked: LockedInvoice, payment: GatewayPayment, moment: Moment
) -> PaymentAttempt:
    """A new attempt for a payment that was not placed by us."""
    invoice = locked.invoice
    attempt = invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
    attempt.merchant_uid = payment.merchant_uid
    attempt.found = True
    owner = locked.subscription
    was_scheduled = owner is not None and owner.scheduled_index > NEVER_SCHEDULED
    schedule = uow.schedules.with_merchant_uid(payment.merchant_uid) if was_scheduled else None
    if schedule is not None and uow.keys.get(schedule.billing_key_id).customer_uid == payment.customer_uid:
        # PortOne's schedule charged its own card; the invoice may have another one since.
        attempt.billing_key_id = schedule.billing_key_id
    if locked.has_open_attempt:
        # Only one attempt may be open; a closed one also takes a late approval.
        attempt.move_to(AttemptStatus.FAILED, moment.billing)
        attempt.reason = "found at the gateway; not placed by this worker"
    uow.attempts.add(attempt)
    uow.invoices.save(invoice)
    locked.attempts.append(attempt)
    if attempt.billing_key_id not in locked.keys:
        locked.keys[attempt.billing_key_id] = uow.keys.get(attempt.billing_key_id)
    return attempt


def _next_look(ports: Ports, settlement: Settlement, real_now: datetime) -> datetime:
    """The wait doubles, but the second read that proves absence comes after the settle window."""
    attempt = settlement.attempt
    look = ports.timing.next_look(attempt.looks, real_now)
    if attempt.absent_since is None:
        return look
    settled = attempt.absent_since + ports.timing.settle_window_of(settlement.key.pg_provider)
    return min(look, settled) if settled > real_now else look


def _uses_up_the_id(settlement: Settlement, outcome: Outcome) -> bool:
    """Whether the gateway refuses this merchant_uid from now on, although nothing is paid under it."""
    pg_provider, invoice = settlement.key.pg_provider, settlement.invoice
    # The number of a schedule that another program had registered.
    if invoice.generation == 0 and not takes_id(pg_provider, invoice.merchant_uid):
        return isinstance(outcome, Failed | Declined)
    if isinstance(outcome, Failed):
        return outcome.new_merchant_uid
    return isinstance(outcome, Declined) and pg_provider in NEVER_REUSES_IDS


def _next_generation(ports: Ports, settlement: Settlement) -> None:
    invoice = settlement.invoice
    invoice.generation += 1
    invoice.merchant_uid = merchant_uid_of(invoice, ports.environment)


def _keep_all(uow: UnitOfWork, known: Sequence[Known], moment: Moment) -> Mapping[str | None, int]:
    """Store what the gateway said; the ids of the evidence, by attempt."""
    said = [(settlement.attempt.id, outcome.evidence) for settlement, outcome in known if outcome.evidence is not None]
    return uow.keep_all_evidence(said, moment.real)
