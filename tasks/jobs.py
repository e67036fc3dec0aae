"""Two tasks for each job of `billing_worker/usecases/jobs.py`: `NAME_due` claims and sends ids, `NAME` serves one.

No rule of billing is here. A message carries a few ids; whether there is still something to do, the database says.
"""

from collections.abc import Callable, Sequence
from typing import Any

from billing_worker.usecases.jobs import BY_NAME, JOBS, Job, Ring, chunks
from tasks import app
from tasks.process import process
from tasks.schedule import HEARD_WITHIN, task_name


def scanner(job: Job) -> Callable[[], None]:
    """Claims what is due of this job and enqueues it in chunks. What is lost is claimed again after a while."""

    def scan() -> None:
        for idents in chunks(job.claim(process.ports, process.settings.scan_limit), job.chunk):
            # Not much longer than the claim, so that repeated offers do not pile up in a slow queue.
            UNITS[job.name].apply_async((idents,), expires=2 * process.settings.claim)

    return scan


def server(job: Job) -> Callable[[Any, Sequence[str]], None]:
    """Serves the ids of one message of this job, and rings what follows from it."""

    def unit(self: Any, idents: Sequence[str]) -> None:
        if job.event is not None:
            for ident in idents:
                self.send_event(job.event, billing_key_id=ident)
        for ring in job.work(process.ports, idents):
            pass_on(ring)

    return unit


def pass_on(ring: Ring) -> None:
    """Enqueue what a ring asks for."""
    if ring.idents:
        UNITS[ring.job].delay(list(ring.idents))
    else:
        SCANS[BY_NAME[ring.job].scan].apply_async(expires=HEARD_WITHIN)


UNITS = {job.name: app.task(name=task_name(job.name), bind=True)(server(job)) for job in JOBS}

# Hide the scans: a ring every few seconds would push the charges of a night out of Flower's memory.
SCANS = {
    job.scan: app.task(name=task_name(job.scan), send_events=False)(scanner(job)) for job in JOBS if job.due is not None
}
