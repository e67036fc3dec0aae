"""Invariants of refunds (I10)."""

from billing_worker.domain.refund import Refund, RefundRequest
from billing_worker.simulation.fleet.ledger import Row
from billing_worker.simulation.judge.docket import IN_DOUBT, Docket


class Refunds:
    """Checks each refund when it is sent, when the gateway makes it, and when it is booked."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    def requested(self, request: RefundRequest) -> None:
        """Check a refund that is sent: it needs a written intent, an amount, and the balance in our books."""
        tables = self._docket.rows
        intent = tables.refunds.rows.get(request.reason.split()[0])
        about = (request.imp_uid, request.merchant_uid)
        if intent is None or intent.status not in IN_DOUBT:
            self._docket.found("I10", f"{request.imp_uid} is given back without an intent: {request.reason}", *about)
            return
        if request.money != intent.money or request.money.amount <= 0 or request.balance.amount != intent.balance:
            self._docket.found(
                "I10", f"refund {intent.id} asks for {request.money} of {request.balance}", intent.id, *about
            )
        paid = tables.attempts.rows[intent.attempt_id]
        if paid.imp_uid != request.imp_uid or paid.status != "approved":
            self._docket.found(
                "I10", f"refund {intent.id} gives {request.imp_uid} back, which is not its payment", *about
            )

    def cancelled(self, row: Row) -> None:
        """Check a refund that the gateway made."""
        reasons = [reason.split()[0] for _, reason in row.cancellations if reason.startswith("rfd_")]
        if len(set(reasons)) < len(reasons):
            self._docket.found(
                "I10", f"one refund of {row.imp_uid} was given back twice: {reasons}", row.imp_uid, *reasons
            )
        if row.cancelled > row.amount:
            self._docket.found("I10", f"{row.imp_uid} gave {row.cancelled} of {row.amount} back", row.imp_uid)

    def committed(self, before: Refund | None, after: Refund) -> None:
        """Check a written refund."""
        if after.status != "succeeded" or (before is not None and before.status == "succeeded"):
            return
        row = self._docket.ledger.rows.get(self._docket.rows.attempts.rows[after.attempt_id].imp_uid or "")
        shown = row is not None and (
            after.money.amount in [a for a, why in row.cancellations if why.startswith(after.id)]
        )
        if not shown:
            self._docket.found(
                "I10", f"refund {after.id} succeeded, the ledger does not show it", after.id, after.attempt_id
            )
