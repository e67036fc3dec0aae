"""Gateway doubles: the real gateway, with one step replaced or observed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.card_entry import Card, DeleteAnswer, IssueAnswer, IssueRequest
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.outside import Gateway, KeyReading, Listing, Sheet
from tests.support.sandbox import PATIENCE


def hurried(gateway: PortOneGateway) -> PortOneGateway:
    """The gateway with its token at hand: a short deadline meets the call itself, however slow this machine is."""
    gateway._here().tokens.get(Deadline(PATIENCE))
    return gateway


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
    on_issue: Callable[[Gateway, IssueRequest], IssueAnswer] | None = None
    on_delete: Callable[[Gateway, str], DeleteAnswer] | None = None
    on_read_key: Callable[[Gateway, str], KeyReading] | None = None
    on_charge_card: Callable[[Gateway, ChargeRequest, Card], Outcome] | None = None
    on_register: Callable[[Gateway, ScheduleRequest], RegisterAnswer] | None = None
    on_revoke: Callable[[Gateway, str, str], RevokeAnswer] | None = None
    on_read_schedule: Callable[[Gateway, str], ScheduleReading] | None = None
    charges: list[ChargeRequest] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Outcome:
        self.charges.append(request)
        return self.on_charge(self.inner, request) if self.on_charge else self.inner.charge(request)

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:
        if self.on_charge_card:
            return self.on_charge_card(self.inner, request, card)
        return self.inner.charge_card(request, card)

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        return self.on_issue(self.inner, request) if self.on_issue else self.inner.issue_key(request)

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:
        if self.on_delete:
            return self.on_delete(self.inner, customer_uid)
        return self.inner.delete_key(customer_uid, reason, requester)

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        return self.on_cancel(self.inner, request) if self.on_cancel else self.inner.cancel(request)

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        return self.on_register(self.inner, request) if self.on_register else self.inner.register_schedule(request)

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        if self.on_revoke:
            return self.on_revoke(self.inner, customer_uid, merchant_uid)
        return self.inner.revoke_schedule(customer_uid, merchant_uid)

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        if self.on_read_schedule:
            return self.on_read_schedule(self.inner, merchant_uid)
        return self.inner.read_schedule(merchant_uid)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        return self.inner.schedules_of_key(customer_uid, start, end)

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        return self.inner.schedules_between(start, end)

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

    def read_key(self, customer_uid: str) -> KeyReading:
        return self.on_read_key(self.inner, customer_uid) if self.on_read_key else self.inner.read_key(customer_uid)


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


def untroubled(outcome: Any) -> Any:
    """For many stories in one world: what the charges of one customer meet must not pause those of the others."""
    return replace(outcome, trouble=None) if isinstance(outcome, Failed | Unknown) else outcome
