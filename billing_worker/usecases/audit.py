"""Check the promises from outside the code that keeps them: in the database, and at the gateway.

A breach that may mean wrong money or a secret that is out stops all charging; any other opens an alert.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing_worker.domain.audit import STOPPING, Breach, Checked, exposes
from billing_worker.domain.payment import GatewayPayment, PaymentStatus
from billing_worker.domain.stop import ALL, Stop, StopCause
from billing_worker.ports import AuditWindow, PaidAttempt, Ports, UnitOfWork
from billing_worker.usecases.stop_charging import alert_of, stop_charging

GRACE = timedelta(minutes=10)
"""Real time: work that is due for longer, with workers there, was lost."""
SKEW = timedelta(seconds=5)
"""Real time: far more than the clocks of two hosts differ, since all follow the database server."""
OVERLAP = timedelta(minutes=10)
"""Each audit looks again at the end of the one before: what was written then may have been committed later."""

SAMPLE = 10
"""Approvals that the periodic audit reads back from the gateway: two reads a minute."""
RECENT_TEXTS = 2_000
"""Rows of each table that the periodic audit searches for secrets."""
ALL_TEXTS = 1_000_000

FROM_OUTSIDE = "inbox"
"""Anybody may send a webhook, and with it any number: what is found there must not stop the merchant's business."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found, and the stop that it led to."""

    checks: Sequence[Checked]
    stop: Stop | None

    @property
    def breaches(self) -> int:
        """How many there are that nobody accepted."""
        return sum(len(check.breaches) for check in self.checks)


def due(ports: Ports, _limit: int) -> Sequence[int]:
    """Claim the next audit, if it is time for one."""
    interval = timedelta(seconds=ports.auditing.interval)
    with ports.database.transaction() as uow:
        claimed = uow.audits.claim(ports.clock.now(), ports.clock.real_now(), interval)
        uow.commit()
    return [] if claimed is None else [claimed]


def audit_recent(ports: Ports, audit_id: int) -> Audit:
    """The periodic audit: what changed since the last one."""
    with ports.database.transaction() as uow:
        before = uow.audits.audited_until()
    since = before - OVERLAP * ports.auditing.rate if before is not None else None
    found = audit(ports, since=since, sample=SAMPLE, texts=RECENT_TEXTS)
    with ports.database.transaction() as uow:
        rows = sum(check.rows for check in found.checks)
        uow.audits.finish(audit_id, ports.clock.real_now(), rows, found.breaches)
        uow.commit()
    return found


def audit(ports: Ports, *, since: datetime | None, sample: int, texts: int = ALL_TEXTS) -> Audit:
    """Check everything that changed since then (billing time; None: everything), and act on what is found.

    Up to `sample` of the newest approvals are read back from the gateway; 0 asks it nothing.
    """
    rate, now, real_now = ports.auditing.rate, ports.clock.now(), ports.clock.real_now()
    wait = timedelta(seconds=ports.timing.settle_window)
    # What was too fresh to be read back by the audits before this one is read by this one.
    paid_since = since - wait * rate if since is not None else None
    with ports.database.transaction() as uow:
        accepted = uow.stops.accepted(StopCause.BREACH)
        window = AuditWindow(since, now, real_now, GRACE * rate, SKEW * rate, accepted)
        checks = list(uow.audits.checks(window))
        checks += _texts(uow, ports.auditing.secrets, texts)
        paid = uow.audits.paid(paid_since, real_now - wait, sample) if sample else []
    if sample:
        checks += _at_the_gateway(ports, paid)
    checks = [_judged(check, accepted) for check in checks]
    return Audit(checks, _act(ports, checks))


def _judged(check: Checked, accepted: Collection[str]) -> Checked:
    rest = tuple(breach for breach in check.breaches if check.name_of(breach) not in accepted)
    stopping = check.invariant in STOPPING and not check.what.startswith(FROM_OUTSIDE)
    return replace(check, breaches=rest, accepted=len(check.breaches) - len(rest), stopping=stopping)


def _texts(uow: UnitOfWork, secrets: Collection[str], most: int) -> list[Checked]:
    rows, breaches = dict.fromkeys((True, False), 0), {True: list[Breach](), False: list[Breach]()}
    for table, ident, written in uow.audits.texts(most):
        outside = table == FROM_OUTSIDE
        rows[outside] += 1
        shown = exposes(written, secrets)
        if shown is not None:
            breaches[outside].append(Breach(f"{table}.{ident}", f"holds {shown}"))
    return [
        Checked("I13", "texts for card numbers and secrets", rows[False], tuple(breaches[False])),
        Checked("I13", f"{FROM_OUTSIDE} for card numbers and secrets", rows[True], tuple(breaches[True])),
    ]


def _at_the_gateway(ports: Ports, paid: Sequence[PaidAttempt]) -> list[Checked]:
    found: dict[str, list[Breach]] = {"I1": [], "I2": [], "I17": []}
    read = 0
    for attempt in paid:
        listing = ports.gateway.payments_of(attempt.merchant_uid)
        if listing.trouble is not None:
            continue  # what cannot be read proves nothing; the resolver and doctor tell of an outage
        read += 1
        for invariant, breach in _compared(ports, attempt, [payment for payment, _ in listing.payments]):
            found[invariant].append(breach)
    names = {"I1": "payments under one order", "I2": "approvals", "I17": "payments under our orders"}
    return [Checked(each, f"{names[each]}, at the gateway", read, tuple(found[each])) for each in found]


def _compared(ports: Ports, attempt: PaidAttempt, payments: Sequence[GatewayPayment]) -> Iterator[tuple[str, Breach]]:
    own = next((payment for payment in payments if payment.imp_uid == attempt.imp_uid), None)
    if own is None:
        again = ports.gateway.payment(attempt.imp_uid)
        if again.trouble is None and not again.payments:
            yield "I2", Breach(attempt.id, f"is approved by {attempt.imp_uid}, which the gateway does not know")
    elif not _agrees(attempt, own):
        said = f"{own.status} {own.money} under {own.merchant_uid}"
        yield "I2", Breach(attempt.id, f"says {attempt.money} under {attempt.merchant_uid}; the gateway says {said}")
    holding = {payment.imp_uid for payment in payments if payment.holds_money}
    if len(holding - attempt.surplus) > 1:
        yield "I1", Breach(attempt.invoice_id, f"is paid more than once: {', '.join(sorted(holding))}")
    if not attempt.nameless:
        for stranger in sorted(holding - attempt.known):
            yield (
                "I17",
                Breach(stranger, f"holds money under our order {attempt.merchant_uid}; we asked for no such thing"),
            )


def _agrees(attempt: PaidAttempt, payment: GatewayPayment) -> bool:
    taken = payment.status in (PaymentStatus.PAID, PaymentStatus.CANCELLED)
    return (
        taken
        and payment.may_be_of(attempt.customer_uid)
        and (payment.merchant_uid, payment.money) == (attempt.merchant_uid, attempt.money)
    )


def _act(ports: Ports, checks: Sequence[Checked]) -> Stop | None:
    grave = [(check, breach) for check in checks if check.stopping for breach in check.breaches]
    now = ports.clock.now()
    with ports.database.transaction() as uow:
        for stop in uow.stops.list_open():
            alert_of(uow, stop, now)
        _alert(uow, [check for check in checks if not check.stopping], now)
        uow.commit()
    if not grave:
        return None
    names = [check.name_of(breach) for check, breach in grave]
    told = "; ".join(f"{check.name_of(breach)} {breach.detail}" for check, breach in grave[:MOST_NAMED])
    more = f"; and {len(grave) - MOST_NAMED} more" if len(grave) > MOST_NAMED else ""
    return stop_charging(ports, ALL, StopCause.BREACH, told + more, names).stop


def _alert(uow: UnitOfWork, checks: Sequence[Checked], now: datetime) -> None:
    for check in checks:
        if check.breaches:
            told = "; ".join(f"{breach.subject} {breach.detail}" for breach in check.breaches[:MOST_NAMED])
            detail = f"{check.what}: {len(check.breaches)} wrong: {told}"
            uow.alerts.open("invariant", check.invariant, detail, now)
