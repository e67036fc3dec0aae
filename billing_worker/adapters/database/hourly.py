"""Hourly totals in PostgreSQL. Triggers write the deltas (migration 0030)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from billing_worker.domain.outcome_counts import OutcomeCount
from billing_worker.ports.hourly import Counted, Timed

_ALL_TIME = text("""
    SELECT measure, subject, kind, outcome, bucket, sum(counted)::bigint AS counted, sum(total_ms)::bigint AS total_ms
    FROM (SELECT * FROM hourly_totals WHERE hour = 'epoch' UNION ALL SELECT * FROM hourly_deltas) kept
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(counted) <> 0 ORDER BY 1, 2, 3, 4, 5
""")

_OUTCOMES = text("""
    SELECT hour, subject AS pg, kind, outcome, sum(counted)::bigint AS count
    FROM (SELECT * FROM hourly_totals WHERE hour >= :since AND measure = 'charge' AND kind = :kind
          UNION ALL SELECT * FROM hourly_deltas WHERE hour >= :since AND measure = 'charge' AND kind = :kind) kept
    GROUP BY 1, 2, 3, 4 HAVING sum(counted) <> 0 ORDER BY 1, 2, 3, 4
""")

_SUMS = text("""
    SELECT CAST(:since AS timestamptz) AS hour, subject AS pg, kind, outcome, sum(counted)::bigint AS count
    FROM (SELECT * FROM hourly_totals WHERE hour >= :since AND hour < :until AND measure = 'charge'
          UNION ALL
          SELECT * FROM hourly_deltas WHERE hour >= :since AND hour < :until AND measure = 'charge') kept
    GROUP BY 2, 3, 4 HAVING sum(counted) <> 0 ORDER BY 2, 3, 4
""")

# Rows that another folding holds are left to it. The hour epoch has all, so each delta of an hour counts in both.
_FOLD = text("""
    WITH taken AS (
        DELETE FROM hourly_deltas
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM hourly_deltas LIMIT :most FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO hourly_totals AS kept
    SELECT slot.hour, measure, subject, kind, outcome, bucket, sum(counted), sum(total_ms)
    FROM taken CROSS JOIN LATERAL (
        SELECT CAST('epoch' AS timestamptz) AS hour
        UNION ALL SELECT taken.hour WHERE taken.hour > 'epoch') slot
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (hour, measure, subject, kind, outcome, bucket) DO UPDATE SET
        counted = kept.counted + excluded.counted, total_ms = kept.total_ms + excluded.total_ms
""")

_ADD_CALLS = text("""
    INSERT INTO hourly_deltas (hour, measure, subject, kind, outcome, bucket, counted, total_ms)
    VALUES ('epoch', 'request', :subject, '', '', :bucket, :counted, :total_ms)
""")

_FORGET = text("DELETE FROM hourly_totals WHERE hour > 'epoch' AND hour < :before")


class SqlHourly:
    """Hourly totals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all_time(self) -> Sequence[Counted]:
        """Everything counted, since the first charge."""
        return [Counted(**row) for row in self._connection.execute(_ALL_TIME).mappings()]

    def outcomes(self, since: datetime, kind: str) -> Sequence[OutcomeCount]:
        """Outcomes of one kind of tries in each hour from `since` on."""
        found = self._connection.execute(_OUTCOMES, {"since": since, "kind": kind}).mappings()
        return [OutcomeCount(**row) for row in found]

    def sums(self, since: datetime, until: datetime) -> Sequence[OutcomeCount]:
        """Outcomes of all hours from `since` to `until` (exclusive), as if in one."""
        found = self._connection.execute(_SUMS, {"since": since, "until": until}).mappings()
        return [OutcomeCount(**row) for row in found]

    def add_calls(self, timed: Sequence[Timed]) -> None:
        """Count these calls: as a trigger does, but a call has no row that could fire one."""
        rows = [
            {"subject": each.kind, "bucket": each.bucket, "counted": each.counted, "total_ms": each.total_ms}
            for each in timed
        ]
        if rows:
            self._connection.execute(_ADD_CALLS, rows)

    def fold(self, most: int) -> int:
        """Add at most so many differences of statements to the totals; returns to how many rows."""
        return self._connection.execute(_FOLD, {"most": most}).rowcount

    def forget(self, before: datetime) -> int:
        """Delete the totals of hours before this, and keep them in those of all time."""
        return self._connection.execute(_FORGET, {"before": before}).rowcount
