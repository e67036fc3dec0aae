"""Charges that the gateway makes by itself at a virtual time: /subscribe/payments/schedule and its relatives."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Key, Payment, Schedule
from billing_worker.sandbox.v1.charging import Charging, check_paymentwall
from billing_worker.sandbox.v1.customers import BAD_CARD, store_card, wanted_provider
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.wire import Refused, envelope, number, text, whole
from billing_worker.sandbox.world.gateway import PAYMENTWALL, Gateway, Order
from billing_worker.sandbox.world.payment_view import payment_answer, schedule_answer

WINDOW = 93 * 86_400  # documented: at most 3 months
LIMIT, MOST_ROWS = 20, 1000
GIVEN = (
    "name", "buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode", "custom_data", "notice_url",
    "tax_free", "vat_amount", "card_quota", "interest_free_by_merchant", "use_card_point", "cash_receipt_type",
    "product_type", "product_count", "browser_ip", "bypass", "extra", "promotion_id",
)  # fmt: skip
NO_KEY_BY_SCHEDULE = (
    "chai", "danal", "kakaopay", "kicc", "mobilians", "naverpay", "payco", "settle", "smartro", "tosspay_v2", "uplus",
)  # fmt: skip
"""PGs, and relatives of this name, with which a schedule only charges a key that exists (documented)."""


class Schedules:
    """Register, revoke, list, move and run schedules."""

    def __init__(self, gateway: Gateway, gate: Gate, charging: Charging) -> None:
        self._gateway = gateway
        self._gate = gate
        self._charging = charging

    def routes(self) -> list[Route]:
        """Return the routes, the fixed paths before those with an id."""
        guard, base = self._gate.guard, "/subscribe/payments/schedule"
        return [
            Route("/subscribe/payments/unschedule", guard("schedule", self.revoke), methods=["POST"]),
            Route("/subscribe/customers/{customer_uid}/schedules", guard("schedule", self.of_customer)),
            Route(f"{base}/customers/{{customer_uid}}", guard("schedule", self.of_customer)),
            Route(f"{base}/{{merchant_uid}}/reschedule", guard("schedule", self.reschedule), methods=["POST"]),
            Route(f"{base}/{{merchant_uid}}/retry", guard("retry", self.retry), methods=["POST"]),
            Route(f"{base}/{{merchant_uid}}", guard("schedule", self.move), methods=["PUT"]),
            Route(f"{base}/{{merchant_uid}}", guard("schedule", self.one)),
            Route(base, guard("schedule", self.register), methods=["POST"]),
            Route(base, guard("schedule", self.all)),
        ]

    async def register(self, _: Request, fields: Json) -> Response:
        """Take schedules: all or none (inferred)."""
        uid = text(fields, "customer_uid")
        if not uid:
            raise Refused(texts.missing("customer_uid"))
        items = fields.get("schedules")
        if not isinstance(items, list) or not items or not all(isinstance(one, dict) for one in items):
            raise Refused(texts.missing("schedules"))
        key = self._gateway.key_for(uid) or self._issue(uid, fields)
        wanted = [self._read(key, one) for one in items]
        uids = [one.merchant_uid for one in wanted]
        if len(set(uids)) < len(uids) or any(one in self._gateway.books.schedules for one in uids):
            raise Refused(texts.SCHEDULE_DUPLICATE)
        for schedule in wanted:
            self._gateway.books.save(schedule)
            self.arm(schedule)
        return envelope([self._answer(one) for one in wanted])

    def arm(self, schedule: Schedule) -> None:
        """Put a schedule on the agenda. A moved or revoked one is not run at its old time."""
        moment = schedule.schedule_at

        async def run() -> None:
            if schedule.schedule_status == "scheduled" and schedule.schedule_at == moment:
                await self._execute(schedule)

        self._gateway.agenda.at(moment, run)

    def _issue(self, uid: str, fields: Json) -> Key:
        """Issue a key from the card data, if it has any: then the schedules follow (documented)."""
        if not text(fields, "card_number"):
            raise Refused(texts.NO_CUSTOMER_TO_SCHEDULE)
        if not text(fields, "expiry"):
            raise Refused(texts.missing("expiry"))
        provider = wanted_provider(uid, fields)
        if provider.startswith(NO_KEY_BY_SCHEDULE):
            raise Refused(texts.NO_CARD_MODULE)
        if text(fields, "card_number").endswith(BAD_CARD):
            raise Refused(texts.ISSUE_FAILED + texts.fail_reason_text("number", provider), code=-1)
        return store_card(self._gateway, uid, fields)

    async def revoke(self, _: Request, fields: Json) -> Response:
        """Revoke by customer, by merchant_uid, or both; a customer alone loses all schedules (documented)."""
        uid, named = text(fields, "customer_uid"), fields.get("merchant_uid")
        uids = {str(one) for one in (named if isinstance(named, list) else [named] if named else [])}
        found = [
            one
            for one in self._gateway.books.schedules.values()
            if one.schedule_status == "scheduled"
            and (not uid or one.customer_uid == uid)
            and (not uids or one.merchant_uid in uids)
        ]
        if not found or not (uid or uids):
            raise Refused(texts.NOTHING_TO_UNSCHEDULE)
        for one in found:
            one.schedule_status, one.revoked_at = "revoked", self._gateway.clock.now()
            self._gateway.books.save(one)
        return envelope([self._answer(one) for one in found])

    async def one(self, request: Request, _: Json) -> Response:
        """Answer GET /subscribe/payments/schedule/{merchant_uid}."""
        return envelope(self._answer(self._known(request)))

    async def all(self, request: Request, _: Json) -> Response:
        """Answer GET /subscribe/payments/schedule; the times are a half-open interval (documented)."""
        query = request.query_params
        found = self._within(query.get("schedule_from"), query.get("schedule_to"), query.get("schedule_status"))
        if query.get("sorting") == "scheduled":
            found.reverse()
        return envelope(self._page(request, found, whole(query.get("limit"), LIMIT, 1, MOST_ROWS)))

    async def of_customer(self, request: Request, _: Json) -> Response:
        """Answer both lists of one customer; old clients name the times schedule_from and schedule_to (observed)."""
        query = request.query_params
        start, end = (query.get(name) or query.get(f"schedule_{name}") for name in ("from", "to"))
        status = query.get("schedule-status") or query.get("schedule_status")
        uid = request.path_params["customer_uid"]
        found = [one for one in self._within(start, end, status) if one.customer_uid == uid]
        return envelope(self._page(request, found, LIMIT))

    async def move(self, request: Request, fields: Json) -> Response:
        """Answer PUT: change the time of a schedule that has not run."""
        schedule = self._known(request)
        if schedule.schedule_status != "scheduled":
            raise Refused(texts.SCHEDULE_DONE, http=400)
        return self._move(schedule, fields)

    async def reschedule(self, request: Request, fields: Json) -> Response:
        """Schedule a failed or revoked one again, under the same merchant_uid (documented)."""
        schedule = self._known(request)
        payment = self._payment(schedule)
        if schedule.schedule_status == "scheduled" or (payment is not None and payment.status != "failed"):
            raise Refused(texts.SCHEDULE_DONE, http=400)
        return self._move(schedule, fields)

    async def retry(self, request: Request, _: Json) -> Response:
        """Charge a failed or revoked schedule at once.

        HTTP 200 means tried: the answer is the payment, whose status has the result (documented).
        """
        schedule = self._known(request)
        payment = self._payment(schedule)
        is_open = schedule.schedule_status == "revoked" if payment is None else payment.status == "failed"
        if not is_open:
            raise Refused(texts.SCHEDULE_PENDING, http=400)
        if self._gateway.key_for(schedule.customer_uid) is None:
            raise Refused(texts.NO_SCHEDULE, http=404)
        tried = await self._execute(schedule, "retry")
        if tried is None:
            raise Refused(texts.COMMUNICATION, code=-1)
        return envelope(payment_answer(tried))

    async def _execute(self, schedule: Schedule, endpoint: str = "again") -> Payment | None:
        """Charge as `again` would; None if no payment was made."""
        gateway, payment = self._gateway, None
        schedule.schedule_status, schedule.executed_at = "executed", gateway.clock.now()
        gateway.books.save(schedule)
        key = gateway.key_for(schedule.customer_uid)
        if key is not None:
            order = Order(
                customer_uid=schedule.customer_uid,
                merchant_uid=schedule.merchant_uid,
                amount=schedule.amount,
                currency=schedule.currency,
                given=schedule.given,
                usage="payment.scheduled",
                origin="schedule",
            )
            plan = gateway.plan(endpoint, key, schedule.merchant_uid)
            try:
                if key.pg_provider == PAYMENTWALL:
                    check_paymentwall(schedule.given, key)
                payment = await self._charging.charge(order, key, plan, gateway.latency.draw())
            except Refused:
                payment = None
            if payment is not None:
                schedule.imp_uid = payment.imp_uid
                gateway.books.save(schedule)
                gateway.notify(payment, plan.webhook, failures=True)
        await gateway.books.durable()
        return payment

    def _read(self, key: Key, item: Json) -> Schedule:
        """Read one item. A name and a currency may be absent, as in old samples; a buyer is the key's (documented)."""
        amount = number(item, "amount") or 0
        for name, there in (
            ("merchant_uid", text(item, "merchant_uid")),
            ("schedule_at", number(item, "schedule_at")),
            ("amount", amount > 0),
        ):
            if not there:
                raise Refused(texts.missing(name))
        moment = whole(item["schedule_at"], 0)
        if moment <= self._gateway.clock.now():
            raise Refused(texts.SCHEDULE_PAST)
        buyer = {name.replace("customer_", "buyer_"): value for name, value in key.given.items() if value}
        return Schedule(
            customer_uid=key.customer_uid,
            merchant_uid=text(item, "merchant_uid"),
            schedule_at=moment,
            amount=amount,
            currency=text(item, "currency") or "KRW",
            given=buyer | {name: item[name] for name in GIVEN if item.get(name) is not None},
            created_at=self._gateway.clock.now(),
        )

    def _move(self, schedule: Schedule, fields: Json) -> Response:
        moment = number(fields, "schedule_at")
        if moment is None:
            raise Refused(texts.missing("schedule_at"), http=400)
        if moment <= self._gateway.clock.now():
            raise Refused(texts.SCHEDULE_PAST, http=400)
        schedule.schedule_at, schedule.schedule_status, schedule.revoked_at = int(moment), "scheduled", 0
        self._gateway.books.save(schedule)
        self.arm(schedule)
        return envelope(self._answer(schedule))

    def _known(self, request: Request) -> Schedule:
        schedule = self._gateway.books.schedules.get(request.path_params["merchant_uid"])
        if schedule is None:
            raise Refused(texts.NO_SCHEDULE, http=404)
        return schedule

    def _within(self, start: str | None, end: str | None, status: str | None) -> list[Schedule]:
        """Schedules whose time lies in this span, the latest first (documented)."""
        first, last = whole(start, -1), whole(end, -1)
        if start is None or end is None or first > last or last - first > WINDOW:
            raise Refused(texts.BAD_SCHEDULE_RANGE, http=400)
        found = [
            one
            for one in self._gateway.books.schedules.values()
            if first <= one.schedule_at < last and (not status or one.schedule_status == status)
        ]
        return sorted(found, key=lambda one: one.schedule_at, reverse=True)

    def _page(self, request: Request, found: list[Schedule], limit: int) -> Json | list[Json]:
        page = whole(request.query_params.get("page"), 1, 1)
        first = (page - 1) * limit
        rows = [self._answer(one) for one in found[first : first + limit]]
        if self._gateway.options.schedule_shape == "array":
            return rows
        more = first + limit < len(found)
        return {"total": len(found), "previous": page - 1, "next": page + 1 if more else 0, "list": rows}

    def _payment(self, schedule: Schedule) -> Payment | None:
        return self._gateway.books.by_imp_uid.get(schedule.imp_uid or "")

    def _answer(self, schedule: Schedule) -> Json:
        key = self._gateway.books.keys.get(schedule.customer_uid)
        return schedule_answer(schedule, self._payment(schedule), key) | schedule.garbled
