"""Act one: decide which of many invoices are charged now, and commit their attempts before the first byte leaves.

One transaction takes a whole chunk: its subscriptions are locked and read together, each is decided by itself, and the
rows are written with one statement a table. A chunk of one takes the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.billing_key import IssuingPayment, KeyStatus
from billing_worker.domain.events import Event
from billing_worker.domain.giving_up import meet_dead_key
from billing_worker.domain.invoice import PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import ALL, scope_of
from billing_worker.domain.subscription import COLLECTING, NEVER_SCHEDULED, Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.calls import Intent
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.charge.choose_key import choose_keys
from billing_worker.usecases.control.budget import Allowance
from billing_worker.usecases.control.pace import note_service
from billing_worker.usecases.control.turns import Turns
from billing_worker.usecases.schedule.opened import register_earlier, with_schedules
from billing_worker.usecases.settle.canceled import void_the_rest
from billing_worker.usecases.settle.scheduled import attempt_of_portone
from billing_worker.usecases.subscription.renew import open_periods


@dataclass(slots=True)
class Begun:
    """The result of act one for a chunk."""

    intents: list[Intent] = field(default_factory=list)
    """Calls to make now; their attempts are committed."""
    issues: list[tuple[str, IssuingPayment]] = field(default_factory=list)
    """Invoices that the payment which issued their key may have paid: the gateway is asked first."""
    beyond: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Scopes to stop, each with the reason and the invoice that would go beyond a budget."""
    held: list[str] = field(default_factory=list)
    """Ids whose subscription another transaction held."""


@dataclass(slots=True)
class _Decided:
    """The decisions about a chunk, with the rows to write."""

    begun: Begun
    attempts: list[tuple[DueInvoice, PaymentAttempt]] = field(default_factory=list)
    call_at: dict[str, datetime | None] = field(default_factory=dict)
    """When the call of each attempt may leave."""
    later: list[DueInvoice] = field(default_factory=list)
    """Invoices that wait for a turn at their PG."""
    dead: list[tuple[DueInvoice, list[Event]]] = field(default_factory=list)
    """Invoices whose key will not work, with what is announced."""
    at_portone: list[tuple[DueInvoice, PaymentAttempt]] = field(default_factory=list)
    """Attempts that PortOne makes by its schedules."""


def begin_renewals(ports: Ports, subscription_ids: Sequence[str]) -> Begun:
    """Open the next period of each subscription if it is due, and write the attempts to charge it. Raises NotFound."""
    with ports.database.transaction() as uow:
        found = uow.lock_renewals(subscription_ids)
        # Read under the lock: an attempt that began before a cancellation must not look younger than it.
        moment = ports.clock.moment()
        opened = open_periods(ports, uow, found, moment)
        decided = _decide(ports, uow, opened, moment, are_new=True)
        new = uow.invoices.add_all([due.invoice for due in opened])
        if any(due.schedules for due in opened):
            register_earlier(uow, [due for due in opened if due.invoice.id in new])
        _write(ports, uow, decided, moment, new)
        uow.subscriptions.save_all([each.subscription for each in found])
        uow.commit()
    taken = {each.subscription.id for each in found}
    return _committed(decided, [ident for ident in subscription_ids if ident not in taken], new)


def begin_invoices(ports: Ports, invoice_ids: Sequence[str]) -> Begun:
    """Write the attempts to charge those of these invoices that are due. Raises NotFound."""
    with ports.database.transaction() as uow:
        found = uow.lock_due(invoice_ids)
        if any(due.subscription is not None and due.subscription.scheduled_index > NEVER_SCHEDULED for due in found):
            found = with_schedules(uow, found)
        moment = ports.clock.moment()
        decided = _decide(ports, uow, found, moment, are_new=False)
        if decided.attempts or decided.dead or decided.later or decided.at_portone:
            _write(ports, uow, decided, moment)
            uow.commit()
    taken = {due.invoice.id for due in found}
    return _committed(decided, [ident for ident in invoice_ids if ident not in taken])


def _decide(ports: Ports, uow: UnitOfWork, dues: Sequence[DueInvoice], moment: Moment, *, are_new: bool) -> _Decided:
    dues = _on_good_keys(uow, dues, moment)
    begun, allowance = Begun(), Allowance(uow, ports.budgets, moment.billing)
    turns = Turns(ports, uow, dues, moment, are_new=are_new)
    decided = _Decided(begun)
    for due in () if ports.shadow else dues:
        schedule = due.at_portone if due.schedules else None
        if schedule is not None:
            if not (due.has_open_attempt or due.elsewhere):
                decided.at_portone.append((due, attempt_of_portone(ports, due.invoice, schedule, moment)))
            continue
        if not _may_be_charged(due, moment, begun):
            continue
        if due.key.status is not KeyStatus.ACTIVE:
            decided.dead.append((due, _meet_dead_key(ports, due, moment)))
            continue
        # A single payment is asked for by name: no payment that the merchant did not mean stands for it.
        issue = due.key.undecided_issue(due.subscription.id) if due.subscription is not None else None
        if issue is not None:
            begun.issues.append((due.invoice.id, issue))
        # No other e-mail than that of the issuing payment may leave, whatever was written on the key meanwhile.
        if issue is not None or not due.key.email_agrees:
            continue
        turn = turns.take(due)
        if turn.look_at is not None:
            due.invoice.wait_until(turn.look_at)
            decided.later.append(due)
            continue
        beyond = allowance.beyond(due)
        if beyond is not None:
            begun.beyond[beyond.scope] = (beyond.reason, due.invoice.id)
            continue
        attempt = due.invoice.start_attempt(ports.ids.new("att"), moment, ports.timing)
        decided.attempts.append((due, attempt))
        decided.call_at[attempt.id] = turn.call_at
    turns.save()
    return decided


def _on_good_keys(uow: UnitOfWork, dues: Sequence[DueInvoice], moment: Moment) -> Sequence[DueInvoice]:
    """The same invoices; another key is looked for only where one is not active, or is known to expire."""
    if all(due.key.status is KeyStatus.ACTIVE and due.key.card_expires is None for due in dues):
        return dues
    return choose_keys(uow, dues, moment)


def _may_be_charged(due: DueInvoice, moment: Moment, begun: Begun) -> bool:
    """Whether it is due, and nothing holds it: no open attempt, no stop, also none that this chunk calls for."""
    if not due.invoice.is_due(moment.billing) or _is_over(due.subscription) or due.has_open_attempt:
        return False
    if due.key.status is KeyStatus.PENDING or due.stop is not None or due.elsewhere:
        return False
    return not begun.beyond or begun.beyond.keys().isdisjoint((ALL, scope_of(due.invoice.owner_id)))


def _is_over(subscription: Subscription | None) -> bool:
    """Whether the state of its subscription allows no charge; a single payment has none."""
    return subscription is not None and subscription.status not in COLLECTING


def _meet_dead_key(ports: Ports, due: DueInvoice, moment: Moment) -> list[Event]:
    events = meet_dead_key(due.subscription, due.invoice, due.key, due.policy, moment.billing, ports.pg_limits)
    if due.subscription is not None:  # a fallback key that died: the invoice is the main card's again
        due.invoice.billing_key_id = due.subscription.billing_key_id
    return events


def _write(ports: Ports, uow: UnitOfWork, decided: _Decided, moment: Moment, new: frozenset[str] | None = None) -> None:
    """Write the attempts and what changed beside them; `new` are the invoices that were stored just now."""
    attempts = [*decided.attempts, *decided.at_portone]
    attempts = [pair for pair in attempts if new is None or pair[0].invoice.id in new]
    dead = [pair for pair in decided.dead if new is None or pair[0].invoice.id in new]
    if new is None:
        changed = [*decided.later, *(due for due, _ in (*attempts, *dead))]
        uow.invoices.save_all([due.invoice for due in changed])
        uow.subscriptions.save_all([due.subscription for due, _ in dead if due.subscription is not None])
    uow.attempts.add_all([attempt for _, attempt in attempts])
    uow.announce([event for _, events in dead for event in events], moment)
    for due, _ in dead:
        void_the_rest(uow, due.subscription, moment)
    if attempts:
        note_service(ports, uow, moment.billing)


def _committed(decided: _Decided, held: list[str], new: frozenset[str] | None = None) -> Begun:
    begun = decided.begun
    begun.held = held
    begun.intents = [
        Intent(
            attempt.id,
            attempt.fence,
            attempt.lease_until,
            attempt.request(due.key, due.agreed.name, due.invoice.options),
            decided.call_at[attempt.id],
        )
        for due, attempt in decided.attempts
        if new is None or due.invoice.id in new
    ]
    return begun
