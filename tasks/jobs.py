"""Two tasks for each job of `billing_worker/usecases/jobs.py`: `NAME_due` claims and sends ids, `NAME` serves one.

These tasks contain no rule of billing. A message carries one id; the database decides whether there is still work.
"""

from collections.abc import Callable
from typing import Any

from billing_worker.usecases.jobs import JOBS, Job
from tasks import app
from tasks.process import process
from tasks.schedule import task_name


def scanner(job: Job) -> Callable[[], None]:
    """Claims the due work of this job and sends one message per id. Lost work is claimed again later."""

    def scan() -> None:
        for ident in job.claim(process.ports, process.settings.scan_limit):
            # Not much longer than the claim, so that repeated offers do not pile up in a slow queue.
            UNITS[job.name].apply_async((str(ident),), expires=2 * process.settings.claim)

    return scan


def server(job: Job) -> Callable[[Any, str], None]:
    """Serves one id of this job, and rings for the jobs that follow."""

    def unit(self: Any, ident: str) -> None:
        if job.event is not None:
            self.send_event(job.event, billing_key_id=ident)
        for ring in job.serve(process.ports, ident):
            UNITS[ring.job].delay(ring.ident)

    return unit


UNITS = {job.name: app.task(name=task_name(job.name), bind=True)(server(job)) for job in JOBS}

# Hide the scans: a ring every few seconds would push the charges of a night out of Flower's memory.
SCANS = {
    job.scan: app.task(name=task_name(job.scan), send_events=False)(scanner(job)) for job in JOBS if job.due is not None
}
