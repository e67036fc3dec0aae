"""Beat's schedule: the scans of the table of jobs.

Beat only rings. A ring carries no data, and may be lost, repeated or sent by several beats: each scan finds its due
work in the database, and claims it there.
"""

from typing import Any

from billing_worker.usecases.jobs import JOBS

HEARD_WITHIN = 300
"""Seconds after which a waiting ring is dropped, so that none pile up while no worker runs. The wall clocks of two
hosts decide this, so it is much longer than clocks differ: otherwise a wrong clock would silence all scans."""


def task_name(job: str) -> str:
    """The name of a job's unit, or of its scan, in Celery."""
    return f"billing.{job}"


def beat_schedule(interval: float) -> dict[str, dict[str, Any]]:
    """One ring per scan and interval (seconds)."""
    return {
        job.scan: {
            "task": task_name(job.scan),
            "schedule": interval,
            "options": {"expires": HEARD_WITHIN},
        }
        for job in JOBS
        if job.due is not None
    }
