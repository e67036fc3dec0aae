"""The invariants at every commit and at every request that reaches the gateway.

These rules do not use the worker's rules: edges, counts and comparisons are written independently. Rows are read as
data, and charges from the gateway's ledger.
"""

from collections.abc import Callable, Sequence
from typing import Any

from billing_worker.domain.event_order import Story
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.simulation.judge.attempts import Attempts
from billing_worker.simulation.judge.charges import Charges
from billing_worker.simulation.judge.docket import Docket
from billing_worker.simulation.judge.edges import Edges
from billing_worker.simulation.judge.invoices import Invoices
from billing_worker.simulation.judge.refunds import Refunds
from billing_worker.simulation.judge.schedules import Schedules
from billing_worker.simulation.memory.order_ids import OrderId
from billing_worker.simulation.memory.tables import Entry

Check = Callable[[Any, Any], None]


class Safety:
    """Passes each commit to the rules about its rows, and each request or payment at the gateway to the others."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self.charges = Charges(docket)
        self.refunds = Refunds(docket)
        self.schedules = Schedules(docket)
        self._edges = Edges(docket)
        self._story = Story()
        attempts, invoices = Attempts(docket), Invoices(docket)
        self._checks: dict[str, tuple[Check, ...]] = {
            "attempt": (attempts.committed,),
            "invoice": (invoices.committed,),
            "subscription": (invoices.subscribed,),
            "billing key": (self._edges.unlocked,),
            "merchant_uid": (self._ordered,),
            "refund": (self.refunds.committed,),
            "event": (self._events_agree, invoices.announced),
        }
        self._stated = ("attempt", "invoice", "subscription", "billing key", "refund")

    def committed(self, changes: Sequence[Entry]) -> None:
        """Check a committed transaction."""
        for table, before, after in changes:
            if table.kind in self._stated:
                self._edges.passed(table.kind, before, after)
            for check in self._checks.get(table.kind, ()):
                check(before, after)

    def _events_agree(self, before: OutboxMessage | None, after: OutboxMessage) -> None:
        """Check that the events about one subject do not contradict each other (I22)."""
        event = after.event
        if before is None:
            problems = self._story.hear(event.type, event.subject_id, event.data)
            for problem in problems + self._story.place(event.stream_id, after.stream_sequence):
                self._docket.found("I22", problem, event.subject_id, after.id)

    def _ordered(self, _before: OrderId | None, after: OrderId) -> None:
        self._docket.orders[after.invoice_id].append(after.id)
