"""The state of one worker process: settings, ports built once, and the checks before it starts."""

import sys
import threading
from contextlib import suppress
from functools import cached_property
from typing import NoReturn

import structlog
from sqlalchemy import Engine

from billing_worker import bootstrap
from billing_worker.adapters.calls import CallsUnderWay
from billing_worker.config import Settings, load_settings
from billing_worker.domain.errors import BillingError, ReadOnly, Unavailable
from billing_worker.domain.presence import Watching
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.call_times import write_times
from billing_worker.usecases.control.environment import require_claimed_environment

_log = structlog.get_logger("billing.tasks")

EXTRA_CONNECTIONS = 3
"""Beside one connection a thread: the clock's, the recorder's, and that of the signs."""

BEAT_CONNECTIONS = 1
"""For its signs, and the clock's before each of them."""

RECORDING = 10.0
"""Seconds for the last commit of answers, after the longest call has ended."""


class Process:
    """Built lazily, so that no connection opens before a fork or in a process that does not need it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._built: tuple[Ports, Engine] | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings. Ends the process with one line if they are wrong."""
        try:
            return load_settings()
        except BillingError as error:
            stop(error)

    @property
    def ports(self) -> Ports:
        """The ports of this process, shared by its threads."""
        if self._built is None:
            with self._lock:
                if self._built is None:
                    settings = self.settings
                    connections = settings.worker_concurrency + EXTRA_CONNECTIONS
                    self._built = bootstrap.build(settings, role="worker", connections=connections)
        return self._built[0]

    def beat_ports(self) -> Ports:
        """The ports of a beat, which gives signs and has nothing else to do with the database."""
        if self._built is None:
            self._built = bootstrap.build(self.settings, role="beat", connections=BEAT_CONNECTIONS)
        return self._built[0]

    @property
    def watching(self) -> Watching:
        """How processes are watched."""
        return bootstrap.watching_of(self.settings)

    @property
    def calls(self) -> CallsUnderWay | None:
        """The calls of this process, where it has begun any."""
        calls = self._built[0].calls if self._built is not None else None
        return calls if isinstance(calls, CallsUnderWay) else None

    def drain(self) -> None:
        """Before a worker ends: let the calls under way end, and record their answers. Takes one deadline at most."""
        if self.calls is not None:
            left = self.calls.drain(self.settings.http_deadline + RECORDING)
            if left:
                _log.warning("calls.left", count=left, reason="their attempts stay open, and are read later")
        if self._built is not None:
            with suppress(BillingError):
                write_times(self._built[0])

    def check(self) -> None:
        """Check database, migrations, gateway and broker before a worker takes work. Ends the process with one line."""
        settings = self.settings
        try:
            bootstrap.check_gateway(settings)
            bootstrap.check_broker(settings)
            ports, engine = bootstrap.build(settings, role="check", connections=2)
            try:
                bootstrap.check_database(engine)
                require_claimed_environment(ports)
            finally:
                engine.dispose()
        except BillingError as error:
            stop(error)

    def check_settings_of_database(self) -> None:
        """Check the database before a beat rings. Ends the process with one line if the workers could not use it.

        An outage of the database is no reason to end: a beat needs no database, and the workers also wait for it. A
        beat also runs without its URL.
        """
        if not self.settings.knows_database:
            return
        try:
            _, engine = bootstrap.build(self.settings, role="check", connections=1)
            try:
                bootstrap.check_database(engine)
            finally:
                engine.dispose()
        except BillingError as error:
            if not isinstance(error, Unavailable) or isinstance(error, ReadOnly):
                stop(error)
            _log.warning("database.not_checked", reason=str(error))


def stop(error: BillingError) -> NoReturn:
    """End the process with the error's one line."""
    print(f"billing-worker: {error}", file=sys.stderr, flush=True)  # noqa: T201 - there may be no logging yet
    sys.exit(2)


process = Process()
