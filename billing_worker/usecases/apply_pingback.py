"""Apply a Paymentwall pingback: signed, and yet only a reason to ask the gateway."""

from billing_worker.ports import InboxMessage, InboxStatus, Ports, UnitOfWork
from billing_worker.usecases.applied import Applied, apply_confirmation

DELIVERING_TYPES = frozenset({"0", "1", "201"})
"""Paymentwall: paid, credited, and accepted after a risk review."""


def apply_pingback(ports: Ports, uow: UnitOfWork, message: InboxMessage, *, knows_key: bool | None) -> Applied:
    """Give a pingback of this type its effect; `knows_key` is what the gateway said, None where it said nothing."""
    kind, uid = message.payload["type"], message.payload["uid"]
    if kind not in DELIVERING_TYPES:
        if kind in ("2", "202"):
            detail = f"Paymentwall reversed {message.payload['ref']} (type {kind}) of {uid}"
            uow.alerts.open("pingback_reversal", message.payload["ref"], detail, ports.clock.now())
        return Applied(InboxStatus.IGNORED, f"a pingback of type {kind} confirms no key")
    key = uow.keys.with_customer_uid(uid)
    if key is None:
        return Applied(InboxStatus.RECEIVED, "confirms a Paymentwall key that is not registered here (yet)")
    if knows_key is None:
        return Applied(InboxStatus.RECEIVED, "the gateway could not be asked whether it has the key")
    if not knows_key:
        return Applied(InboxStatus.RECEIVED, "the gateway does not have the key (yet)")
    return apply_confirmation(ports, uow, key)
