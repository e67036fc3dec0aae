"""Everything that beat rings: the scans of the table of jobs.

Beat only rings. A ring carries nothing, may be lost, doubled or sent by several beats: each scan asks the database
what is due, and claims it there.
"""

from typing import Any

from billing_worker.usecases.jobs import JOBS

HEARD_WITHIN = 300
"""Seconds after which a ring is thrown away unheard, so that none pile up while no worker runs. It is compared by the
wall clocks of two hosts: much longer than clocks of hosts differ, or a wrong clock would silence everything."""


def task_name(job: str) -> str:
    """The name of a job's unit, or of its scan, in Celery."""
    return f"billing.{job}"


def beat_schedule(interval: float) -> dict[str, dict[str, Any]]:
    """One ring a scan and interval (seconds)."""
    return {
        job.scan: {
            "task": task_name(job.scan),
            "schedule": interval,
            "options": {"expires": HEARD_WITHIN},
        }
        for job in JOBS
        if job.due is not None
    }
