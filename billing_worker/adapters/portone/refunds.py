"""The call that gives money back. Nothing here raises."""

from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.answers import refund_of
from billing_worker.adapters.portone.asking import Ask, Record
from billing_worker.adapters.portone.client import Answer, NoAnswer, NotSent
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.payment import Failed, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest


def cancel(ask: Ask, record: Record, request: RefundRequest, *, test_channels: bool) -> RefundAnswer:
    """Give money back, with one call."""
    try:
        call = requests.cancel(request)
    except InvalidInput as error:
        return Failed(f"not sent: {error}")
    match ask(call):
        case NotSent(reason):
            return Failed(f"not sent: {reason}")
        case NoAnswer(reason, head):
            return Unknown(f"no answer: {reason}", record(call, None, head))
        case Answer() as answer:
            return refund_of(answer, lambda body: record(call, answer.status, body), test_channels=test_channels)
