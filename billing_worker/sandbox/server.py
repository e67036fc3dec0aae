"""The sandbox as an application, and as a process."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from billing_worker.sandbox.control.control import Control
from billing_worker.sandbox.control.money import MoneyControl
from billing_worker.sandbox.control.recorder import Recorder, Requests
from billing_worker.sandbox.options import SandboxOptions
from billing_worker.sandbox.v1.accounts import Accounts
from billing_worker.sandbox.v1.cancel import Cancels
from billing_worker.sandbox.v1.charging import Charging
from billing_worker.sandbox.v1.customers import Customers
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.v1.payments import PaymentReads
from billing_worker.sandbox.v1.schedules import Schedules
from billing_worker.sandbox.v1.window import Window
from billing_worker.sandbox.wire import TRANSPORT, envelope
from billing_worker.sandbox.world.gateway import Gateway
from billing_worker.sandbox.world.journal import LedgerError
from billing_worker.sandbox.world.paymentwall import Paymentwall

GOODBYE = 3  # seconds that calls in flight get at shutdown
BACKLOG = 2048


def create_app(options: SandboxOptions) -> Starlette:
    """Build one sandbox. It needs `DroppingProtocol` under uvicorn to drop connections.

    Its `state` has the `payments` of the books and the recorded `requests`, for a program that runs it in a thread.
    """
    gateway = Gateway(options)
    gate, charging, paymentwall = Gate(gateway), Charging(gateway), Paymentwall(gateway)
    requests = Requests(options.requests_kept)
    schedules = Schedules(gateway, gate, charging)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for later in gateway.books.laters.values():
            gateway.arm(later)
        for schedule in gateway.books.schedules.values():
            if schedule.schedule_status == "scheduled":
                schedules.arm(schedule)
        for key in gateway.books.keys.values():
            paymentwall.arm(key)
        agenda = asyncio.create_task(gateway.agenda.run())
        try:
            yield
        finally:
            agenda.cancel()
            await gateway.deliveries.close()
            await gateway.journal.close()

    routes = [
        Route("/subscribe/payments/again", gate.guard("again", charging.again), methods=["POST"]),
        *Accounts(gateway, gate).routes(),
        *Cancels(gateway, gate).routes(),
        *PaymentReads(gateway, gate).routes(),
        *Customers(gateway, gate, charging, paymentwall).routes(),
        *schedules.routes(),
        *Window(gateway, paymentwall).routes(),
        *Control(gateway, gate, requests).routes(),
        *MoneyControl(gateway, paymentwall).routes(),
    ]
    handlers: dict[Any, Any] = dict.fromkeys((404, 405), _not_an_endpoint)
    recorder = Middleware(Recorder, requests=requests)
    app = Starlette(routes=routes, middleware=[recorder], lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.payments, app.state.requests = gateway.books.payments, requests
    return app


async def _not_an_endpoint(_: Any, problem: Any) -> Any:
    return envelope(None, code=-1, message=str(problem.detail), http=problem.status_code)


class DroppingProtocol(HttpToolsProtocol):
    """Passes the transport to the application, so that a behaviour can close the connection without an answer."""

    def on_headers_complete(self) -> None:
        """Put the transport into the request's scope."""
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}
        super().on_headers_complete()


class QuietServer(uvicorn.Server):
    """Ends with an exit status; uvicorn would raise the signal again after its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a graceful end."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for one in signals:
            with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):  # not in the main thread
                loop.add_signal_handler(one, self.handle_exit, one, None)
        yield
        for one in signals:
            with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
                loop.remove_signal_handler(one)


def server_for(options: SandboxOptions) -> QuietServer:
    """Return a server for one sandbox; LedgerError if its ledger cannot be used."""
    config = uvicorn.Config(
        create_app(options),
        http=DroppingProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GOODBYE,
    )
    return QuietServer(config)


def bound(options: SandboxOptions) -> socket.socket:
    """Return a socket on the wanted port; OSError if it is taken. It listens when the server runs."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    mine = socket.socket(family)
    try:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mine.bind((options.host, options.port))
    except OSError:
        mine.close()
        raise
    mine.set_inheritable(False)
    return mine


def run(options: SandboxOptions) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status, 1 if it could not start."""
    try:
        mine = bound(options)
    except OSError as problem:
        return _complain(f"{options.host}:{options.port} cannot be used: {problem.strerror or problem}")
    with mine:
        try:
            server = server_for(options)
        except LedgerError as problem:
            return _complain(str(problem))
        host, port = mine.getsockname()[:2]
        ledger = f"ledger {options.ledger}" if options.ledger else "books in memory only"
        sys.stdout.write(f"sandbox on http://{f'[{host}]' if ':' in host else host}:{port} ({ledger})\n")
        sys.stdout.flush()
        server.run(sockets=[mine])
    return 0 if server.started else 1


def _complain(problem: str) -> int:
    sys.stderr.write(f"sandbox: {problem}\n")
    return 1
