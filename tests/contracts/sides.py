"""Two gateways behind one set of controls, so that one test can ask the same of both."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from itertools import count
from typing import Any, Protocol
from uuid import uuid4

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.money import Money
from billing_worker.ports.outside import Gateway
from tests.support.another_gateway import SECRET, AnotherGateway, Books, Try, serving
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Row, Sandbox

LIMIT_EXCEEDED, STOLEN = "한도초과", "도난카드"


class Conduct(StrEnum):
    """What the charges of a key meet; those after them are approved."""

    PAYS = "ok"
    IS_EMPTY_TWICE = "decline-limit-2x"
    IS_STOLEN = "decline-stolen"
    LOSES_AN_ANSWER = "drop-after-charge-1x"
    LOSES_A_REQUEST = "drop-before-charge-1x"


class Garbled(StrEnum):
    """What of a schedule's row a read shows as no gateway should."""

    DATE = "date"
    KEY = "key"


class Side(Protocol):
    """One gateway: the adapter, and the controls of what stands behind it."""

    gateway: Gateway

    def key(self, conduct: Conduct = Conduct.PAYS) -> str:
        """Issue a key; returns its customer_uid."""

    def delete_key(self, customer_uid: str) -> None:
        """The customer removes the card."""

    def give_back(self, merchant_uid: str, amount: int) -> None:
        """A clerk gives money back at the console."""

    def lose_schedule(self, *, registered: bool) -> None:
        """The next registration gets no answer, whether it has its effect or not."""

    def garble(self, merchant_uid: str, *what: Garbled) -> None:
        """Every read shows these fields of the schedule's row as numbers that mean nothing."""

    def ledger(self, merchant_uid: str = "") -> list[Row]:
        """The payments that this side made, all or those of one order, oldest first: as the sandbox shows them."""

    def stranger(self) -> Gateway:
        """The adapter with a wrong secret."""

    def unreachable(self) -> Gateway:
        """The adapter with an address at which nothing listens."""


class V1Side:
    """PortOne V1: the adapter of the product, and the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._since = sandbox.position()
        self._name = uuid4().hex[:8]
        self._numbers = count(1)
        self._keys: set[str] = set()
        self.gateway = self._connected(sandbox.url, IMP_SECRET)

    def key(self, conduct: Conduct = Conduct.PAYS) -> str:
        customer_uid = f"{conduct}-{self._name}{next(self._numbers)}"
        self._keys.add(customer_uid)
        self._sandbox.register(customer_uid, "nice_v2")
        return customer_uid

    def delete_key(self, customer_uid: str) -> None:
        self._sandbox.control("/keys", customer_uid=customer_uid, action="delete")

    def give_back(self, merchant_uid: str, amount: int) -> None:
        self._sandbox.control("/operator/cancel", merchant_uid=merchant_uid, amount=amount)

    def lose_schedule(self, *, registered: bool) -> None:
        self._sandbox.rule("drop-after-charge" if registered else "drop-before-charge", endpoint="schedule")

    def garble(self, merchant_uid: str, *what: Garbled) -> None:
        shown = {Garbled.DATE: ("schedule_at", "soon"), Garbled.KEY: ("customer_uid", 7)}
        self._sandbox.control("/operator/garble", merchant_uid=merchant_uid, fields=dict(shown[each] for each in what))

    def ledger(self, merchant_uid: str = "") -> list[Row]:
        rows = self._sandbox.ledger(self._since)
        return [row for row in rows if row["customer_uid"] in self._keys and merchant_uid in ("", row["merchant_uid"])]

    def stranger(self) -> Gateway:
        return self._connected(self._sandbox.url, "wrong-secret-0123456789")

    def unreachable(self) -> Gateway:
        return self._connected(f"http://127.0.0.1:{closed_port()}", IMP_SECRET)

    def _connected(self, url: str, secret: str) -> PortOneGateway:
        return PortOneGateway(url, IMP_KEY, secret, total_deadline=PATIENCE, control_every=0.0)


class AnotherSide:
    """The second gateway."""

    def __init__(self, url: str, books: Books) -> None:
        self._url, self._books = url, books
        self.gateway = AnotherGateway(url, SECRET)

    def key(self, conduct: Conduct = Conduct.PAYS) -> str:
        match conduct:
            case Conduct.PAYS:
                return self._books.issue()
            case Conduct.IS_EMPTY_TWICE:
                return self._books.issue(Try(LIMIT_EXCEEDED), Try(LIMIT_EXCEEDED))
            case Conduct.IS_STOLEN:
                return self._books.issue(*[Try(STOLEN)] * 9)
            case Conduct.LOSES_AN_ANSWER:
                return self._books.issue(Try(lost="the answer"))
            case Conduct.LOSES_A_REQUEST:
                return self._books.issue(Try(lost="the request"))

    def delete_key(self, customer_uid: str) -> None:
        self._books.delete(customer_uid)

    def give_back(self, merchant_uid: str, amount: int) -> None:
        status, _ = self._books.cancel(merchant_uid, {"amount": amount, "reason": "a clerk"})
        assert status == 200

    def lose_schedule(self, *, registered: bool) -> None:
        self._books.schedules.loses = "the answer" if registered else "the request"

    def garble(self, merchant_uid: str, *what: Garbled) -> None:
        shown = {Garbled.DATE: ("timeToPay", "soon"), Garbled.KEY: ("billingKey", 7)}
        self._books.schedules.garbled[merchant_uid] = dict(shown[each] for each in what)

    def ledger(self, merchant_uid: str = "") -> list[Row]:
        self._books.schedules.run_due()
        return [_as_the_sandbox(row) for row in self._books.tries if merchant_uid in ("", row["paymentId"])]

    def stranger(self) -> Gateway:
        return AnotherGateway(self._url, "wrong-secret-0123456789")

    def unreachable(self) -> Gateway:
        return AnotherGateway(f"http://127.0.0.1:{closed_port()}", SECRET)


@contextmanager
def side_named(name: str, sandbox: Sandbox) -> Iterator[Side]:
    """One of both gateways, ready for a test."""
    if name == "portone v1":
        v1 = V1Side(sandbox)
        with closing(v1.gateway):
            yield v1
        return
    books = Books()
    with serving(books) as url:
        another = AnotherSide(url, books)
        with closing(another.gateway):
            yield another


def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _as_the_sandbox(row: dict[str, Any]) -> Row:
    """A try in the words of the sandbox's ledger, with amounts in major units."""
    whole, back = (Money(row["amount"][name], row["currency"]).major for name in ("total", "cancelled"))
    status = {"PAID": "paid", "FAILED": "failed"}.get(row["status"], "cancelled")
    return {
        "imp_uid": row["id"],
        "merchant_uid": row["paymentId"],
        "customer_uid": row["billingKey"],
        "status": status,
        "amount": whole,
        "cancel_amount": back,
        "currency": row["currency"],
    }
