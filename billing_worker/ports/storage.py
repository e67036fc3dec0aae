"""The database, as use cases see it: transactions with the records of every subject."""

from contextlib import AbstractContextManager
from typing import Protocol

from billing_worker.ports.access import AccessRecords
from billing_worker.ports.alert_digest import AlertMessageRecords
from billing_worker.ports.alerts import AlertRecords
from billing_worker.ports.card_sessions import CardSessionRecords
from billing_worker.ports.charging import ChargingRecords
from billing_worker.ports.control import ControlRecords
from billing_worker.ports.dunning import DunningRecords
from billing_worker.ports.fallbacks import FallbackRecords
from billing_worker.ports.forgetting import ForgettingRecords
from billing_worker.ports.incoming import IncomingRecords
from billing_worker.ports.keys import KeyRecords
from billing_worker.ports.lists import ListRecords
from billing_worker.ports.notices import NoticeRecords
from billing_worker.ports.outgoing import OutgoingRecords
from billing_worker.ports.presence import PresenceRecords
from billing_worker.ports.refunds import RefundRecords
from billing_worker.ports.requests import RequestRecords
from billing_worker.ports.review import ReviewRecords
from billing_worker.ports.schedules import ScheduleRecords
from billing_worker.ports.shadow import ShadowRecords


class UnitOfWork(
    ChargingRecords,
    DunningRecords,
    KeyRecords,
    FallbackRecords,
    CardSessionRecords,
    ScheduleRecords,
    ShadowRecords,
    RefundRecords,
    ControlRecords,
    IncomingRecords,
    OutgoingRecords,
    NoticeRecords,
    AlertRecords,
    AlertMessageRecords,
    ReviewRecords,
    AccessRecords,
    RequestRecords,
    ForgettingRecords,
    ListRecords,
    PresenceRecords,
    Protocol,
):
    """One database transaction. Leaving its `with` block without `commit` rolls back.

    A helper that needs the records of one subject declares it: `uow: KeyRecords`.
    """

    def savepoint(self) -> AbstractContextManager["UnitOfWork"]:
        """A part of this transaction that is rolled back alone, unless its own `commit` returned."""

    def commit(self) -> None:
        """Make all changes durable, or raise Unavailable."""


class Database(Protocol):
    """The database: the source of truth."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction. Raises Unavailable when the database does not answer."""
