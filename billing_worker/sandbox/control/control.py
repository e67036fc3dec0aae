"""Control endpoints under /_sandbox that show the sandbox and change its behaviour."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox.control.recorder import Requests
from billing_worker.sandbox.latency import Quantiles
from billing_worker.sandbox.v1.gate import FAULTS, Gate
from billing_worker.sandbox.wire import JsonText, Refused, number, read_fields, text, whole
from billing_worker.sandbox.world.behaviours import BEHAVIOURS
from billing_worker.sandbox.world.gateway import Gateway

MARKER = "billing-worker"  # the answer of `GET /_sandbox`, by which a worker knows that no real money moves
Json = dict[str, Any]
Work = Callable[[Request, Json], Awaitable[Any]]


def guarded(gateway: Gateway, work: Work, *, anywhere: bool = False) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint for loopback callers; a mistake gets an answer of one readable line."""

    async def endpoint(request: Request) -> Response:
        if not anywhere and not gateway.options.control_from_anywhere and not _loopback(request):
            return JsonText({"error": "control endpoints answer loopback only"}, status_code=403)
        try:
            answer = await work(request, await read_fields(request))
        except Refused as refused:
            return JsonText({"error": refused.message}, status_code=404 if refused.http == 404 else 400)  # noqa: PLR2004
        except (ValueError, TypeError, OverflowError) as problem:
            return JsonText({"error": str(problem)}, status_code=400)
        await gateway.books.durable()
        return answer if isinstance(answer, Response) else JsonText(answer)

    return endpoint


def _loopback(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Control:
    """Marker, behaviours, rules, recorded requests, latency, outages, tokens."""

    def __init__(self, gateway: Gateway, gate: Gate, requests: Requests) -> None:
        self._gateway = gateway
        self._gate = gate
        self._requests = requests

    def routes(self) -> list[Route]:
        """Return the routes."""

        def route(path: str, work: Work, method: str = "GET", *, anywhere: bool = False) -> Route:
            return Route(f"/_sandbox{path}", guarded(self._gateway, work, anywhere=anywhere), methods=[method])

        return [
            route("", self.marker, anywhere=True),
            route("/health", self.health, anywhere=True),
            route("/behaviours", self.behaviours),
            route("/rules", self.rules),
            route("/rules", self.add_rule, "POST"),
            route("/rules", self.clear_rules, "DELETE"),
            route("/requests", self.requests),
            route("/requests", self.clear_requests, "DELETE"),
            route("/latency", self.latency, "POST"),
            route("/outage", self.outage, "POST"),
            route("/outage", self.end_outage, "DELETE"),
            route("/tokens", self.tokens, "POST"),
            route("/clock", self.clock, "POST"),
        ]

    async def marker(self, _: Request, __: Json) -> Json:
        """Report that this is a sandbox, and its time."""
        gateway = self._gateway
        return {
            "sandbox": MARKER,
            "now": gateway.clock.now(),
            "real_now": int(gateway.clock.real()),
            "speed": gateway.clock.speed,
            "payments": len(gateway.books.payments),
            "durable": gateway.options.ledger is not None,
        }

    async def clock(self, _: Request, fields: Json) -> Json:
        """Hold the clock at a time, and answer when all that is due then has happened: {"now": 1767193200}."""
        moment = number(fields, "now")
        if moment is None:
            raise ValueError("now is needed: unix seconds, no earlier than those at which the clock is held")
        self._gateway.clock.hold(moment)
        await self._gateway.agenda.caught_up()
        return {"now": self._gateway.clock.now()}

    async def health(self, _: Request, __: Json) -> Json:
        """Report that calls are answered, and that the ledger takes rows."""
        return {"status": "ok"}

    async def behaviours(self, _: Request, __: Json) -> list[Json]:
        """List the table of behaviours."""
        return [asdict(one) for one in BEHAVIOURS.values()]

    async def rules(self, _: Request, __: Json) -> list[Json]:
        """List the rules in force."""
        return self._gateway.rules.rows()

    async def add_rule(self, _: Request, fields: Json) -> Json:
        """Add a rule."""
        return asdict(self._gateway.rules.add(fields))

    async def clear_rules(self, _: Request, __: Json) -> Json:
        """Delete every rule."""
        self._gateway.rules.clear()
        return {"rules": 0}

    async def requests(self, request: Request, _: Json) -> list[Json]:
        """List recorded requests: ?since=<seq>, ?path=<prefix>, ?limit=."""
        query = request.query_params
        return self._requests.rows(whole(query.get("since"), 0), query.get("path", ""), whole(query.get("limit"), 1000))

    async def clear_requests(self, _: Request, __: Json) -> Json:
        """Delete recorded requests."""
        self._requests.clear()
        return {"requests": 0}

    async def latency(self, _: Request, fields: Json) -> Json:
        """Set latencies: {"charge": "180,1500", "read": "20,90"}; null means none."""
        for name, latency in (("charge", self._gateway.latency), ("read", self._gateway.read_latency)):
            if name in fields:
                latency.quantiles = Quantiles.parse(str(fields[name])) if fields[name] else None
        if "slow_seconds" in fields or set(fields) - {"charge", "read"}:
            raise ValueError("a latency is {charge, read}, each 'p50,p99' in milliseconds or null")
        return {"charge": fields.get("charge"), "read": fields.get("read")}

    async def outage(self, _: Request, fields: Json) -> Json:
        """Begin an outage: {"behaviour": "error503", "seconds": 30, "endpoints": ["again", "read"]}."""
        behaviour = BEHAVIOURS.get(text(fields, "behaviour") or "error503")
        if behaviour is None or behaviour.reply not in FAULTS:
            raise ValueError(
                f"an outage is one of {', '.join(one.name for one in BEHAVIOURS.values() if one.reply in FAULTS)}"
            )
        seconds = number(fields, "seconds")
        until = None if seconds is None else self._gateway.clock.real() + seconds
        endpoints = fields.get("endpoints") or []
        self._gate.outage.begin(behaviour, until, {endpoints} if isinstance(endpoints, str) else set(endpoints))
        return {"behaviour": behaviour.name, "until": until, "endpoints": endpoints or "all"}

    async def end_outage(self, _: Request, __: Json) -> Json:
        """End the outage."""
        self._gate.outage.end()
        return {"behaviour": None}

    async def tokens(self, _: Request, fields: Json) -> Json:
        """Change the current token: {"revoke": true} or {"expires_in": 50} real seconds."""
        tokens = self._gateway.tokens
        if fields.get("revoke"):
            tokens.revoke()
        seconds = number(fields, "expires_in")
        if seconds is not None:
            tokens.expired_at = float(int(self._gateway.clock.real() + seconds))
        self._gateway.books.save_token()
        return {"valid": bool(tokens.access_token), "expired_at": int(tokens.expired_at)}
