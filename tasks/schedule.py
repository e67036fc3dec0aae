"""Everything that beat rings, on one page.

Beat only rings. A ring carries nothing, may be lost, doubled or sent by several beats: each scan asks the database
what is due, and claims it there.
"""

from typing import Any

SCAN_TASKS = ("renew_due", "collect_due", "reconcile_due", "apply_due", "deliver_due")


def beat_schedule(interval: float) -> dict[str, dict[str, Any]]:
    """One ring a scan and interval (seconds). A ring nobody heard for three intervals is thrown away."""
    return {
        name: {"task": f"billing.{name}", "schedule": interval, "options": {"expires": 3 * interval}}
        for name in SCAN_TASKS
    }
