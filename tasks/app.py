"""The Celery application and its settings, each with its reason.

Redis carries only ids: the next scan finds lost ones again in the database.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from celery import Celery, Task
from kombu.entity import Exchange
from kombu.entity import Queue as BrokerQueue
from kombu.exceptions import OperationalError

from billing_worker.bootstrap import sentinel_options
from billing_worker.config import Settings
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.queues import Queue
from billing_worker.usecases.control.alerts import report_crashed_job
from billing_worker.usecases.jobs import JOBS
from tasks.reconnect import survive_broker_loss
from tasks.schedule import beat_schedule, task_name

_log = structlog.get_logger("billing.tasks")


class BillingTask(Task):  # type: ignore[misc] # celery has no types
    """A task that logs foreseeable trouble in one line: the work is still in the database for the next scan."""

    abstract = True
    Strategy = "tasks.strategy:checked"

    def on_failure(self, exc: Exception, task_id: str, args: Sequence[object], kwargs: object, einfo: object) -> None:  # noqa: ARG002 - celery's signature
        """Alert an operator to an unexpected error. The work stays in the database and is offered again."""
        from tasks.process import process  # noqa: PLC0415 - it must not be built before the application is

        with suppress(Exception):
            report_crashed_job(process.ports, self.name, _first(args), type(exc).__name__)

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run it."""
        try:
            return super().__call__(*args, **kwargs)
        except (Unavailable, OperationalError) as error:  # no answer from the database, or from Redis during a scan
            _log.warning("put_off", task=self.name, reason=str(error))
            return None


def _first(args: Sequence[object]) -> str:
    """The id by which an operator finds what a message was about."""
    idents = args[0] if args else ""
    return str(idents[0]) if isinstance(idents, list) and idents else str(idents)


def create_app(settings: Settings) -> Celery:
    """The application for one process. Raises SettingsInvalid if no broker is set."""
    survive_broker_loss()
    modules = ["tasks.alive", "tasks.attendance", "tasks.jobs", "tasks.progress"]
    app = Celery("billing", task_cls=BillingTask, include=modules)
    app.conf.update(
        broker_url=settings.broker_server.celery_url,
        broker_use_ssl=settings.broker_server.tls,
        # Redis may be down for any time: wait for it, since the work waits in the database.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_pool_acquire_timeout=10,
        broker_transport_options=transport_options(settings),
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        # Only JSON: a forged message can be wrong, but never code.
        task_serializer="json",
        accept_content=["json"],
        # Outcomes are in the database; a result backend would be a second truth.
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Redelivery is safe, since every unit checks the database for remaining work.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A Redis failure must not kill a charge during its call.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Threads suit calls that wait for a network. They ignore Celery's time limits: every call has its own deadline,
        # and the lease covers the rest.
        worker_pool="threads",
        worker_concurrency=settings.worker_concurrency,
        task_default_queue=Queue.SCANS.value,
        task_queues=[queue_named(name.value) for name in Queue],
        task_create_missing_queues=False,
        task_routes={task_name(job.name): {"queue": job.queue.value} for job in JOBS},
        # Flower and other listeners see the tasks. Events may be lost; nothing depends on them.
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
        timezone="UTC",
        beat_schedule=beat_schedule(settings.scan_interval),
        # In memory: a schedule of seconds has no state to keep, and a file would prevent a second beat.
        beat_scheduler="tasks.beat:Bell",
        beat_max_loop_interval=5,
        # The health check looks at a file (tasks/alive.py): beat needs no second thread and connection.
        beat_enable_remote_control=False,
    )
    return app


def queue_named(name: str) -> BrokerQueue:
    """A queue with its own exchange and routing key, so that a message reaches only one queue."""
    return BrokerQueue(name, Exchange(name, type="direct"), routing_key=name)


def transport_options(settings: Settings) -> dict[str, Any]:
    """Options of kombu's connection to Redis."""
    master_name = settings.broker_server.master_name
    sentinels = {"master_name": master_name, "sentinel_kwargs": sentinel_options(settings)} if master_name else {}
    return sentinels | {
        # An unacknowledged message returns after this long. It is longer than any task runs; otherwise a second worker
        # would get a slow charge (harmless, but noise).
        "visibility_timeout": settings.visibility_timeout,
        # kombu's defaults look for such messages only every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # Without a socket timeout a hung Redis blocks a publisher for ever.
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "global_keyprefix": "billing:",
        "client_name": "billing",
    }
