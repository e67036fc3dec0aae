"""Import rows of customers into the database: key and subscription together, or neither.

Many rows share one transaction. If it fails, each of its rows gets its own transaction, so one row does not stop
another. After a crash, the same file can be imported again: stored rows are recognised (`import_judge`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from billing_worker.cli.import_columns import COLUMNS, Part, read_cells
from billing_worker.cli.import_file import Row
from billing_worker.cli.import_judge import Earlier, found_in
from billing_worker.domain.errors import Busy, Conflict, InvalidInput, Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.plan import Plan
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.subscription import enroll

TOGETHER = 200
"""Rows per transaction: the cost of the commit is negligible, and repeating them after a failure takes a second."""


class Became(StrEnum):
    """The result of a row."""

    IMPORTED = "imported"
    IN_ALREADY = "in already"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one row, and its reason."""

    row: Row
    became: Became
    field: str = ""
    detail: str = ""
    """The reason of a rejection, or the place where the row is already stored."""
    billing_key_id: str = ""
    subscription_id: str = ""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A row to store."""

    row: Row
    values: Mapping[str, Any]
    enrolment: enroll.Enrolment

    def outcome(self) -> Outcome:
        made = self.enrolment
        return Outcome(self.row, Became.IMPORTED, billing_key_id=made.key.id, subscription_id=made.subscription.id)


class Importer:
    """Imports rows, many at a time. A dry run does the same without storing."""

    def __init__(self, ports: Ports, *, dry_run: bool) -> None:
        self._ports = ports
        self._dry_run = dry_run
        self._earlier = Earlier()
        self._plans: Mapping[str, Plan] = enroll.plans(ports)

    def take(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """The result of each row. Raises Unavailable if the database does not answer: the results are then unknown."""
        try:
            return self._together(rows)
        except Busy as error:
            if len(rows) == 1:
                return [Outcome(rows[0], Became.REJECTED, "line", f"{error}; import the row again")]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one row must not end the others, whatever is wrong with it
            if len(rows) == 1:
                return [_refused(rows[0], error)]
        return [outcome for row in rows for outcome in self.take([row])]

    def _together(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        read = [self._read(row) for row in rows]
        accepted: list[_Accepted] = []
        outcomes: list[Outcome] = []

        def judge(stored: enroll.Stored, moment: Moment) -> Sequence[enroll.Enrolment]:
            for row, values in zip(rows, read, strict=True):
                result = self._judged(row, values, stored, moment)
                if isinstance(result, _Accepted):
                    accepted.append(result)
                    self._earlier.add(row.line, result.values, result.enrolment.key)
                    outcomes.append(result.outcome())
                else:
                    outcomes.append(result)
            return [each.enrolment for each in accepted]

        wanted = [
            enroll.Wanted(values["customer_uid"], values["customer"], values["plan_id"])
            for values in read
            if not isinstance(values, Exception)
        ]
        try:
            enroll.enroll(self._ports, wanted, judge, dry_run=self._dry_run)
        except Exception:
            for each in reversed(accepted):
                self._earlier.forget(each.row.line, each.values)
            raise
        return outcomes

    def _read(self, row: Row) -> Mapping[str, Any] | InvalidInput:
        try:
            if row.problem is not None:
                return row.problem
            values = read_cells(row.values)
            if values["plan_id"] not in self._plans:
                problem = "there is no such plan; see: billing-worker plan list"
                return InvalidInput("plan_id", values["plan_id"], problem)
        except InvalidInput as error:
            return error
        return values

    def _judged(
        self, row: Row, values: Mapping[str, Any] | InvalidInput, stored: enroll.Stored, moment: Moment
    ) -> Outcome | _Accepted:
        if isinstance(values, InvalidInput):
            return _refused(row, values)
        try:
            where = found_in(values, self._earlier, stored)
            if where is not None:
                return Outcome(row, Became.IN_ALREADY, detail=where)
            uid = values["customer_uid"]
            made = enroll.prepare(
                self._ports,
                moment,
                self._plans[values["plan_id"]],
                stored.keys.get(uid) or self._earlier.keys.get(uid),
                of_key=_of(Part.KEY, values),
                of_subscription=_of(Part.SUBSCRIPTION, values, but="plan_id")
                | {"allow_duplicate": bool(values.get("allow_duplicate"))},
            )
        except (InvalidInput, Conflict) as error:
            return _refused(row, error)
        return _Accepted(row, values, made)


def _of(part: Part, values: Mapping[str, Any], *, but: str = "") -> dict[str, Any]:
    names = [column.name for column in COLUMNS if column.part is part and column.name != but]
    found = {name: values[name] for name in names if name in values}
    return {name: each.astimezone(UTC) if isinstance(each, datetime) else each for name, each in found.items()}


def _refused(row: Row, error: Exception) -> Outcome:
    if isinstance(error, InvalidInput | Conflict):
        return Outcome(row, Became.REJECTED, error.field or "line", str(error))
    problem = f"this row could not be stored ({type(error).__name__}): a mistake in billing-worker, please report it"
    return Outcome(row, Became.REJECTED, "line", problem)
