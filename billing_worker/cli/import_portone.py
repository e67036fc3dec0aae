"""`billing-worker import portone FILE.csv`: move the customers of PortOne's schedules in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from billing_worker.cli.import_columns import read_cells
from billing_worker.cli.import_file import Row
from billing_worker.cli.import_rows import Became, Outcome
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.moving.at_portone import AtPortOne, CustomerUnread, scheduled_at_portone
from billing_worker.usecases.moving.move_in import AlreadyHere, Mover, arrange, move_in
from billing_worker.usecases.schedule.step import step
from billing_worker.usecases.subscription import enroll

NEEDED = ("customer_uid", "customer")
"""The PG is what PortOne tells, and the plan may be given for all rows."""

MOST_UNREAD = 3
"""One customer whom PortOne cannot be read about is refused. So many in a row are an outage, which ends the run."""


@dataclass
class Movers:
    """Moves customers in, one by one: each is stored as a whole or not at all."""

    ports: Ports
    plan_id: str | None
    """For rows without a plan."""
    collection: Collection
    apply: bool
    """Otherwise nothing is changed."""
    _plans: Mapping[str, Plan] = field(init=False)
    _there: AtPortOne = field(init=False)
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plans = enroll.plans(self.ports)
        if self.plan_id is not None and self.plan_id not in self._plans:
            raise NotFound("plan", self.plan_id)
        self._there = scheduled_at_portone(self.ports)

    def take(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """The result of each row. Raises Unavailable where PortOne or the database does not answer."""
        unread = 0
        for row in rows:
            try:
                yield self._moved(row)
                unread = 0
            except AlreadyHere as here:
                yield Outcome(row, Became.IN_ALREADY, detail=str(here))
            except (InvalidInput, Conflict) as error:
                yield Outcome(row, Became.REJECTED, error.field or "line", str(error))
            except CustomerUnread as trouble:
                unread += 1
                if unread == MOST_UNREAD:
                    raise
                yield Outcome(row, Became.REJECTED, "customer_uid", str(trouble))
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one row must not end the others, whatever is wrong with it
                problem = f"this row could not be moved ({type(error).__name__}): a mistake in billing-worker"
                yield Outcome(row, Became.REJECTED, "line", f"{problem}, please report it")

    def _moved(self, row: Row) -> Outcome:
        if row.problem is not None:
            raise row.problem
        mover = self._read(read_cells(row.values, NEEDED))
        plan = self._plans.get(mover.plan_id)
        if plan is None:
            raise InvalidInput("plan_id", mover.plan_id, "there is no such plan; see: billing-worker plan list")
        earlier = self._seen.setdefault(mover.customer_uid, row.line)
        if earlier != row.line:
            raise InvalidInput("customer_uid", "…", f"is in line {earlier} already; a key has one subscription here")
        found = arrange(self.ports, mover, plan, self._there, self.collection)
        made, kept = found.enrolment, "kept" if self.collection is Collection.PORTONE_SCHEDULE else "revoked"
        detail = f"next charge of {plan.money} at {found.next_at:%Y-%m-%dT%H:%MZ}, by {self.collection}"
        at_portone = f"{len(found.adopted)} schedules at PortOne are {kept}" if found.adopted else "nothing at PortOne"
        detail += "; PortOne's schedules stay" if self.collection is Collection.SHADOW else f"; {at_portone}"
        if self.apply:
            move_in(self.ports, found)
            for schedule in found.adopted:
                # It is stored: whatever stands in the way of this call, the workers serve the schedule.
                with suppress(Exception):
                    step(self.ports, schedule.id)
        ids = (made.key.id, made.subscription.id) if self.apply else ("", "")
        return Outcome(row, Became.IMPORTED, "", detail, *ids)

    def _read(self, values: Mapping[str, Any]) -> Mover:
        given: dict[str, Any] = {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in values.items()
        }
        given.setdefault("plan_id", self.plan_id)
        if given["plan_id"] is None:
            raise InvalidInput("plan_id", None, "is needed: a column plan_id, or --plan for all rows")
        return Mover(**given)
