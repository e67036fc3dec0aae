"""Rings for other processes (the receiver): best effort, since the scans find the work of a lost ring."""

import structlog

from billing_worker.usecases.jobs import BY_NAME, JobName
from tasks import app
from tasks.process import process
from tasks.schedule import task_name
from tasks.waiting import waiting_in

_log = structlog.get_logger("billing.doorbell")


class CeleryDoorbell:
    """Publishes one message per ring."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id, unless its queue is full. Never raises.

        A hanging Redis costs a few seconds, an unreachable one less.
        """
        if waiting_in(app, BY_NAME[JobName(job)].queue) >= process.settings.scan_limit:
            return
        try:
            app.send_task(task_name(job), ([ident],), retry=False, expires=process.settings.claim)
        except Exception as error:  # noqa: BLE001 - whatever the broker does, what was stored is found by the scan
            _log.warning("bell.not_rung", job=job, id=ident, error=type(error).__name__)
