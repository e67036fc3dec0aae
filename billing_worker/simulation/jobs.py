"""What a message makes a worker do: the use cases behind the tasks of `tasks/jobs.py`, by the same names."""

from collections.abc import Callable, Iterable

from billing_worker.ports.bundle import Ports
from billing_worker.usecases import collect, confirm, inbox, outbox, reconcile, refund, renew, unlock

ONE_SCAN = 500
"""As many as one scan of a real worker hands out."""

Send = Callable[[str, str], None]
Job = Callable[[Ports, str, Send], None]

SCANS: dict[str, tuple[Callable[[Ports, int], Iterable[object]], str]] = {
    "renew_due": (renew.due, "renew"),
    "collect_due": (collect.due, "collect"),
    "reconcile_due": (reconcile.due, "reconcile"),
    "refund_due": (refund.due, "refund"),
    "apply_due": (inbox.due, "apply"),
    "confirm_due": (confirm.due, "confirm"),
    "deliver_due": (outbox.due, "deliver"),
}
"""Each scan: whom it claims, and the job that serves one of them."""


def _renew(ports: Ports, ident: str, _send: Send) -> None:
    invoice_id = renew.renew(ports, ident)
    if invoice_id is not None:
        collect.collect(ports, invoice_id)


def _collect(ports: Ports, ident: str, _send: Send) -> None:
    collect.collect(ports, ident)


def _reconcile(ports: Ports, ident: str, _send: Send) -> None:
    reconcile.reconcile(ports, ident)


def _refund(ports: Ports, ident: str, _send: Send) -> None:
    refund.refund(ports, ident)


def _apply(ports: Ports, ident: str, send: Send) -> None:
    applied = inbox.apply(ports, int(ident))
    for key_id in applied.unlocked:
        send("unlocked", key_id)
    for key_id in applied.to_confirm:
        send("confirm", key_id)


def _confirm(ports: Ports, ident: str, send: Send) -> None:
    if confirm.confirm(ports, ident):
        send("unlocked", ident)


def _unlocked(ports: Ports, ident: str, send: Send) -> None:
    for invoice_id in unlock.waiting(ports, ident, ONE_SCAN):
        send("collect", invoice_id)


def _deliver(ports: Ports, ident: str, _send: Send) -> None:
    outbox.deliver(ports, ident)


UNITS: dict[str, Job] = {
    "renew": _renew,
    "collect": _collect,
    "reconcile": _reconcile,
    "refund": _refund,
    "apply": _apply,
    "confirm": _confirm,
    "unlocked": _unlocked,
    "deliver": _deliver,
}
