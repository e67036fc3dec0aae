"""The state of a refund, in words of `why`."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.refund import Refund, RefundStatus


class State(NamedTuple):
    """The state of an entity, its next step, and the ways out."""

    answer: str
    next: str
    ways_out: tuple[WayOut, ...] = ()


def state_of_refund(refund: Refund, invoice_id: str, day: Callable[[datetime | None], str]) -> State:
    """Where a refund of this invoice stands, and what follows; `day` writes a time."""
    match refund.status:
        case RefundStatus.PENDING if refund.sends == 0:
            return State("Written down, and not sent yet.", "The next scan hands it to a worker, within seconds.")
        case RefundStatus.PENDING:
            answer = f"Not given back yet: sent {refund.sends} times ({refund.note})."
            return State(answer, f"It is sent again on {day(refund.next_step_at)}.")
        case RefundStatus.IN_FLIGHT:
            return State("Being sent.", "The answer, or a read of the payment, decides.")
        case RefundStatus.UNKNOWN:
            answer = f"Not known: it was sent and its outcome is unclear ({refund.note})."
            then = f"The payment is read again at {day(refund.next_step_at)}; nothing is sent before."
            return State(answer, then)
        case RefundStatus.SUCCEEDED:
            return State(f"Given back: the gateway shows it since {day(refund.closed_at)}.", "Nothing.")
        case RefundStatus.FAILED:
            answer = f"Not given back by it: {refund.note}."
            ways_out = (WayOut(Action.REQUEST_REFUND, {"invoice": invoice_id}),)
            return State(answer, "Nothing by itself. An operator can ask again.", ways_out)
