"""Build the application from its parts; it opens no connections itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import anyio.to_thread
from fastapi import FastAPI

from billing_worker.config import Settings
from billing_worker.domain.access import Scope as TokenScope
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Doorbell
from billing_worker.web import api, docs, health, pingbacks, webhooks
from billing_worker.web.attendance import Attendance
from billing_worker.web.bell import Bell
from billing_worker.web.card import routes as card
from billing_worker.web.context import CheckDatabase, Context, VerifyPingback
from billing_worker.web.errors import add_handlers
from billing_worker.web.idempotency import AT_ONCE, Idempotency
from billing_worker.web.intake import WRITERS, Intake
from billing_worker.web.middleware import BodyLimit, LastResort, SecurityHeaders
from billing_worker.web.openapi import changing, needing, new_app
from billing_worker.web.overload import AtOnce
from billing_worker.web.refusals import CountRefusals, Refusals
from billing_worker.web.request_id import RequestId
from billing_worker.web.security import Access, AccessGuard
from billing_worker.web.sources import Sources

THREADS = 20
"""Requests of the API served at once, each with a database connection. Further requests wait in the event loop."""

CONNECTIONS = THREADS + WRITERS + AT_ONCE + 2
"""The size of the pool: one connection per thread, those of the intake, one per request with an Idempotency-Key, one
for the clock, and one spare. With fewer, threads could wait for each other."""


def create_app(
    ports: Ports,
    settings: Settings,
    doorbell: Doorbell,
    verify_pingback: VerifyPingback | None,
    *,
    check_database: CheckDatabase,
    attends: bool = False,
) -> FastAPI:
    """The receiver and the API. Raises SettingsInvalid for an unusable setting.

    `verify_pingback` is None without a Paymentwall secret; `check_database` decides readiness. `attends`: whether it
    gives signs and looks at the other processes, as a process of its own does.
    """
    access, sources, bell = Access(ports, settings), Sources.of(settings), Bell(doorbell)
    intake, refusals = Intake(ports, bell), Refusals()
    attendance = Attendance(ports, refusals)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        async with attendance.kept() if attends else nullcontext():
            yield
        intake.close()
        bell.close()

    app = new_app(lifespan=lifespan)
    context = Context(
        *(ports, settings, bell, intake, verify_pingback, check_database, sources, bell.ring),
        then=lambda work: work(ports),
    )
    app.state.context = context
    add_handlers(app)
    for module in (webhooks, pingbacks, api, card, health, docs):
        app.include_router(module.router)
    access.mark({scope: needing(app, scope) for scope in TokenScope})
    # The middleware added last is the outermost.
    app.add_middleware(Idempotency, context=context, places=tuple(changing(app)))
    app.add_middleware(webhooks.Shortcut, context=context)
    app.add_middleware(AtOnce)
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessGuard, access=access)
    app.add_middleware(LastResort)
    app.add_middleware(CountRefusals, refusals=refusals)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestId)
    return app
