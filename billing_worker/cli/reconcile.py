"""`billing-worker reconcile`."""

from billing_worker.cli.output import AsJson, View, followed
from billing_worker.cli.session import Session, session
from billing_worker.usecases.reconcile import open_attempts
from billing_worker.usecases.reconcile import reconcile as look

COLUMNS = ("attempt", "invoice", "was", "became", "reason", "next_look_at")


def reconcile(*, as_json: AsJson = False) -> None:
    """Read the gateway now about every attempt whose outcome is open, and show what each became.

    Nothing is charged. That the gateway has no payment is believed only after two reads, a settle window apart; until
    then an attempt stays as it is.

    Example: billing-worker reconcile
    """
    with session(as_json=as_json) as work:
        work.check_gateway()
        ids = open_attempts(work.ports)
        results = [_looked(work, attempt_id) for attempt_id in followed(ids, "Reading the gateway")]
        work.out.rows(results, COLUMNS, empty="No attempt is open: every charge so far has a known outcome.")


def _looked(work: Session, attempt_id: str) -> View:
    with work.ports.database.transaction() as uow:
        before = uow.attempts.get(attempt_id).status
    look(work.ports, attempt_id)
    with work.ports.database.transaction() as uow:
        after = uow.attempts.get(attempt_id)
    return {
        "attempt": attempt_id,
        "invoice": after.invoice_id,
        "was": before,
        "became": after.status,
        "reason": after.reason,
        "next_look_at": after.next_look_at,
    }
