"""PortOne V1 as a Gateway."""

import os
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime

from billing_worker.adapters.call_times import CallTimes
from billing_worker.adapters.masking import evidence_text
from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone import answers, entry, keys, pages, refunds, requests, schedules
from billing_worker.adapters.portone.client import Answer, Client, NoAnswer, NotSent, Result, host_of
from billing_worker.adapters.portone.control_reads import CONTROL_EVERY, ControlReads
from billing_worker.adapters.portone.envelope import NotUnderstood
from billing_worker.adapters.portone.state import State
from billing_worker.adapters.portone.tokens import NoToken, Token, Tokens
from billing_worker.domain.card_entry import Card, DeleteAnswer, IssueAnswer, IssueRequest
from billing_worker.domain.errors import InvalidInput, SettingsInvalid
from billing_worker.domain.payment import ChargeRequest, Evidence, Failed, GatewayPayment, Outcome, Trouble, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.outside import KeyReading, Listing, Sheet

CONNECT_TIMEOUT = 5.0
TOTAL_DEADLINE = 65.0
"""PortOne asks clients to wait 60 seconds and more, since a charge continues after the client hangs up."""

TOKEN_DEADLINE = 10.0
"""The longest wait for a token, within the total: the charge needs the rest."""

LEAST_SHARE = 0.5
"""A charge does not begin with less than this fraction of the total left: it would end as unknown."""

MOST_PAGES = 50
"""5,000 payments under one merchant_uid: far above any dunning, far below an endless loop."""

MAX_CONNECTIONS = 64
"""As many as the threads of a worker process, so that none waits for a connection."""

BROWSER_IP = "127.0.0.1"
"""Paymentwall requires an address of the payer; a recurring charge has none, and PortOne's default is the caller's."""


class PortOneGateway:
    """PortOne V1. One instance serves all threads of a process, and a forked process may inherit it.

    No method raises for a failure of the network or the gateway. Each ends within `total_deadline` seconds, plus the
    time of the host name resolver, which cannot be interrupted; no request is sent after the deadline.
    `payments_between` takes at most that long per page, `shows` twice as long and `control_every` seconds. No text that
    leaves this class contains the key, the secret, a token, or any of `also_secret`.
    """

    def __init__(
        self,
        base_url: str,
        imp_key: str,
        imp_secret: str,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        total_deadline: float = TOTAL_DEADLINE,
        include_sandbox: bool = False,
        max_connections: int = MAX_CONNECTIONS,
        browser_ip: str = BROWSER_IP,
        product_type: str | None = None,
        also_secret: Collection[str] = (),
        tls: ssl.SSLContext | None = None,
        control_every: float = CONTROL_EVERY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._base_url = host_of(base_url), base_url.rstrip("/")
        if not imp_key or not imp_secret:
            raise SettingsInvalid("BILLING_PORTONE_IMP_KEY, BILLING_PORTONE_IMP_SECRET: both are needed")
        self._imp_key, self._imp_secret = imp_key, imp_secret
        self._also_secret, self._monotonic = tuple(also_secret), monotonic
        self._connect_timeout, self._total_deadline = connect_timeout, total_deadline
        self._include_sandbox, self._max_connections = include_sandbox, max_connections
        self._browser_ip, self._product_type = browser_ip, product_type
        self._tls, self._control_every = tls, control_every
        self._states: dict[int, State] = {}
        self._state = self._new_state()

    def __repr__(self) -> str:
        return f"PortOneGateway({self._host!r})"

    @property
    def times(self) -> CallTimes:
        """The times of this process's calls, but for charges."""
        return self._here().client.times

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge: `POST /subscribe/payments/again`, sent once, and once more after a 401 of PortOne."""
        return self._here().client.loop.run(self._charge(request, None))

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:
        """Charge card data: `POST /subscribe/payments/onetime`, sent once, and once more after a 401 of PortOne."""
        return self._here().client.loop.run(self._charge(request, card))

    def begin_charge(self, request: ChargeRequest) -> Future[Outcome]:
        """Begin one charge without waiting. Many may be under way without a thread each."""
        return self._here().client.loop.begin(self._charge(request, None))

    async def _charge(self, request: ChargeRequest, card: Card | None) -> Outcome:
        try:
            if card is None:
                call = requests.again(request, self._browser_ip, self._product_type)
            else:
                call = requests.onetime(request, card, self._browser_ip, self._product_type)
        except InvalidInput as error:
            return Failed(f"not sent: {error}")
        hidden = () if card is None else entry.spellings(card)
        loop, deadline = self._here().client.loop, Deadline(self._total_deadline)
        began = loop.now()
        result = await self._asked(call, deadline, least=LEAST_SHARE * self._total_deadline, also_secret=hidden)
        # A process that stood still, or had no CPU, missed the answer itself: that says nothing about the gateway.
        ours = loop.was_held_up(began)
        match result:
            case NotSent(reason, trouble, late):
                return Failed(f"not sent: {reason}", trouble=None if late and ours else trouble)
            case NoAnswer(reason, head, late):
                evidence = self._evidence(call, None, head, hidden)
                return Unknown(f"no answer: {reason}", evidence, trouble=None if late and ours else Trouble.NO_ANSWER)
            case Answer():
                return answers.outcome_of(
                    request,
                    result,
                    lambda body: self._evidence(call, result.status, body, hidden),
                    test_channels=self._include_sandbox,
                )

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        """Store a card: `POST /subscribe/customers/{customer_uid}`, sent once, and once more after a 401 of PortOne."""
        return entry.issue(self._ask_in_time, self._evidence, request)

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:
        """Delete a key: `DELETE /subscribe/customers/{customer_uid}`."""
        return entry.delete(self._ask_in_time, self._evidence, customer_uid, reason, requester)

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        """Give money back: `POST /payments/cancel`, sent once, and once more after a 401 of PortOne."""
        return refunds.cancel(self._ask_in_time, self._evidence, request, test_channels=self._include_sandbox)

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        """Let PortOne charge later: `POST /subscribe/payments/schedule`, sent once, and once more after a 401."""
        return schedules.register(self._ask_in_time, self._evidence, request, self._browser_ip, self._product_type)

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        """Take a schedule back: `POST /subscribe/payments/unschedule`."""
        return schedules.revoke(self._ask_in_time, self._evidence, customer_uid, merchant_uid)

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        """One schedule: `GET /subscribe/payments/schedule/{merchant_uid}`."""
        return schedules.read(self._ask_alone, self._evidence, merchant_uid)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules of a key in this span, each page within a deadline of its own."""
        return schedules.of_key(self._ask_alone, customer_uid, start, end)

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules of the account in this span, each page within a deadline of its own."""
        return schedules.between(self._ask_alone, start, end)

    def payment(self, imp_uid: str) -> Listing:
        """The payment with this id."""
        try:
            call = requests.payment(imp_uid, include_sandbox=self._include_sandbox)
            page, said = self._page(call, Deadline(self._total_deadline))
        except InvalidInput as trouble:
            return Listing((), str(trouble))
        except answers.NotRead as trouble:
            return Listing((), str(trouble), trouble.evidence)
        if page.next_page is not None or any(found.imp_uid != imp_uid for found, _ in page.payments):
            return Listing((), "the gateway answered with another payment", said)
        return Listing(page.payments, evidence=said)

    def shows(self, imp_uid: str) -> bool:
        """Control read: one for all threads that ask at the same time, begun after all of them asked."""
        return self._here().controls.shows(imp_uid)

    def payments_of(self, merchant_uid: str) -> Listing:
        """Every payment under this merchant_uid, to the last page of `findAll`; trouble when any page is missing."""
        found = self._all_pages(
            lambda page: requests.payments_of(merchant_uid, page, include_sandbox=self._include_sandbox)
        )
        if any(payment.merchant_uid != merchant_uid for payment, _ in found.payments):
            return Listing((), "the gateway answered with payments of another merchant_uid", found.evidence)
        return found

    def payments_of_key(self, customer_uid: str) -> Listing:
        """Every payment of this billing key, to the last page; trouble when any page is missing."""
        found = self._all_pages(
            lambda page: requests.payments_of_key(customer_uid, page, include_sandbox=self._include_sandbox)
        )
        if not all(payment.may_be_of(customer_uid) for payment, _ in found.payments):
            return Listing((), "the gateway answered with payments of another customer_uid", found.evidence)
        return found

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        """Every payment whose latest change lies in this span, page by page, each read on demand."""
        return pages.between(self._ask_alone, self._evidence, start, end, test_channels=self._include_sandbox)

    def read_key(self, customer_uid: str) -> KeyReading:
        """The billing key as PortOne stores it: `GET /subscribe/customers/{customer_uid}`."""
        return keys.read(self._ask_alone, customer_uid)

    def close(self) -> None:
        """Close the connections of this process; a later call opens new ones."""
        self._here().client.close()

    def _all_pages(self, call: Callable[[int], requests.Call]) -> Listing:
        """All pages of a list."""
        deadline = Deadline(self._total_deadline)
        found: dict[str, tuple[GatewayPayment, Evidence]] = {}
        number, announced = 1, 0
        try:
            while True:
                page, said = self._page(call(number), deadline)
                # The newest come first: a payment made during the read shows an older one twice, and hides none.
                found |= {payment.imp_uid: (payment, evidence) for payment, evidence in page.payments}
                announced = max(announced, page.total or 0)
                if page.next_page is None:
                    break
                if page.next_page <= number or number >= MOST_PAGES:
                    return Listing((), f"the pages do not end: {page.next_page} follows {number}", said)
                number = page.next_page
        except InvalidInput as trouble:
            return Listing((), str(trouble))
        except answers.NotRead as trouble:
            return Listing((), str(trouble), trouble.evidence)
        if len(found) < announced:
            return Listing((), f"{len(found)} payments were found, but {announced} were announced", said)
        return Listing(tuple(found.values()), evidence=said)

    def _page(self, call: requests.Call, deadline: Deadline) -> tuple[answers.Page, Evidence]:
        """One page, and the answer as received. Raises answers.NotRead with the answer, if there was one."""
        result = self._ask(call, deadline)
        if not isinstance(result, Answer):
            raise answers.NotRead(result.reason, self._evidence(call, None, b""))
        said = self._evidence(call, result.status, result.body)
        try:
            page = answers.page_of(
                result, lambda body: self._evidence(call, result.status, body), test_channels=self._include_sandbox
            )
        except NotUnderstood as trouble:
            raise answers.NotRead(str(trouble), said) from trouble
        return page, said

    def _ask_alone(self, call: requests.Call, also_secret: Sequence[str] = ()) -> Result:
        """Send with a deadline of its own: for a read."""
        return self._ask(call, Deadline(self._total_deadline), also_secret=also_secret)

    def _ask_in_time(self, call: requests.Call, also_secret: Sequence[str] = ()) -> Result:
        """Send with one deadline, and with enough of it left for an answer."""
        least = LEAST_SHARE * self._total_deadline
        return self._ask(call, Deadline(self._total_deadline), least, also_secret)

    def _ask(
        self, call: requests.Call, deadline: Deadline, least: float = 0.0, also_secret: Sequence[str] = ()
    ) -> Result:
        """Send, and wait for the answer."""
        return self._here().client.loop.run(self._asked(call, deadline, least, also_secret))

    async def _asked(
        self, call: requests.Call, deadline: Deadline, least: float = 0.0, also_secret: Sequence[str] = ()
    ) -> Result:
        """Send with a token; after a 401 of PortOne itself, send once more with a fresh one."""
        here = self._here()
        for is_last in (False, True):
            token = await here.token(deadline.at_most(TOKEN_DEADLINE))
            if isinstance(token, NoToken):
                return NotSent(f"no access token: {token.reason}", Trouble.UNAUTHORIZED, token.late)
            if deadline.remaining() <= least:
                return NotSent("too little time was left to wait for an answer", None)
            secrets = (*self._secrets(), *here.tokens.known(), *also_secret)
            result = await here.client.exchanged(call, token, deadline, secrets)
            if is_last or not isinstance(result, Answer) or not answers.is_unauthorized(result):
                break
            here.tokens.drop(token)
        return result

    def _fetch_token(self, client: Client, deadline: Deadline) -> Token | NoToken:
        call = requests.get_token(self._imp_key, self._imp_secret)
        return answers.token_from(client.exchange(call, None, deadline, self._secrets()))

    def _evidence(
        self, call: requests.Call, status: int | None, body: bytes, also_secret: Sequence[str] = ()
    ) -> Evidence:
        secrets = (*self._secrets(), *self._here().tokens.known(), *also_secret)
        return Evidence("portone", call.label, status, evidence_text(body, secrets))

    def _secrets(self) -> tuple[str, ...]:
        return self._imp_key, self._imp_secret, *self._also_secret

    def _here(self) -> State:
        state = self._state
        if state.pid != os.getpid():
            # In a forked child, locks of the parent may be held for ever, so none is taken. setdefault is atomic.
            state = self._state = self._states.setdefault(os.getpid(), self._new_state())
        return state

    def _new_state(self) -> State:
        client = Client(
            self._base_url,
            connect_timeout=self._connect_timeout,
            max_connections=self._max_connections,
            tls=self._tls,
        )
        return State(
            os.getpid(),
            client,
            Tokens(lambda deadline: self._fetch_token(client, deadline), self._monotonic),
            ControlReads(lambda imp_uid: bool(self.payment(imp_uid).payments), every=self._control_every),
        )
