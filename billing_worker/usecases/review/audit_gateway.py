"""The audit at the gateway: it compares approvals with their payments, and looks for others under their orders.

A payment that the one door can book or give back is not a breach: it goes through that door first, and has its alert.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from billing_worker.domain.audit import Breach, Checked, Reach
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.payment import GatewayPayment, PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.review import PaidAttempt
from billing_worker.usecases.review.difference import NotRead, look_for, look_into
from billing_worker.usecases.settle.doubt import believe

WHAT = {
    "I1": "payments under one order, at the gateway",
    "I2": "approvals, at the gateway",
    "I17": "payments under our orders, at the gateway",
}

REACH = {"I1": Reach.ONE, "I2": Reach.ONE, "I17": Reach.NOTHING}
"""Each breach is about one customer's payment: a clerk, a lagging list or a lost row can cause it."""


def at_the_gateway(ports: Ports, paid: Sequence[PaidAttempt]) -> list[Checked]:
    """Read the payments under these approvals' orders, and compare. A failed read proves nothing."""
    found: dict[str, list[Breach]] = {"I1": [], "I2": [], "I17": []}
    read = 0
    for attempt in paid:
        listing = ports.gateway.payments_of(attempt.merchant_uid)
        if listing.trouble is not None:
            continue  # the resolver and doctor report an outage
        read += 1
        for invariant, breach in _compared(ports, attempt, [payment for payment, _ in listing.payments]):
            found[invariant].append(breach)
    return [Checked(each, WHAT[each], read, tuple(found[each]), reach=REACH[each]) for each in found]


def _compared(ports: Ports, attempt: PaidAttempt, payments: Sequence[GatewayPayment]) -> Iterator[tuple[str, Breach]]:
    own = next((payment for payment in payments if payment.imp_uid == attempt.imp_uid), None)
    if own is None or own.status not in (PaymentStatus.PAID, PaymentStatus.CANCELLED):
        yield from _missing(ports, attempt)
    elif not _agrees(attempt, own):
        said = f"{own.status} {own.money} under {own.merchant_uid}"
        detail = f"says {attempt.money} under {attempt.merchant_uid}; the gateway says {said}"
        yield "I2", Breach(attempt.id, detail, attempt.owner_id)
    else:
        believe(ports, attempt.id)
    holding = [payment for payment in payments if payment.holds_money]
    if any(payment.imp_uid != attempt.imp_uid for payment in holding):
        yield from _beside(ports, attempt, holding)


def _missing(ports: Ports, attempt: PaidAttempt) -> Iterator[tuple[str, Breach]]:
    """Judge an approval that is not listed, or listed as less: a breach needs two reads, each with a control read."""
    with ports.database.transaction() as uow:
        booked = uow.comparisons.booked(attempt.id)
    with suppress(NotRead):
        if look_for(ports, booked).lasts:
            detail = f"is approved by {attempt.imp_uid}, which the gateway does not show so, for a settle window"
            yield "I2", Breach(attempt.id, detail, attempt.owner_id)


def _beside(ports: Ports, attempt: PaidAttempt, holding: Sequence[GatewayPayment]) -> Iterator[tuple[str, Breach]]:
    """Judge further payments under the order.

    The one door books or gives back some, with alerts; the rest are breaches.
    """
    with ports.database.transaction() as uow:
        known = uow.comparisons.known(holding).booked
    for payment in holding:
        booked = known.get(payment.imp_uid)
        if booked is None or booked.status is not AttemptStatus.APPROVED:
            with suppress(NotRead):
                look_into(ports, payment)
    with ports.database.transaction() as uow:
        approved = {
            uid: booked
            for uid, booked in uow.comparisons.known(holding).booked.items()
            if booked.status is AttemptStatus.APPROVED
        }
    unexplained = sorted(payment.imp_uid for payment in holding if payment.imp_uid not in approved)
    settling = sorted(uid for uid, booked in approved.items() if not booked.surplus)
    if len(unexplained) + len(settling) > 1:
        detail = f"is paid more than once: {', '.join(sorted(unexplained + settling))}"
        yield "I1", Breach(attempt.invoice_id, detail, attempt.owner_id)
    for stranger in () if attempt.nameless else unexplained:
        detail = f"holds money under our order {attempt.merchant_uid}; this worker did not request it"
        yield "I17", Breach(stranger, detail, attempt.owner_id)


def _agrees(attempt: PaidAttempt, payment: GatewayPayment) -> bool:
    same = (payment.merchant_uid, payment.money) == (attempt.merchant_uid, attempt.money)
    return same and payment.may_be_of(attempt.customer_uid)
