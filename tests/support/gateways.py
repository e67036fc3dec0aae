"""Gateway doubles: the real gateway, with one step replaced or observed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.ports.outside import Gateway, Listing, Sheet


@dataclass
class Around:
    """Passes everything on; `charge` and `payments_of` may be replaced by functions of (gateway, argument)."""

    inner: Gateway
    on_charge: Callable[[Gateway, ChargeRequest], Outcome] | None = None
    on_payments_of: Callable[[Gateway, str], Listing] | None = None
    on_payments_of_key: Callable[[Gateway, str], Listing] | None = None
    on_payment: Callable[[Gateway, str], Listing] | None = None
    on_cancel: Callable[[Gateway, RefundRequest], RefundAnswer] | None = None
    on_payments_between: Callable[[Gateway, datetime, datetime], Iterator[Sheet]] | None = None
    on_knows_key: Callable[[Gateway, str], bool | None] | None = None
    charges: list[ChargeRequest] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Outcome:
        self.charges.append(request)
        return self.on_charge(self.inner, request) if self.on_charge else self.inner.charge(request)

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        return self.on_cancel(self.inner, request) if self.on_cancel else self.inner.cancel(request)

    def payment(self, imp_uid: str) -> Listing:
        return self.on_payment(self.inner, imp_uid) if self.on_payment else self.inner.payment(imp_uid)

    def shows(self, imp_uid: str) -> bool:
        return bool(self.on_payment(self.inner, imp_uid).payments) if self.on_payment else self.inner.shows(imp_uid)

    def payments_of(self, merchant_uid: str) -> Listing:
        if self.on_payments_of:
            return self.on_payments_of(self.inner, merchant_uid)
        return self.inner.payments_of(merchant_uid)

    def payments_of_key(self, customer_uid: str) -> Listing:
        if self.on_payments_of_key:
            return self.on_payments_of_key(self.inner, customer_uid)
        return self.inner.payments_of_key(customer_uid)

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        if self.on_payments_between:
            return self.on_payments_between(self.inner, start, end)
        return self.inner.payments_between(start, end)

    def knows_key(self, customer_uid: str) -> bool | None:
        return self.on_knows_key(self.inner, customer_uid) if self.on_knows_key else self.inner.knows_key(customer_uid)


def answers(outcome: Outcome) -> Callable[[Gateway, ChargeRequest], Outcome]:
    """Answers without asking the gateway."""
    return lambda _gateway, _request: outcome


def loses_the_reply(gateway: Gateway, request: ChargeRequest) -> Outcome:
    """The charge is placed, and its answer is lost."""
    gateway.charge(request)
    return Unknown("no answer: the connection was lost")


def never_arrives(_gateway: Gateway, _request: ChargeRequest) -> Outcome:
    """The charge is lost on its way, without a sign."""
    return Unknown("no answer: the connection was lost")


def untroubled(outcome: Outcome) -> Outcome:
    """For many stories in one world: what the charges of one customer meet must not pause those of the others."""
    return replace(outcome, trouble=None) if isinstance(outcome, Failed | Unknown) else outcome
