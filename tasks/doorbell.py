"""Rings for other processes (the receiver): best effort, since the scans find what a lost ring would have told."""

import structlog

from tasks import app
from tasks.schedule import task_name

_log = structlog.get_logger("billing.doorbell")


class CeleryDoorbell:
    """Publishes one message a ring."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises; a Redis that hangs costs a few seconds, one that is away less."""
        try:
            app.send_task(task_name(job), ([ident],), retry=False)
        except Exception as error:  # noqa: BLE001 - whatever the broker does, what was stored is found by the scan
            _log.warning("bell.not_rung", job=job, id=ident, error=type(error).__name__)
