"""Clerks at the console of the gateway, and its Recovery: they change what the gateway charges by itself, unasked."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.ledger import RECOVERY, SCHEDULE, Planned, Row
from billing_worker.simulation.fleet.schedules import plan_again
from billing_worker.simulation.world.office import Office
from billing_worker.usecases.review.schedules import review_schedules

YEAR, DAY, MINUTE = timedelta(days=365.25), timedelta(days=1), timedelta(minutes=1)

LONG_AGO = timedelta(days=40)
"""No clerk brings back what was planned for an earlier date."""

DAYS_MOVED, DAYS_AHEAD = 3.0, 20.0
"""How far a date is moved at most, and how far ahead a schedule that is brought back runs at most."""


class Clerks:
    """Their chance is their own: a world without them is as it was before there were any."""

    def __init__(self, fleet: Fleet, office: Office) -> None:
        self.done: Counter[str] = Counter()
        """What was done how often."""
        self._office = office
        self._world = fleet.world
        self._scheduler = fleet.world.scheduler
        self._options = fleet.options
        self._random = Random(f"clerks {fleet.options.seed}")  # noqa: S311 - chance that must be repeatable
        self._acts: dict[str, Callable[[], bool]] = {
            "revoked": self._revoke,
            "moved": self._move,
            "revived": self._revive,
        }

    def begin(self) -> None:
        """Act from now on, as often as the run says; operators compare both lists each day, because clerks do act."""
        if self._options.clerk_acts_a_year:
            self._act_later()
        if self._options.recovery:
            self._scheduler.after(DAY * self._random.random(), self._recover)
        if self.act:
            self._scheduler.after(DAY, self._review)

    @property
    def act(self) -> bool:
        """Whether others than the worker change what the gateway charges."""
        return bool(self._options.clerk_acts_a_year or self._options.recovery)

    def _act_later(self) -> None:
        wait = YEAR / (self._options.clerk_acts_a_year * self._options.subscriptions)
        self._scheduler.after(wait * self._random.expovariate(1), self._act)

    def _act(self) -> None:
        if not self._office.open:
            return
        self._act_later()
        name = self._random.choice(list(self._acts))
        self.done[name] += self._acts[name]()

    def _one(self, fits: Callable[[Planned], bool]) -> Planned | None:
        found = [row for row in self._world.ledger.schedules.values() if fits(row)]
        return self._random.choice(found) if found else None

    def _is_planned(self, row: Planned) -> bool:
        return row.status == "scheduled" and row.at > self._scheduler.now

    def _may_be_revived(self, row: Planned) -> bool:
        """Whether it was revoked, or ran and failed: the gateway brings only these back."""
        paid = self._world.ledger.rows.get(row.imp_uid or "")
        failed = paid is not None and paid.status == "failed"
        return row.at > self._scheduler.now - LONG_AGO and (row.status == "revoked" or failed)

    def _revoke(self) -> bool:
        row = self._one(self._is_planned)
        if row is not None:
            row.status = "revoked"
        return row is not None

    def _move(self) -> bool:
        """Move a date, mostly by hours."""
        row = self._one(self._is_planned)
        if row is not None:
            by = timedelta(days=DAYS_MOVED * self._random.uniform(-1, 1) ** 3)
            plan_again(self._world, row, max(row.at + by, self._scheduler.now + MINUTE))
        return row is not None

    def _revive(self) -> bool:
        row = self._one(self._may_be_revived)
        if row is not None:
            row.revived = True
            plan_again(self._world, row, self._scheduler.now + MINUTE + DAYS_AHEAD * DAY * self._random.random() ** 3)
        return row is not None

    def _recover(self) -> None:
        """Try all scheduled charges of the last day that failed once more, as Recovery does until they succeed."""
        if not self._office.open:
            return
        self._scheduler.after(DAY, self._recover)
        ledger, now = self._world.ledger, self._scheduler.now
        failed = [row for row in ledger.rows.values() if row.cause in (SCHEDULE, RECOVERY) and row.status == "failed"]
        for row in {row.merchant_uid: row for row in failed if row.started_at > now - DAY}.values():
            if ledger.takes(row.merchant_uid, row.pg):
                tried = ledger.charge(
                    row.merchant_uid, row.customer_uid, (row.amount, row.currency), now, cause=RECOVERY
                )
                self.done["recovered" if isinstance(tried, Row) and tried.status == "paid" else "tried in vain"] += 1

    def _review(self) -> None:
        """Compare both lists, and again each day."""
        if self._office.open:
            self._scheduler.after(DAY, self._review)
            self._office.later(timedelta(0), self._compare)

    def _compare(self, ports: Ports) -> None:
        for each in review_schedules(ports).differences:
            self.done[f"told {each.case}"] += 1

    def compare_last(self) -> None:
        """Compare both lists once more, after all faults have ended."""
        if self.act:
            self._office.now(self._compare, self._office.ports)
