"""The adapter of the second gateway: the port's methods by another wire."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from billing_worker.adapters.masking import evidence_text
from billing_worker.domain.card_entry import (
    Card,
    DeleteAnswer,
    Deleted,
    IssueAnswer,
    Issued,
    IssueRequest,
    NotDeleted,
    NotIssued,
)
from billing_worker.domain.payment import ChargeRequest, Evidence, Failed, GatewayPayment, Outcome, Trouble, Unknown
from billing_worker.domain.proof import judge, refusal
from billing_worker.domain.refund import Answered, RefundAnswer, RefundRequest, Refused
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.outside import KeyReading, Listing, Sheet
from tests.support.another_gateway.reading import key_in, payment_in
from tests.support.another_gateway.schedule_calls import ScheduleCalls
from tests.support.another_gateway.wire import OK, Said, Silence

KEY_GONE = ("BILLING_KEY_NOT_FOUND", "BILLING_KEY_ALREADY_DELETED")
NOTHING_DONE = ("UNAUTHORIZED", "FORBIDDEN", "INVALID_REQUEST", "CHANNEL_NOT_FOUND")
PAGE_SIZE = 3
"""Small, so that a few payments need several pages."""


class AnotherGateway:
    """The second gateway behind the port. A charge is read back: its answer names neither the sum nor the try."""

    def __init__(self, url: str, secret: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"PortOne {secret}"}, timeout=60, trust_env=False
        )
        self._secret = secret
        self._threads = ThreadPoolExecutor(4)
        self._schedules = ScheduleCalls(self._send)

    def charge(self, request: ChargeRequest) -> Outcome:
        mark = uuid4().hex  # stored with the try: so the read finds this one among all of the payment
        fields = {
            "billingKey": request.customer_uid,
            "orderName": request.name,
            "amount": {"total": request.money.amount},
            "currency": request.money.currency,
            "customData": mark,
        }
        said = self._send("POST", f"/payments/{quote(request.merchant_uid)}/billing-key", fields)
        if isinstance(said, Silence):
            if not said.sent:
                return Failed(said.reason, trouble=Trouble.NOT_REACHED)
            return Unknown(said.reason, trouble=Trouble.NO_ANSWER)
        if said.type in KEY_GONE:
            return refusal(said.type, said.evidence)
        if said.type in NOTHING_DONE:
            trouble = Trouble.UNAUTHORIZED if said.type == "UNAUTHORIZED" else None
            return Failed(said.type, said.evidence, trouble=trouble)
        if said.type not in (OK, "PG_PROVIDER"):
            return Unknown(said.type, said.evidence, duplicate=said.type == "ALREADY_PAID")
        return self._read_back(request, mark) or Unknown(f"{said.type}, and its try is not shown yet", said.evidence)

    def begin_charge(self, request: ChargeRequest) -> Future[Outcome]:
        return self._threads.submit(self.charge, request)

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:
        mark = uuid4().hex
        fields = {
            "card": card.reveal(),
            "billingKey": request.customer_uid or None,
            "amount": {"total": request.money.amount},
            "currency": request.money.currency,
            "customData": mark,
        }
        said = self._send("POST", f"/payments/{quote(request.merchant_uid)}/instant", fields)
        if isinstance(said, Silence):
            if not said.sent:
                return Failed(said.reason, trouble=Trouble.NOT_REACHED)
            return Unknown(said.reason, trouble=Trouble.NO_ANSWER)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        return self._read_back(request, mark) or Unknown(said.type, said.evidence)

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        fields = {"billingKey": request.customer_uid, "card": request.card.reveal()}
        said = self._send("POST", "/billing-keys", fields)
        if isinstance(said, Silence):
            return Unknown(said.reason) if said.sent else Failed(said.reason)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        if said.type == "PG_PROVIDER":
            return NotIssued(said.fields["pgMessage"], said.evidence)
        return Issued(said.evidence) if said.type == OK else Unknown(said.type, said.evidence)

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:
        query = {"reason": reason} | ({"requester": requester} if requester else {})
        said = self._send("DELETE", f"/billing-keys/{quote(customer_uid)}", query=query)
        if isinstance(said, Silence):
            return Unknown(said.reason) if said.sent else Failed(said.reason)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        return Deleted(said.evidence) if said.type in (OK, *KEY_GONE) else NotDeleted(said.type, said.evidence)

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        fields = {
            "amount": request.money.amount,
            "currentCancellableAmount": request.balance.amount,
            "reason": request.reason,
        }
        said = self._send("POST", f"/payments/{quote(request.merchant_uid)}/cancel", fields)
        if isinstance(said, Silence):
            return Unknown(said.reason) if said.sent else Failed(said.reason)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        if said.type != OK:
            return Refused(said.type, said.evidence)
        shown = self.payments_of(request.merchant_uid).payments
        ours = [Answered(*each) for each in shown if each[0].imp_uid == request.imp_uid]
        return ours[0] if ours else Unknown("given back, and not shown yet", said.evidence)

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        return self._schedules.register(request)

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        return self._schedules.revoke(customer_uid, merchant_uid)

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        return self._schedules.read(merchant_uid)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        return self._schedules.listed(start, end, billingKey=customer_uid)

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        return self._schedules.listed(start, end)

    def payment(self, imp_uid: str) -> Listing:
        found = self._found({"textSearch": [{"field": "TX_ID", "value": imp_uid}]})
        return _only(found, lambda payment: payment.imp_uid == imp_uid)

    def shows(self, imp_uid: str) -> bool:
        return bool(self.payment(imp_uid).payments)

    def payments_of(self, merchant_uid: str) -> Listing:
        said = self._send("GET", f"/payments/{quote(merchant_uid)}/transactions")
        if isinstance(said, Silence):
            return Listing((), said.reason)
        if said.type == "PAYMENT_NOT_FOUND":
            return Listing((), evidence=said.evidence)
        if said.type != OK:
            return Listing((), said.type, said.evidence)
        rows = said.fields["items"]
        shown = [(payment_in(row), self._evidence("GET transactions", 200, row)) for row in rows]
        return Listing(shown, None, said.evidence)

    def payments_of_key(self, customer_uid: str) -> Listing:
        found = self._found({"textSearch": [{"field": "BILLING_KEY", "value": customer_uid}]})
        return _only(found, lambda payment: payment.customer_uid == customer_uid)

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        for page in self._pages({"from": start.isoformat(), "until": end.isoformat()}):
            yield Sheet([payment for payment, _ in page.payments], trouble=page.trouble)

    def read_key(self, customer_uid: str) -> KeyReading:
        said = self._send("GET", f"/billing-keys/{quote(customer_uid)}")
        if isinstance(said, Silence):
            return KeyReading(trouble=said.reason)
        if said.type == "BILLING_KEY_NOT_FOUND":
            return KeyReading()
        return key_in(said.fields) if said.type == OK else KeyReading(trouble=said.type)

    def close(self) -> None:
        self._threads.shutdown()
        self._http.close()

    def _read_back(self, request: ChargeRequest, mark: str) -> Outcome | None:
        said = self._send("GET", f"/payments/{quote(request.merchant_uid)}/transactions")
        if isinstance(said, Silence) or said.type != OK:
            return None
        for row in said.fields["items"]:
            if row.get("customData") == mark:
                return judge(request, payment_in(row), self._evidence("GET transactions", 200, row))
        return None

    def _found(self, sought: dict[str, Any]) -> Listing:
        always = {"from": datetime(2020, 1, 1, tzinfo=UTC).isoformat(), "until": datetime.now(UTC).isoformat()}
        pages = [*self._pages(always | sought)]
        trouble = next((page.trouble for page in pages if page.trouble is not None), None)
        return Listing(() if trouble else [each for page in pages for each in page.payments], trouble)

    def _pages(self, sought: dict[str, Any]) -> Iterator[Listing]:
        """The tries of the payments that a filter finds, page by page, up to the last one or to trouble."""
        number, total = 0, 1
        while number * PAGE_SIZE < total:
            wanted = {"page": {"number": number, "size": PAGE_SIZE}, "filter": sought}
            said = self._send("GET", "/payments", query={"requestBody": json.dumps(wanted)})
            if isinstance(said, Silence) or said.type != OK:
                yield Listing((), said.reason if isinstance(said, Silence) else said.type)
                return
            tries = [self.payments_of(row["id"]) for row in said.fields["items"]]
            trouble = next((each.trouble for each in tries if each.trouble is not None), None)
            yield Listing([] if trouble else [shown for each in tries for shown in each.payments], trouble)
            if trouble:
                return
            number, total = number + 1, said.fields["page"]["totalCount"]

    def _send(
        self, method: str, path: str, fields: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> Said | Silence:
        try:
            answer = self._http.request(method, path, json=fields, params=query)
            found = answer.json()
        except httpx.ConnectError as error:
            return Silence(f"not sent: {type(error).__name__}", sent=False)
        except (httpx.HTTPError, ValueError) as error:
            return Silence(f"no answer: {type(error).__name__}")
        kind = OK if answer.is_success else str(found.get("type"))
        return Said(kind, found, self._evidence(f"{method} {path}", answer.status_code, found))

    def _evidence(self, request: str, status: int, body: dict[str, Any]) -> Evidence:
        text = json.dumps(body, ensure_ascii=False).encode()
        return Evidence("another", request, status, evidence_text(text, (self._secret,)))


def _only(found: Listing, fits: Callable[[GatewayPayment], bool]) -> Listing:
    return Listing([each for each in found.payments if fits(each[0])], found.trouble)
