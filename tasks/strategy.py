"""Refuse messages that are not a task call, before celery fails on them.

celery 5.7.0 unpacks a message's body without a check: a JSON body of another shape ends the worker, returns to the
queue unacknowledged, and ends the next worker too. As InvalidTaskError it is dropped with one line.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from tasks.attendance import attendance

PARTS = 3
"""Arguments, keyword arguments, and celery's embedded data: version 2 of its message protocol."""


def checked(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy, but only for messages of the right shape."""
    handle = default(task, app, consumer, **options)

    def checked_handle(message: Any, *arguments: Any, **more: Any) -> Any:
        payload = message.payload
        shaped = isinstance(payload, list | tuple) and len(payload) == PARTS
        if not shaped or not isinstance(payload[0], list | tuple) or not isinstance(payload[1], dict):
            raise InvalidTaskError("the body is not a task call")
        attendance.take(task.name)
        return handle(message, *arguments, **more)

    return checked_handle
