"""The state of a refund, in words of `why`."""

from collections.abc import Mapping
from typing import NamedTuple

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.refund import Refund, RefundStatus
from billing_worker.texts.words import Words

_NAMES: Mapping[RefundStatus, str] = {
    RefundStatus.PENDING: "waits",
    RefundStatus.IN_FLIGHT: "in_flight",
    RefundStatus.UNKNOWN: "unknown",
    RefundStatus.SUCCEEDED: "done",
    RefundStatus.FAILED: "failed",
}


class State(NamedTuple):
    """The state of an entity, its next step, and the ways out."""

    answer: str
    next: str
    ways_out: tuple[WayOut, ...] = ()


def state_of_refund(refund: Refund, invoice_id: str, words: Words) -> State:
    """Where a refund of this invoice stands, and what follows."""
    name = _NAMES[refund.status]
    if refund.status is RefundStatus.PENDING and refund.sends == 0:
        return State(words.say("why.refund.written"), words.say("why.due.next"))
    closed = refund.status is RefundStatus.SUCCEEDED
    when = words.day(refund.closed_at if closed else refund.next_step_at)
    answer = words.say(f"why.refund.{name}", sends=refund.sends, note=words.reason(refund.note), day=when)
    asked_again = (WayOut(Action.REQUEST_REFUND, {"invoice": invoice_id}),)
    ways_out = asked_again if refund.status is RefundStatus.FAILED else ()
    return State(answer, words.say(f"why.refund.{name}.next", day=when), ways_out)
