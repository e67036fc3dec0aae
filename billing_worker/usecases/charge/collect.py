"""Charge what is due, in three acts: commit the intents, make the calls, commit the answers.

No transaction and no row lock is held during a call. Whatever ends a process early leaves open attempts behind, which
the resolver (`reconcile`) finds; nothing here is ever done twice for one attempt.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from operator import itemgetter

from billing_worker.domain.billing_key import IssuingPayment
from billing_worker.domain.errors import Busy, Unavailable
from billing_worker.domain.stop import StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.calls import Answered, Intent
from billing_worker.usecases.charge.begin import Begun, begin_invoices, begin_renewals
from billing_worker.usecases.charge.issuing_payment import settle_by_issuing_payment
from billing_worker.usecases.control.alerts import report_crashed_job
from billing_worker.usecases.control.environment import scanning
from billing_worker.usecases.control.pace import claim_invoices
from billing_worker.usecases.control.stop_charging import stop_charging
from billing_worker.usecases.control.turns import wait_for_turn
from billing_worker.usecases.settle.record import record_answers

Begin = Callable[[Ports, Sequence[str]], Begun]


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim invoices that may be charged now, until `limit` of them are claimed and not yet started."""
    return _claimed(ports, limit)


def waiting(ports: Ports, key_id: str, limit: int) -> Sequence[str]:
    """Claim the due invoices that waited for this key, oldest first.

    The claim has the limits of every scan: the same bound of started work, and the same pace for late work. So a burst
    of confirmations cannot stampede. The scans find the rest, and the work of lost rings.
    """
    return _claimed(ports, limit, key_id)


def _claimed(ports: Ports, limit: int, key_id: str | None = None) -> Sequence[str]:
    with scanning(ports) as (uow, _):
        if ports.shadow:
            return []
        ids = claim_invoices(ports, uow, ports.clock.moment(), limit, key_id)
        uow.commit()
    return ids


def renew(ports: Ports, subscription_ids: Sequence[str]) -> int:
    """Open the next period of each subscription that is due, and charge it in the same breath; returns the calls."""
    return _carry_out(ports, begin_renewals, subscription_ids)


def collect(ports: Ports, invoice_ids: Sequence[str]) -> int:
    """Charge each of these invoices once, if it is still due; returns how many calls were made or begun."""
    return _carry_out(ports, begin_invoices, invoice_ids)


def _carry_out(ports: Ports, begin: Begin, ids: Sequence[str]) -> int:
    begun = _begin_and_place(ports, begin, ids)
    follows = {ident: partial(_carry_out, ports, begin, [ident]) for ident in begun.held}
    follows |= {ident: partial(_ask_first, ports, ident, issue) for ident, issue in begun.issues}
    calls = len(begun.intents)
    for ident, follow in follows.items():
        calls += follow() if len(ids) == 1 else _guarded(ports, begin, ident, follow)
    return calls


def _begin_and_place(ports: Ports, begin: Begin, ids: Sequence[str]) -> Begun:
    with _room(ports, len(ids)):
        begun = _whole(ports, begin, ids)
        _place(ports, [intent for intent in begun.intents if intent.call_at is None])
    _place_in_turn(ports, begun.intents)
    for scope, (reason, invoice_id) in begun.beyond.items():
        stop_charging(ports, scope, StopCause.BUDGET, reason, [invoice_id])
    return begun


def _whole(ports: Ports, begin: Begin, ids: Sequence[str]) -> Begun:
    """The chunk in one transaction; where that fails, nothing was done, and each of it is to go alone."""
    try:
        return begin(ports, ids)
    except Exception as error:
        is_away = isinstance(error, Unavailable) and not isinstance(error, Busy)
        if is_away or len(ids) == 1:
            raise
        return Begun(held=list(ids))


def _guarded(ports: Ports, begin: Begin, ident: str, follow: Callable[[], int]) -> int:
    """One of many: what it meets does not hold up the others. Its claim ends, and it is offered again."""
    try:
        return follow()
    except Unavailable:
        return 0
    except Exception as error:  # noqa: BLE001 - whatever a single row holds
        job = renew if begin is begin_renewals else collect
        report_crashed_job(ports, job.__name__, ident, type(error).__name__)
        return 0


def _ask_first(ports: Ports, invoice_id: str, issue: IssuingPayment) -> int:
    """The payment that issued the key may pay this invoice; where it does not, the invoice is charged as usual."""
    if not settle_by_issuing_payment(ports, invoice_id, issue):
        return 0
    return len(_begin_and_place(ports, begin_invoices, [invoice_id]).intents)


def _place_in_turn(ports: Ports, intents: Sequence[Intent]) -> None:
    """Those whose PG takes one charge after the other, each at its time: some seconds at most.

    A call without a turn in time is not made: its attempt belongs to the resolver.
    """
    deadline = timedelta(seconds=ports.timing.http_deadline)
    turns = [(intent.call_at, intent) for intent in intents if intent.call_at is not None]
    for call_at, intent in sorted(turns, key=itemgetter(0)):
        with _room(ports, 1):
            if wait_for_turn(ports, intent.request.pg_provider, call_at, intent.lease_until - deadline):
                _place(ports, [intent])


def _room(ports: Ports, count: int) -> AbstractContextManager[None]:
    return ports.calls.room(count) if ports.calls is not None else nullcontext()


def _place(ports: Ports, intents: Sequence[Intent]) -> None:
    """Act two, and the way to act three: many at a time, or one after the other where a process has no such means."""
    in_time, record = partial(_in_time, ports), partial(record_answers, ports)
    if ports.calls is not None:
        ports.calls.place(intents, in_time, record)
        return
    for intent in intents:
        if in_time(intent):
            began = ports.clock.moment().real
            outcome = ports.gateway.charge(intent.request)
            record([Answered(intent.attempt_id, intent.fence, outcome, ports.clock.moment().real - began)])


def _in_time(ports: Ports, intent: Intent) -> bool:
    """Whether the call can end before its attempt belongs to the resolver. A process may have been held up."""
    return ports.clock.moment().real + timedelta(seconds=ports.timing.http_deadline) <= intent.lease_until
