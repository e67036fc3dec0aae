"""Reading payments: by id, by merchant_uid, by status and time."""

from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Payment
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.wire import Refused, envelope, many, number, text, truthy, whole
from billing_worker.sandbox.world.gateway import Gateway
from billing_worker.sandbox.world.payment_view import payment_answer, plain

STATUSES = ("all", "ready", "paid", "cancelled", "failed")
WINDOW = 90 * 86_400  # documented: at most 90 days
LIMIT, MOST_ROWS = 20, 1000  # documented page sizes
BULK = 100  # documented: ids in one GET /payments
SORTS = {"started": "started_at", "paid": "paid_at", "updated": "updated_at"}
TIME_OF = {"paid": "paid_at", "cancelled": "cancelled_at", "failed": "failed_at"}  # else started_at (documented)


class Listed(NamedTuple):
    """The last list, and the state of the books when it was made."""

    asked: object
    amended: int
    entered: int
    payments: list[Payment]


class PaymentReads:
    """GET endpoints under /payments."""

    def __init__(self, gateway: Gateway, gate: Gate) -> None:
        self._gateway = gateway
        self._gate = gate
        self._listed = Listed(None, 0, 0, [])

    def routes(self) -> list[Route]:
        """Return the routes, the fixed paths before those with an id."""
        guard = self._gate.guard
        find, find_all = guard("read", self.find), guard("read", self.find_all)
        return [
            Route("/payments", guard("read", self.several)),
            Route("/payments/find/{merchant_uid}", find),
            Route("/payments/find/{merchant_uid}/{status}", find),
            Route("/payments/findAll/{merchant_uid}", find_all),
            Route("/payments/findAll/{merchant_uid}/{status}", find_all),
            Route("/payments/status/{status}", guard("read", self.by_status)),
            Route("/payments/prepare", guard("prepare", self.prepare), methods=["POST"]),
            Route("/payments/prepare", guard("prepare", self.prepare_again), methods=["PUT"]),
            Route("/payments/prepare/{merchant_uid}", guard("prepare", self.prepared)),
            Route("/payments/{imp_uid}/balance", guard("read", self.balance)),
            Route("/payments/{imp_uid}", guard("read", self.one)),
        ]

    async def one(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/{imp_uid}. Test payments are left out by default (documented)."""
        return envelope(payment_answer(self._visible(request, request.path_params["imp_uid"])))

    async def several(self, request: Request, _: Json) -> Response:
        """Answer GET /payments?imp_uid[]=…&merchant_uid[]=…: 207 if some were not found (documented)."""
        books = self._gateway.books
        ids, uids = many(request, "imp_uid")[:BULK], many(request, "merchant_uid")[:BULK]
        found = [books.by_imp_uid[one] for one in ids if one in books.by_imp_uid]
        found += [rows[-1] for one in uids if (rows := books.under(one))]
        shown = [one for one in found if self._shown(request, one)]
        if not shown:
            raise Refused(texts.NO_PAYMENT, http=404)
        http = 200 if len(shown) == len(ids) + len(uids) else 207
        return envelope([payment_answer(one) for one in shown], http=http)

    async def find(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/find: the first in the sorting, by default the newest."""
        return envelope(payment_answer(self._under(request)[0]))

    async def find_all(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/findAll."""
        return envelope(paged(request, self._under(request)))

    async def by_status(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/status/{status}: a window of at most 90 days, over the time of that status."""
        status = request.path_params["status"]
        if status not in STATUSES:
            raise Refused(texts.BAD_STATUS, http=400)
        query = request.query_params
        end = whole(query.get("to"), self._gateway.clock.now())
        start = whole(query.get("from"), end - WINDOW)
        if start > end or end - start > WINDOW:
            raise Refused(texts.BAD_RANGE, http=400)
        return envelope(paged(request, self._list(request, status, start, end)))

    def _list(self, request: Request, status: str, start: int, end: int) -> list[Payment]:
        """Return the payments of a span, sorted.

        A client that reads a thousand pages must not cause a sort of all payments for each page, even while others are
        charged: a list stands until a payment of its own span is new, or any payment has changed.
        """
        books, last = self._gateway.books, self._listed
        asked = (status, start, end, request.query_params.get("sorting"))

        def fits(one: Payment) -> bool:
            moment = getattr(one, TIME_OF.get(one.status, "started_at"))
            return not one.hidden and status in ("all", one.status) and start <= moment <= end

        fresh = islice(books.newest(), len(books.payments) - last.entered)
        if (last.asked, last.amended) == (asked, books.amended) and not any(map(fits, fresh)):
            found = last.payments
        else:
            found = ordered(request, list(filter(fits, books.newest())))
        self._listed = Listed(asked, books.amended, len(books.payments), found)
        return found

    async def balance(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/{imp_uid}/balance: everything was paid by card."""
        payment = self._visible(request, request.path_params["imp_uid"])
        left = payment.uncompensated
        nothing = {"tax_free": 0, "supply": 0, "vat": 0, "service": 0}
        vat = round(left / 11)
        primary = nothing | {"supply": plain(left - vat), "vat": vat}
        rest: Json = {"cash_receipt": nothing, "secondary": nothing, "discount": nothing}
        return envelope({"amount": plain(left), "primary": primary, **rest, "histories": []})

    async def prepare(self, _: Request, fields: Json) -> Response:
        """Answer POST /payments/prepare. It matters only to browser checkouts, never to `again`."""
        if text(fields, "merchant_uid") in self._gateway.books.prepared:
            raise Refused(texts.PREPARED_TWICE)
        return self._prepare(fields)

    async def prepare_again(self, _: Request, fields: Json) -> Response:
        """Answer PUT /payments/prepare."""
        if text(fields, "merchant_uid") not in self._gateway.books.prepared:
            raise Refused(texts.NO_PREPARED, http=404)
        return self._prepare(fields)

    async def prepared(self, request: Request, _: Json) -> Response:
        """Answer GET /payments/prepare/{merchant_uid}."""
        prepared = self._gateway.books.prepared.get(request.path_params["merchant_uid"])
        if prepared is None:
            raise Refused(texts.NO_PREPARED, http=404)
        return envelope(prepared)

    def _prepare(self, fields: Json) -> Response:
        uid, amount = text(fields, "merchant_uid"), number(fields, "amount")
        if not uid or amount is None:
            raise Refused(texts.missing("amount" if uid else "merchant_uid"))
        prepared = {"merchant_uid": uid, "amount": plain(amount), "currency": text(fields, "currency") or "KRW"}
        self._gateway.books.prepare(uid, prepared)
        return envelope(prepared)

    def _shown(self, request: Request, payment: Payment) -> bool:
        asked_for = not payment.sandbox or truthy(request.query_params.get("include_sandbox"))
        return asked_for and not payment.hidden

    def _visible(self, request: Request, imp_uid: str) -> Payment:
        payment = self._gateway.books.by_imp_uid.get(imp_uid)
        if payment is None or not self._shown(request, payment):
            raise Refused(texts.NO_PAYMENT, http=404)
        return payment

    def _under(self, request: Request) -> list[Payment]:
        status = request.path_params.get("status")
        if status is not None and status not in STATUSES:
            raise Refused(texts.BAD_STATUS, http=400)
        wanted = None if status in (None, "all") else status
        under = self._gateway.books.under(request.path_params["merchant_uid"], wanted)
        found = [one for one in under if not one.hidden]
        if not found:
            raise Refused(texts.NO_PAYMENT, http=404)
        return ordered(request, found[::-1])


def ordered(request: Request, payments: list[Payment]) -> list[Payment]:
    """Sort as requested (`-started` by default); equal times keep the newest first."""
    sorting = request.query_params.get("sorting") or "-started"
    time_of = attrgetter(SORTS.get(sorting.lstrip("-+ "), "started_at"))
    newest_first = sorting.startswith("-")
    return sorted(payments if newest_first else reversed(payments), key=time_of, reverse=newest_first)


def paged(request: Request, payments: Sequence[Payment], size: int | None = None) -> Json:
    """Return one page with its neighbours' numbers; 0 means there is none. A page beyond the end is a 400."""
    limit = size or whole(request.query_params.get("limit"), LIMIT, 1, MOST_ROWS)
    page = whole(request.query_params.get("page"), 1, 1)
    first = (page - 1) * limit
    if first and first >= len(payments):
        raise Refused(texts.BAD_PAGE, http=400)
    return {
        "total": len(payments),
        "previous": page - 1,
        "next": page + 1 if first + limit < len(payments) else 0,
        "list": [payment_answer(one) for one in payments[first : first + limit]],
    }
