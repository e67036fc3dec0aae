"""Two tasks for each job of `billing_worker/usecases/jobs.py`: `NAME_due` claims and sends ids, `NAME` serves one.

No rule of billing is here. A message carries a few ids; whether there is still something to do, the database says.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from billing_worker.domain.backpressure import fill, is_heard, room
from billing_worker.domain.queues import Queue
from billing_worker.usecases.jobs import BY_NAME, JOBS, ROUND, Job, Ring, chunks
from tasks import app
from tasks.process import process
from tasks.schedule import HEARD_WITHIN, task_name
from tasks.waiting import waiting_in


def scanner(job: Job) -> Callable[[], None]:
    """Claims what is due of this job and enqueues it in chunks. What is lost is claimed again after a while."""

    def scan() -> None:
        offer_due(job, process.settings.scan_limit)

    return scan


def offer_due(job: Job, limit: int) -> None:
    """Offer what is due; where the database does not bound the claims, no more than the queue has room for."""
    if job.fills is None:
        offer(job, limit)
        return
    left = room(waiting_in(app, job.queue), max(1, int(limit * job.fills)))
    fill(left, monotonic() + process.settings.scan_interval, partial(offer, job), monotonic)


def offer(job: Job, most: int) -> int:
    """Claim at most so many ids and enqueue them; returns their number."""
    ids = list(job.claim(process.ports, most))
    for idents in chunks(ids, job.chunk):
        send(job, idents)
    return len(ids)


def send(job: Job, idents: Sequence[str]) -> None:
    """Enqueue one message. It ends with its claim: an id that is offered again is not in the queue twice."""
    UNITS[job.name].apply_async((list(idents),), expires=process.settings.claim)


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
        send(BY_NAME[ring.job], ring.idents)
    elif is_heard(waiting_in(app, Queue.SCANS), ROUND):
        SCANS[BY_NAME[ring.job].scan].apply_async(expires=HEARD_WITHIN)


UNITS = {job.name: app.task(name=task_name(job.name), bind=True)(server(job)) for job in JOBS}

# Hide the scans: a ring every few seconds would push the charges of a night out of Flower's memory.
SCANS = {
    job.scan: app.task(name=task_name(job.scan), send_events=False)(scanner(job)) for job in JOBS if job.due is not None
}
