"""The gateway as one process sees it: the ledger, behind a network that may fail in any way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from billing_worker.domain.card import CardFacts, CardKind
from billing_worker.domain.card_entry import Card as CardData
from billing_worker.domain.card_entry import DeleteAnswer, Deleted, IssueAnswer, Issued, IssueRequest
from billing_worker.domain.money import Money
from billing_worker.domain.payment import (
    Cancellation,
    ChargeRequest,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    PaymentStatus,
    Trouble,
    Unknown,
)
from billing_worker.domain.proof import judge, refusal
from billing_worker.domain.refund import Answered, RefundAnswer, RefundRequest, Refused
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.outside import KeyReading, Listing, Sheet, StoredKey
from billing_worker.simulation.fleet.client import DEADLINE, OUTAGE, World
from billing_worker.simulation.fleet.ledger import AGAIN, ISSUE, LATE, NO_SUCH_KEY, ONCE, Card, Row
from billing_worker.simulation.fleet.scheduler import Crash
from billing_worker.simulation.fleet.schedules import Schedules

CARD_LIFE = timedelta(days=3650)
"""A card that was issued by its data works for so long."""

EMPTY = 0.2
"""The fraction of cards, charged by their data, that have no money."""

BUYER_EMAIL = "gildong@example.com"

LATE_BY = (1.0, 7200.0)

NEVER_ARRIVES = ("charge.error_before", "charge.dropped_before")
ANSWER_IS_LOST = ("charge.error_after", "charge.dropped_after", "charge.garbled")


class FaultyGateway:
    """The gateway as one process sees it: the ledger, behind a network."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._schedules = Schedules(world, self._read)

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge; the network may lose it or its answer."""
        self._outside("a charge")
        fault = self._world.chaos.strikes("charge")
        not_sent = self._before(fault)
        if not_sent is not None:
            return not_sent
        self._world.on_request(request)
        self._world.scheduler.wait(self._world.chaos.call())
        if fault in NEVER_ARRIVES:
            return self._no_answer(fault)
        if fault == "charge.late":
            self._world.scheduler.after(self._world.chaos.between(*LATE_BY), partial(self._execute, request, LATE))
            return self._no_answer(fault)
        return self._after(request, self._execute(request), fault)

    def _before(self, fault: str | None) -> Outcome | None:
        """The fault that keeps a request from being sent."""
        world = self._world
        if fault == "charge.crash_before":
            raise Crash
        if fault == "charge.outage":
            world.gateway_down_until = world.scheduler.now + world.chaos.between(*OUTAGE)
        if fault == "charge.refused" or world.scheduler.now < world.gateway_down_until:
            world.scheduler.wait(world.chaos.pause())
            return Failed("not sent: connection refused", trouble=Trouble.NOT_REACHED)
        if fault == "charge.unauthorized":
            world.scheduler.wait(world.chaos.call())
            return Failed("not sent: no access token", trouble=Trouble.UNAUTHORIZED)
        return None

    def _after(self, request: ChargeRequest, answer: Row | str, fault: str | None) -> Outcome:
        """Return or lose the answer to an executed charge."""
        world = self._world
        if fault == "charge.crash_after":
            raise Crash
        if fault == "charge.taken_back" and isinstance(answer, Row) and answer.status == "paid":
            world.scheduler.after(world.chaos.between(1, 60), partial(self._take_back, answer))
            return self._no_answer(fault)
        if fault in ANSWER_IS_LOST:
            return self._no_answer(fault)
        if fault == "charge.stall":
            world.stall()
        world.scheduler.wait(world.chaos.call())
        return self._understood(request, answer)

    def charge_card(self, request: ChargeRequest, card: CardData) -> Outcome:  # noqa: ARG002 - the port's signature
        """Charge a new card; the gateway keeps it under the name it was given, if it took the money."""
        world, uid = self._world, request.customer_uid or f"{ONCE}{request.merchant_uid}"
        now = world.scheduler.now
        empty_until = now + (CARD_LIFE if world.chaos.roll() < EMPTY else timedelta(0))
        world.ledger.cards[uid] = Card(uid, request.pg_provider, 0.0, now + CARD_LIFE, "lost card", now, empty_until)
        try:
            return self.charge(replace(request, customer_uid=uid))
        finally:
            taken = any(row.status == "paid" for row in world.ledger.orders[request.merchant_uid])
            if not (request.customer_uid and taken):
                world.ledger.cards.pop(uid, None)

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        """Store a card; the network may lose the request or its answer."""
        if self._read("issue_key") is not None:
            return Unknown("no answer: the connection was lost")
        world, uid = self._world, request.customer_uid
        now = world.scheduler.now
        world.ledger.cards[uid] = Card(uid, request.pg_provider, 0.0, now + CARD_LIFE, "lost card", now, now)
        if world.chaos.strikes("cancel") == "cancel.dropped_after":
            return Unknown("no answer: the connection was lost")
        return Issued(Evidence("simulation", "POST customers", 200, uid))

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:  # noqa: ARG002 - the port's signature
        """Delete a key; the network may lose the request."""
        if self._read("delete_key") is not None:
            return Unknown("no answer: the connection was lost")
        self._world.ledger.cards.pop(customer_uid, None)
        return Deleted(Evidence("simulation", "DELETE customers", 200, customer_uid))

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        """Give money back; the network may lose the request or its answer."""
        world = self._world
        self._outside("a refund")
        fault = world.chaos.strikes("cancel")
        if fault == "cancel.refused" or world.scheduler.now < world.gateway_down_until:
            world.scheduler.wait(world.chaos.pause())
            return Failed("not sent: connection refused")
        world.on_refund(request)
        world.scheduler.wait(world.chaos.call())
        if fault == "cancel.dropped_before":
            return self._no_answer(fault)
        answer = world.ledger.refund(request.imp_uid, request.money.amount, request.balance.amount, request.reason)
        if fault == "cancel.crash_after":
            raise Crash
        if fault == "cancel.dropped_after":
            return self._no_answer(fault)
        if fault == "cancel.stall":
            world.stall()
        world.scheduler.wait(world.chaos.call())
        if isinstance(answer, Row):
            return Answered(*seen(answer, "POST cancel"))
        return Refused(answer, Evidence("simulation", "POST cancel", 200, answer))

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        """Register one charge for later; the network may lose the request or its answer."""
        return self._schedules.register(request)

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        """Take one schedule back; the network may lose the request or its answer."""
        return self._schedules.revoke(customer_uid, merchant_uid)

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        """The schedule with this order number."""
        return self._schedules.read(merchant_uid)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules of a key in this span."""
        return self._schedules.listed(start, end, customer_uid)

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules in this span."""
        return self._schedules.listed(start, end)

    def payment(self, imp_uid: str) -> Listing:
        """The payment with this id."""
        trouble = self._read("payment")
        if trouble is not None:
            return Listing((), trouble)
        row = self._world.ledger.rows.get(imp_uid)
        return Listing(() if row is None else (seen(row, "GET payment"),))

    def shows(self, imp_uid: str) -> bool:
        """Whether a read of this payment finds it."""
        return bool(self.payment(imp_uid).payments)

    def payments_of(self, merchant_uid: str) -> Listing:
        """Every payment under this merchant_uid."""
        trouble = self._read("payments_of")
        if trouble is not None:
            return Listing((), trouble)
        return Listing(tuple(seen(row, "GET payments of the order") for row in self._world.ledger.orders[merchant_uid]))

    def payments_of_key(self, customer_uid: str) -> Listing:
        """Every payment of this billing key."""
        trouble = self._read("payments_of_key")
        if trouble is not None:
            return Listing((), trouble)
        rows = self._world.ledger.of_card[customer_uid]
        return Listing(tuple(seen(row, "GET customers payments") for row in rows))

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        """All payments that changed in this span, in one sheet."""
        trouble = self._read("payments_between")
        rows = self._world.ledger.rows.values()
        shown = [seen(row, "GET status")[0] for row in rows if start <= (row.paid_at or row.started_at) < end]
        yield Sheet((), trouble=trouble) if trouble is not None else Sheet(shown)

    def read_key(self, customer_uid: str) -> KeyReading:
        """The billing key, if the gateway has it."""
        trouble = self._read("read_key")
        if trouble is not None:
            return KeyReading(trouble=trouble)
        return shown(self._world.ledger.cards.get(customer_uid), self._world.scheduler.now)

    def _read(self, name: str) -> str | None:
        """One read, with its trouble. It shows the state at the time of the answer."""
        world = self._world
        self._outside(name)
        world.scheduler.wait(world.chaos.call())
        match world.chaos.strikes("read"):
            case "read.crash":
                raise Crash
            case "read.stall":
                world.stall()
            case "read.trouble":
                return "the connection broke"
        return "connection refused" if world.scheduler.now < world.gateway_down_until else None

    def _outside(self, what: str) -> None:
        if self._world.store.busy:
            raise AssertionError(f"{what} within a transaction: a connection is held while the network is slow")

    def _execute(self, request: ChargeRequest, cause: str = AGAIN) -> Row | str:
        money, world = request.money, self._world
        wanted = (money.amount, money.currency)
        return world.ledger.charge(request.merchant_uid, request.customer_uid, wanted, world.scheduler.now, cause=cause)

    def _take_back(self, row: Row) -> None:
        if row.status == "paid":
            self._world.ledger.cancel(row, row.holds, "net-cancel")

    def _no_answer(self, fault: str | None) -> Unknown:
        if fault == "charge.garbled":
            evidence = Evidence("simulation", "POST again", 200, "<html>")
            return Unknown("the answer is not JSON", evidence, trouble=Trouble.SERVER_ERROR)
        if fault in ("charge.error_before", "charge.error_after"):
            evidence = Evidence("simulation", "POST again", 502, "")
            return Unknown("HTTP 502", evidence, trouble=Trouble.SERVER_ERROR)
        self._world.scheduler.wait(DEADLINE)
        return Unknown("no answer: the connection was lost", trouble=Trouble.NO_ANSWER)

    @staticmethod
    def _understood(request: ChargeRequest, answer: Row | str) -> Outcome:
        if isinstance(answer, Row):
            return judge(request, *seen(answer, "POST again"))
        evidence = Evidence("simulation", "POST again", 200, answer)
        if answer == NO_SUCH_KEY:
            return refusal(answer, evidence)
        return Unknown(answer, evidence, duplicate=True)


def shown(card: Card | None, now: datetime) -> KeyReading:
    """A key as a read shows it: one without a confirmed issuing payment is not there yet."""
    if card is None or card.known_from > now:
        return KeyReading()
    return KeyReading(StoredKey(CardFacts("신한카드", "366", "1234", CardKind.CREDIT), pg_provider=card.pg))


def seen(row: Row, request: str) -> tuple[GatewayPayment, Evidence]:
    """A payment as a read shows it."""
    payment = GatewayPayment(
        imp_uid=row.imp_uid,
        merchant_uid=row.merchant_uid,
        customer_uid="" if row.customer_uid.startswith(ONCE) else row.customer_uid,
        status=PaymentStatus(row.status),
        money=Money(row.amount, row.currency),
        cancelled=Money(row.cancelled, row.currency),
        pg_provider=row.pg,
        fail_reason=row.reason,
        started_at=row.started_at,
        paid_at=row.paid_at,
        issues_key=row.cause == ISSUE,
        buyer_email=BUYER_EMAIL,
        cancellations=tuple(Cancellation(Money(amount, row.currency), why) for amount, why in row.cancellations),
    )
    return payment, Evidence("simulation", request, 200, row.imp_uid)
