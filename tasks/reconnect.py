"""A workaround for celery 5.7.0 with kombu 5.7.0: the worker must survive the loss of Redis while a task runs.

When the broker connection breaks, celery first collects the connection and then closes its channel; the channel then
meets a transport without a client and raises AttributeError, which ends the worker during its charges. A
ConnectionError is handled. Delete this file when celery no longer needs it.
"""

from typing import Any

import celery
import kombu
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

AFFECTED = ("5.7.0", "5.7.0")
PATCHED = "patched_by_billing_worker"


def survive_broker_loss() -> None:
    """Patch kombu's Redis channel, once, and only in the versions that need it."""
    channel = kombu_redis.Channel
    if (celery.__version__, kombu.__version__) != AFFECTED or hasattr(channel, PATCHED):
        return
    original = channel._connparams  # noqa: SLF001 - a patch of kombu's inside, see above

    def connparams(self: Any, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        connection = self.connection
        if connection is None or getattr(connection, "client", None) is None:
            raise RedisConnectionError("the channel has lost its connection")
        return original(self, asynchronous)

    setattr(channel, "_connparams", connparams)  # noqa: B010 - a patch, see above
    setattr(channel, PATCHED, True)
