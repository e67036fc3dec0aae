"""Checks of a worker's command line: the pool and the queues."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.queues import Queue

GREEN = ("gevent", "eventlet")
"""Pools that replace Python's sockets and threads. psycopg does not support eventlet, and one call that does not yield
delays every charge of the process, beyond its deadline and its lease. Threads wait for a network just as well."""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse a pool or a queue that would serve no work, or serve it late. Raises SettingsInvalid: one line."""
    pool = options.get("pool") or options.get("pool_cls") or ""
    green = next((name for name in GREEN if name in getattr(pool, "__module__", str(pool))), None)
    if green is not None:
        way_out = "leave -P out (threads), or use -P solo"
        raise SettingsInvalid(
            f"-P {green}: is not supported, since only real threads keep a charge's time limits; {way_out}"
        )
    for option, name in (("-Q", "queues"), ("-X", "exclude_queues")):
        for queue in _named(options.get(name)):
            if queue not in list(Queue):
                raise SettingsInvalid(
                    f"{option} {queue[:40]}: is not a queue of this worker; known are {', '.join(Queue)}"
                )


def _named(queues: str | Sequence[str] | None) -> Sequence[str]:
    names = queues.split(",") if isinstance(queues, str) else queues or ()
    return [name.strip() for name in names if name.strip()]
