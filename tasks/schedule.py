"""Everything that beat rings, on one page.

Beat only rings. A ring carries nothing, may be lost, doubled or sent by several beats: each scan asks the database
what is due, and claims it there.
"""

from typing import Any

SCAN_TASKS = (
    "renew_due",
    "collect_due",
    "reconcile_due",
    "refund_due",
    "apply_due",
    "confirm_due",
    "deliver_due",
    "compare_due",
    "audit_due",
    "tidy_due",
)


HEARD_WITHIN = 300
"""Seconds after which a ring is thrown away unheard, so that none pile up while no worker runs. It is compared by the
wall clocks of two hosts: much longer than clocks of hosts differ, or a wrong clock would silence everything."""


def beat_schedule(interval: float) -> dict[str, dict[str, Any]]:
    """One ring a scan and interval (seconds)."""
    return {
        name: {"task": f"billing.{name}", "schedule": interval, "options": {"expires": HEARD_WITHIN}}
        for name in SCAN_TASKS
    }
