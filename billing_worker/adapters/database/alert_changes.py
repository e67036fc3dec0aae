"""Changes of alerts that channels are told of, and the pace of each channel, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.review import alert_changes, alert_paces
from billing_worker.domain.alert_digest import AlertChange, AlertChannel, AlertPace, carries
from billing_worker.ports.alerts import Alert

_WAITS = alert_changes.c.told_at.is_(None)

_FORGET = text("""
    WITH chosen AS MATERIALIZED (
        SELECT number FROM alert_changes
        WHERE told_at < :told_before OR (told_at IS NULL AND changed_at < :changed_before)
        LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM alert_changes WHERE number IN (SELECT number FROM chosen)
""")


class _Paces(Repository[AlertPace]):
    table = alert_paces
    kind = "alert channel"
    hydrate = staticmethod(lambda row: AlertPace(**row))


class SqlAlertChanges:
    """Changes of alerts, for each channel."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._paces = _Paces(connection)

    def begin(self, channels: Collection[AlertChannel]) -> None:
        """Store what changes from now on for these channels: by every process, with or without their settings."""
        new = [{"id": channel, "wait": AlertPace(channel).wait, "fence": 0} for channel in channels]
        self._connection.execute(upsert(alert_paces).on_conflict_do_nothing(), new)

    def write(self, changed: Sequence[Alert], real_now: datetime) -> None:
        """Store that these were opened or closed, for each known channel that tells of it."""
        channels = [AlertChannel(each) for each in self._connection.execute(select(alert_paces.c.id)).scalars()]
        told = [
            {"channel": channel, "alert_id": each.id, "kind": each.kind}
            | {"is_open": each.closed_at is None, "changed_at": real_now}
            for each in changed
            for channel in channels
            if carries(channel, each.kind, each.subject_id)
        ]
        if told:
            self._connection.execute(insert(alert_changes), told)

    def waiting_kinds(self, channel: AlertChannel) -> Mapping[str, bool]:
        """The kinds of all changes that wait, and whether one of them is an opening."""
        kinds = select(alert_changes.c.kind, func.bool_or(alert_changes.c.is_open).label("opens"))
        kinds = kinds.where(_WAITS & (alert_changes.c.channel == channel)).group_by(alert_changes.c.kind)
        return {row.kind: row.opens for row in self._connection.execute(kinds)}

    def kinds_since(self, channel: AlertChannel, since: datetime) -> Collection[str]:
        """The kinds that the channel was told of since then."""
        told = (alert_changes.c.channel == channel) & (alert_changes.c.told_at >= since)
        return set(self._connection.execute(select(alert_changes.c.kind).where(told).distinct()).scalars())

    def waiting(self, channel: AlertChannel, limit: int) -> Sequence[AlertChange]:
        """Changes that the channel was not told of, oldest first."""
        names = ("number", "alert_id", "kind", "is_open", "changed_at")
        wanted = select(*(alert_changes.c[name] for name in names)).where(_WAITS & (alert_changes.c.channel == channel))
        found = self._connection.execute(wanted.order_by(alert_changes.c.number).limit(limit)).mappings()
        return [AlertChange(**row) for row in found]

    def note_sent(self, numbers: Sequence[int], real_now: datetime) -> None:
        """Note that these were told."""
        told = update(alert_changes).where(alert_changes.c.number == func.any(list(numbers)))
        self._connection.execute(told.values(told_at=real_now))

    def forget(self, told_before: datetime, changed_before: datetime, limit: int) -> int:
        """Delete changes that were told before this, or wait since before that; returns their number."""
        wanted = {"told_before": told_before, "changed_before": changed_before, "limit": limit}
        return self._connection.execute(_FORGET, wanted).rowcount

    def lock_pace(self, channel: AlertChannel) -> AlertPace:
        """The pace of the channel, locked. Raises NotFound for one that has not begun."""
        return self._paces.lock(channel)

    def save_pace(self, pace: AlertPace) -> None:
        """Write the pace back."""
        self._paces.save(pace)
