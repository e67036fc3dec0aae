"""The merchant's dunning policies, with every feature, and an operator who writes new versions of them."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from billing_worker.domain.calendar import BillingCalendar, CronCalendar
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.world.office import Office
from billing_worker.usecases.dunning.policies import create_policy

POLICIES: Mapping[str, Mapping[str, Any]] = {
    "paydays": {"steps": ["1d paydays 10:00"] * 3, "quiet": "21:00-08:00"},
    "patient": {
        "steps": ["12h", "1d weekdays 10:00", "2d business-days 11:30"],
        "business_days": True,
        "paid_hour": True,
        "jitter": "1h",
        "final": "keep_past_due",
        "win_back": "20d",
    },
    "cancels": {"steps": ["1d", "2d"], "final": "cancel", "quiet": "00:00-06:00"},
    "hasty": {"steps": ["1h"] * 8, "failures": ["10m"], "win_back": "1d daily 12:00"},
    "moves": {"steps": ["1d", "3d"], "moves_date": True, "win_back": "10d"},
    "anew": {"steps": ["1d"], "by_category": {"limit": ["2d", "2d"]}, "new_key": "new_period"},
}
MOVING = ("moves", "anew")
"""A cron expression cannot have these."""


class Policies:
    """Writes the policies, and gives plans and payments theirs."""

    def __init__(self, fleet: Fleet, office: Office, quiet: Ports) -> None:
        self.used = fleet.options.policies
        self._roll = fleet.world.chaos.roll
        self._office = office
        self._changes = round(fleet.options.years * 2) if self.used else 0
        for name, definition in POLICIES.items() if self.used else ():
            create_policy(quiet, name, definition)

    def begin(self, span: timedelta) -> None:
        """Let the operator change a policy twice a year."""
        for number in range(self._changes):
            self._office.later(span * self._roll(), partial(self._change, number))

    def of_plan(self, calendar: BillingCalendar) -> str | None:
        """The policy of a plan; None: plain days."""
        fitting = [name for name in POLICIES if name not in MOVING or not isinstance(calendar, CronCalendar)]
        return self._chosen(fitting)

    def of_payment(self) -> str | None:
        """The policy of a single payment; None: plain days."""
        return self._chosen(list(POLICIES))

    def _chosen(self, names: list[str]) -> str | None:
        return names[int(self._roll() * len(names))] if self.used else None

    def _change(self, number: int, ports: Ports) -> None:
        name = list(POLICIES)[int(self._roll() * len(POLICIES))]
        definition = POLICIES[name]
        steps = [f"{number % 5 + 1}d", *definition["steps"]][:3]
        create_policy(ports, name, {**definition, "steps": steps, "quiet": "21:00-09:00"})
