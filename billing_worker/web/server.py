"""The application as a process: its address, and its end."""

import asyncio
import errno
import gc
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.web.protocol import MOST_CONNECTIONS, RESERVE, BoundedProtocol

BACKLOG = 2048
KEEP_ALIVE = 30
"""Seconds that an idle connection may stay open."""
GOODBYE = 10
"""Seconds for requests under way at the end. A statement that needs longer is stuck."""

SPARE_FILES = 200
"""Open files besides connections: the database pool, the broker, logs, the interpreter's own."""

_log = structlog.get_logger("billing.web")


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Ends the process with one line if it cannot listen."""
    try:
        listening = listen(host, port)
    except SettingsInvalid as error:
        print(f"billing-worker: {error}", file=sys.stderr, flush=True)  # noqa: T201 - there may be no logging yet
        sys.exit(2)
    _allow_files()
    gc.collect()
    gc.freeze()  # the objects so far stay: collecting them again and again would delay all senders
    with listening:
        address = listening.getsockname()
        _log.info("web.listening", url=f"http://{_shown(address[0])}:{address[1]}", docs="/docs")
        server_for(app).run(sockets=[listening])
    _log.info("web.stopped")


def _allow_files() -> None:
    """Raise the limit of open files to what the bound on connections needs, as far as this account is allowed to."""
    needed = MOST_CONNECTIONS + RESERVE + SPARE_FILES
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed in (-1, resource.RLIM_INFINITY) or allowed >= needed:
        return
    wanted = needed if most in (-1, resource.RLIM_INFINITY) else min(needed, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    if wanted < needed:
        _log.warning("web.few_files", allowed=wanted, needed=needed)


def server_for(app: FastAPI) -> uvicorn.Server:
    """The server with its limits, not running yet."""
    return _Server(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,  # a pingback has its signature, and a customer's id, in the address
            server_header=False,
            proxy_headers=False,  # any client could claim any address
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GOODBYE,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address. Raises SettingsInvalid if the address cannot be used."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SettingsInvalid(f"BILLING_WEB_HOST: {host!r} is not an address or a name of this machine") from error
    family, _, _, _, address = found[0]
    mine = socket.socket(family)
    try:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mine.bind(address)
        mine.listen(BACKLOG)  # only here does Linux report that another program already listens
    except OSError as error:
        mine.close()
        raise SettingsInvalid(_why_not(error, host, port)) from error
    mine.set_inheritable(False)
    return mine


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"BILLING_WEB_PORT: port {port} on {host} is in use by another program; stop it, or set another port"
    if error.errno == errno.EACCES:
        return f"BILLING_WEB_PORT: port {port} needs more rights than this account has; set one above 1023"
    return f"BILLING_WEB_HOST: cannot listen on {host}, port {port}: {error.strerror or error}"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """Ends with status 0 on a signal; uvicorn would raise the signal again after its shutdown."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a graceful end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for one in signals:
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in signals:
                loop.remove_signal_handler(one)
