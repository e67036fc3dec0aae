"""The bundle of all ports: the first argument of a use case, and its only way to the outside."""

from dataclasses import dataclass, field

from billing_worker.domain.action import WORKER
from billing_worker.domain.budget import Budgets
from billing_worker.domain.notification import InboxRules
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.presence import Watching
from billing_worker.domain.retention import Retention
from billing_worker.domain.timing import Timing
from billing_worker.ports.alert_digest import Alerting
from billing_worker.ports.calls import Calls
from billing_worker.ports.hourly import TimesCalls
from billing_worker.ports.notices import Noticing
from billing_worker.ports.outgoing import Delivering, Notifier
from billing_worker.ports.outside import Clock, Gateway, Ids
from billing_worker.ports.storage import Database


@dataclass(frozen=True, slots=True)
class Auditing:
    """How the periodic audit runs."""

    interval: float = 300.0
    """Real seconds between two audits."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that must not be in the database."""
    rate: float = 1.0
    """Seconds of billing time per real second: more than 1 only with a time machine."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of a use case."""

    clock: Clock
    ids: Ids
    database: Database
    gateway: Gateway
    notifier: Notifier | None
    timing: Timing
    environment: str
    """The first characters of every merchant_uid, so that two environments of one merchant never share an id."""
    calls: Calls | None = None
    """Makes many calls at a time. None: one after the other, in the thread of the caller."""
    timed: TimesCalls | None = None
    """How long the calls of this process took. None: that is not known."""
    catch_up_rate: int = 0
    """Late charges that start per minute; 0 is no limit."""
    pg_limits: PgLimits = field(default_factory=PgLimits)
    """The limits of PGs on charges."""
    account: str = ""
    """The gateway's host and a short digest of the API key: the account that this process charges through."""
    budgets: Budgets = field(default_factory=Budgets)
    auditing: Auditing = field(default_factory=Auditing)
    delivering: Delivering = field(default_factory=Delivering)
    inbox: InboxRules = field(default_factory=InboxRules)
    retention: Retention = field(default_factory=Retention)
    noticing: Noticing | None = None
    """How customers are told; None: they hear nothing, and nothing is written."""
    watching: Watching = field(default_factory=Watching)
    alerting: Alerting | None = None
    """How the operator is told of alerts; None: only by events, the API and the command line."""
    scan_limit: int = 500
    """The most ids that one scan returns."""
    card_entry: bool = False
    """Whether this installation takes card data (BILLING_CARD_ENTRY)."""
    shadow: bool = False
    """Whether this installation charges nothing, and only decides beside another biller (BILLING_SHADOW)."""
    actor: str = WORKER
    """The author of changes: `worker`, `cli:USER` or `token:NAME`. It is stored with each action."""
