"""Small helpers that wait: for a condition, for a port."""

import random
import socket
import time
from collections.abc import Callable

from billing_worker.runtime.errors import RuntimeProblem

_QUIET_PORTS = (10_000, 32_000)
_PORT_TRIES = 50
_POLL_SECONDS = 0.02  # short enough not to be felt at start, long enough not to load a small machine


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Return as soon as `condition()` is true.

    Raises RuntimeProblem that names `what` when it is still false after `timeout` seconds. The condition is checked at
    least once, even with a timeout of zero.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise RuntimeProblem(f"gave up waiting for {what} after {timeout:g} s")
        time.sleep(_POLL_SECONDS)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a free TCP port. Another process may still take it first, so be ready to try again.

    The port is below the range that the system uses for outgoing connections and for port 0: those ports change by the
    hundred while a program starts.
    """
    for _ in range(_PORT_TRIES):
        port = random.randrange(*_QUIET_PORTS)  # noqa: S311 - no secret, only unlikely to meet another's choice
        if port_is_free(host, port):
            return port
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on this address now (also False if the address is not ours)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server sets SO_REUSEADDR: connections in TIME_WAIT do not make a port look taken.
        with socket.create_server((host, port), family=family):
            return True
    except OSError:
        return False
