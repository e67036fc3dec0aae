"""One database transaction, as the use cases see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing_worker.adapters.database.access import SqlActions, SqlTokens
from billing_worker.adapters.database.alert_changes import SqlAlertChanges
from billing_worker.adapters.database.alerts import SqlAlerts
from billing_worker.adapters.database.audit import SqlAudits
from billing_worker.adapters.database.books import SqlBooks
from billing_worker.adapters.database.card_sessions import SqlCardSessions
from billing_worker.adapters.database.catch_up import SqlCatchUp
from billing_worker.adapters.database.charging import SqlChargingRecords
from billing_worker.adapters.database.comparisons import SqlComparisons
from billing_worker.adapters.database.doubts import SqlDoubts
from billing_worker.adapters.database.environment import SqlEnvironment
from billing_worker.adapters.database.fallbacks import SqlFallbackKeys
from billing_worker.adapters.database.forgetting import SqlForgetting
from billing_worker.adapters.database.gateway_watch import SqlGatewayWatch
from billing_worker.adapters.database.inbox import SqlInbox
from billing_worker.adapters.database.journal import log_events
from billing_worker.adapters.database.keys import SqlKeyCalls
from billing_worker.adapters.database.lists import SqlLists
from billing_worker.adapters.database.notices import SqlNotices
from billing_worker.adapters.database.outbox import SqlEndpoints, SqlOutbox
from billing_worker.adapters.database.pg_turns import SqlPgTurns
from billing_worker.adapters.database.pingbacks import SqlPingbacks
from billing_worker.adapters.database.policies import SqlDunningPolicies
from billing_worker.adapters.database.processes import SqlProcesses
from billing_worker.adapters.database.refunds import SqlRefunds
from billing_worker.adapters.database.requests import SqlKeptAnswers
from billing_worker.adapters.database.schedules import SqlSchedules
from billing_worker.adapters.database.shadow import SqlShadow
from billing_worker.adapters.database.stops import SqlStops
from billing_worker.adapters.database.trouble import HELD, first_line
from billing_worker.domain.errors import Busy, Unavailable
from billing_worker.domain.events import Event
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import Channel
from billing_worker.domain.notices.written import Cause, causes_of
from billing_worker.domain.settlement import Settlement, take_events
from billing_worker.ports.alerts import Alert, event_of
from billing_worker.ports.outside import Ids


class SqlUnitOfWork(SqlChargingRecords):
    """The records of one transaction. Without `commit`, its changes are rolled back."""

    def __init__(
        self,
        connection: Connection,
        ids: Ids,
        within: Callable[[], AbstractContextManager[None]] = nullcontext,
        channels: Sequence[Channel] = (),
    ) -> None:
        super().__init__(connection)
        self._within = within
        self._channels = channels
        self._ids = ids
        self._announced: list[Event] = []

    @cached_property
    def dunning_policies(self) -> SqlDunningPolicies:
        """Dunning policies."""
        return SqlDunningPolicies(self._connection)

    @cached_property
    def refunds(self) -> SqlRefunds:
        """Refunds."""
        return SqlRefunds(self._connection)

    @cached_property
    def schedules(self) -> SqlSchedules:
        """Schedules at PortOne."""
        return SqlSchedules(self._connection)

    @cached_property
    def shadow(self) -> SqlShadow:
        """Shadow mode."""
        return SqlShadow(self._connection)

    @cached_property
    def card_sessions(self) -> SqlCardSessions:
        """Visits to the card page."""
        return SqlCardSessions(self._connection)

    @cached_property
    def inbox(self) -> SqlInbox:
        """Notifications received."""
        return SqlInbox(self._connection)

    @cached_property
    def outbox(self) -> SqlOutbox:
        """Events for the merchant."""
        return SqlOutbox(self._connection)

    @cached_property
    def notices(self) -> SqlNotices:
        """Notices to customers."""
        return SqlNotices(self._connection)

    @cached_property
    def endpoints(self) -> SqlEndpoints:
        """The merchant's receivers."""
        return SqlEndpoints(self._connection)

    @cached_property
    def alerts(self) -> SqlAlerts:
        """Alerts."""
        found = SqlAlerts(self._connection)
        found.announce = self.announce_alerts
        return found

    @cached_property
    def alert_changes(self) -> SqlAlertChanges:
        """Changes of alerts that channels are told of."""
        return SqlAlertChanges(self._connection)

    @cached_property
    def comparisons(self) -> SqlComparisons:
        """Comparisons with the gateway."""
        return SqlComparisons(self._connection)

    @cached_property
    def doubts(self) -> SqlDoubts:
        """Payments that are in doubt."""
        return SqlDoubts(self._connection)

    @cached_property
    def books(self) -> SqlBooks:
        """Sums and the present state."""
        return SqlBooks(self._connection)

    @cached_property
    def catch_up(self) -> SqlCatchUp:
        """Late work."""
        return SqlCatchUp(self._connection)

    @cached_property
    def pg_turns(self) -> SqlPgTurns:
        """The turns of PGs."""
        return SqlPgTurns(self._connection)

    @cached_property
    def gateway_watch(self) -> SqlGatewayWatch:
        """The watch of the gateway."""
        return SqlGatewayWatch(self._connection)

    @cached_property
    def processes(self) -> SqlProcesses:
        """Processes."""
        return SqlProcesses(self._connection)

    @cached_property
    def stops(self) -> SqlStops:
        """Stops."""
        return SqlStops(self._connection)

    @cached_property
    def environment(self) -> SqlEnvironment:
        """The claim on this database."""
        return SqlEnvironment(self._connection)

    @cached_property
    def audits(self) -> SqlAudits:
        """Audits."""
        return SqlAudits(self._connection)

    @cached_property
    def key_calls(self) -> SqlKeyCalls:
        """Calls about keys."""
        return SqlKeyCalls(self._connection)

    @cached_property
    def fallbacks(self) -> SqlFallbackKeys:
        """Fallback keys."""
        return SqlFallbackKeys(self._connection)

    @cached_property
    def pingbacks(self) -> SqlPingbacks:
        """Payments at Paymentwall."""
        return SqlPingbacks(self._connection)

    @cached_property
    def tokens(self) -> SqlTokens:
        """Tokens of the API."""
        return SqlTokens(self._connection)

    @cached_property
    def actions(self) -> SqlActions:
        """The log of actions."""
        return SqlActions(self._connection)

    @cached_property
    def kept_answers(self) -> SqlKeptAnswers:
        """Answers by their key."""
        return SqlKeptAnswers(self._connection)

    @cached_property
    def forgetting(self) -> SqlForgetting:
        """Emptying of records."""
        return SqlForgetting(self._connection)

    @cached_property
    def lists(self) -> SqlLists:
        """Every list."""
        return SqlLists(self._connection)

    def save_settlements(self, settlements: Sequence[Settlement], moment: Moment) -> None:
        """Write back all records of these settlements, and announce their events: one statement a table."""
        self.invoices.save_all(list({each.invoice.id: each.invoice for each in settlements}.values()))
        self.attempts.save_all([each.attempt for each in settlements])
        owners = [each.subscription for each in settlements if each.subscription is not None]
        self.subscriptions.save_all(list({each.id: each for each in owners}.values()))
        self.keys.save_all(list({key.id: key for each in settlements for key in each.keys.values()}.values()))
        self.announce(take_events(settlements), moment)

    def announce(self, events: Sequence[Event], moment: Moment) -> None:
        """Write events to the outbox, and what customers hear of them."""
        if events:
            ordered = sorted(events, key=lambda event: event.stream_id)
            self.outbox.add_events([(self._ids.new("evt"), event) for event in ordered], moment)
            self._announced.extend(events)
            if self._channels:
                self.write_notices(causes_of(events, moment.billing), moment)

    def announce_alerts(self, changed: Sequence[Alert], moment: Moment) -> None:
        """Tell the merchant and the operator's channels that these were opened or closed."""
        self.announce([event_of(each) for each in changed], moment)
        self.alert_changes.write(changed, moment.real)

    def write_notices(self, causes: Sequence[Cause], moment: Moment) -> None:
        """Write one for each cause and channel; known ones stay as they are."""
        named = [(self._ids.new("ntc"), channel, cause) for cause in causes for channel in self._channels]
        if named:
            self.notices.write(named, moment)

    @contextmanager
    def savepoint(self) -> Iterator["SqlUnitOfWork"]:
        """A part of this transaction that is rolled back alone, unless its own `commit` returned."""
        with translated(), self._within(), _Part(self, self._announced) as part:
            yield part

    def commit(self) -> None:
        """Make all changes durable, then log one line per event."""
        self._connection.commit()
        log_events(self._announced)
        self._announced.clear()


class _Part(SqlUnitOfWork):
    """A part of a transaction, between a savepoint and its release."""

    def __init__(self, whole: SqlUnitOfWork, announced: list[Event]) -> None:
        super().__init__(whole._connection, whole._ids, whole._within, whole._channels)  # noqa: SLF001 - a part of it
        self._whole = announced
        self._savepoint = self._connection.begin_nested()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._savepoint.is_active:
            self._savepoint.rollback()

    def commit(self) -> None:
        """Release the savepoint. Only the commit of the whole transaction makes it durable."""
        self._savepoint.commit()
        self._whole.extend(self._announced)
        self._announced.clear()


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of this package instead of the driver's: Busy if nothing was done, else Unavailable."""
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("the database is busy: no connection became free in time") from error
    except (OperationalError, DBAPIError) as error:
        if isinstance(error.orig, HELD):
            raise Busy(f"the database is busy: {first_line(error)}") from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise Unavailable(f"the database does not answer: {first_line(error)}") from error
        raise


@dataclass(frozen=True, slots=True)
class SqlDatabase:
    """The database behind the port."""

    engine: Engine
    ids: Ids
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered before a connection is taken, left after it was given back."""
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered for a part of a transaction, by the thread that runs it. The whole may belong to another thread."""
    channels: Sequence[Channel] = ()
    """By which customers hear of events; without one, no notice is written."""

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        """Begin a transaction; roll it back unless it was committed.

        Raises Unavailable if the database does not answer or ended the session. A lost commit may or may not be
        durable, so callers must never read Unavailable as "not done". Only its subclass Busy means "not done".
        """
        with translated(), self.around(), self.engine.connect() as connection:
            yield SqlUnitOfWork(connection, self.ids, self.within, self.channels)
