"""The length of a queue at the broker."""

from typing import Any

import structlog
from celery import Celery

from billing_worker.domain.queues import Queue

_log = structlog.get_logger("billing.tasks")


def waiting_in(app: Celery, queue: Queue) -> int:
    """The messages that no worker has taken from this queue; 0 where the broker does not say."""
    try:
        with app.producer_or_acquire() as producer:
            return counted(producer.channel, queue)
    except Exception as error:  # noqa: BLE001 - whatever the broker does, the work itself is in the database
        _log.warning("queue.not_counted", queue=queue.value, error=type(error).__name__)
        return 0


def counted(channel: Any, queue: Queue) -> int:
    """The same, on a channel of kombu. Raises what the broker's client raises."""
    return int(channel.queue_declare(queue=queue.value, durable=True, auto_delete=False).message_count)
