"""What a worker's command line may ask for: the pool and the queues that fit this worker."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing_worker.domain.errors import SettingsInvalid
from tasks.app import QUEUES

GREEN = ("gevent", "eventlet")
"""Pools that replace the socket calls of Python. psycopg waits in C, where they see nothing: one slow statement would
hold up every charge of the process, beyond its deadline and its lease."""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse a pool or a queue that would serve nothing, or serve it late. Raises SettingsInvalid: one line."""
    module = getattr(options.get("pool_cls"), "__module__", None) or str(options.get("pool_cls"))
    green = next((name for name in GREEN if name in module), None)
    if green is not None:
        way_out = "leave -P out (threads), or use -P solo"
        raise SettingsInvalid(f"-P {green}: does not fit, since PostgreSQL's driver waits outside of it; {way_out}")
    for option, name in (("-Q", "queues"), ("-X", "exclude_queues")):
        for queue in _named(options.get(name)):
            if queue not in QUEUES:
                raise SettingsInvalid(
                    f"{option} {queue[:40]}: is no queue of this worker; known are {', '.join(QUEUES)}"
                )


def _named(queues: str | Sequence[str] | None) -> Sequence[str]:
    names = queues.split(",") if isinstance(queues, str) else queues or ()
    return [name.strip() for name in names if name.strip()]
