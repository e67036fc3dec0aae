"""The checks of `doctor` that do what a worker does, and those of the processes and the receiver."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime

import redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

from billing_worker import bootstrap
from billing_worker.cli.finding import Finding, Verdict, ok
from billing_worker.config import Settings
from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind, Severity
from billing_worker.domain.errors import BillingError, Busy
from billing_worker.domain.operation import Trouble
from billing_worker.domain.presence import Role
from billing_worker.ports.alerts import Alert
from billing_worker.ports.bundle import Ports
from billing_worker.texts.alerts import shown
from billing_worker.usecases.control.rehearse import rehearse
from billing_worker.usecases.reading.operation import Operation, operation

KEY_SECONDS = 60
"""The key of a check that was killed goes by itself."""

CHECKS = {
    AlertKind.NOT_RUNG: "beat",
    AlertKind.NO_WORKER: "workers",
    AlertKind.QUEUE_UNSERVED: "workers",
    AlertKind.PROCESS_SILENT: "processes",
    AlertKind.WORK_WAITS: "due work",
    AlertKind.NO_NOTIFICATIONS: "notifications",
}

_HOLDER = (
    "end the session that holds it: SELECT pid, application_name, xact_start FROM pg_stat_activity"
    " WHERE state = 'idle in transaction' ORDER BY xact_start"
)
_REFUSALS: Sequence[tuple[type[Exception], str]] = (
    (OutOfMemoryError, "give Redis more memory (maxmemory), or see what fills it: redis-cli --bigkeys"),
    (ReadOnlyError, "name the master in BILLING_BROKER_URL: this is a replica"),
    (NoPermissionError, "allow this user all commands on the keys billing:*"),
    (Exception, "see the log of Redis: its disk may be full"),
)


def database_writes(ports: Ports) -> Iterator[Finding]:
    """Check that a worker can take its locks and write."""
    try:
        rehearse(ports)
    except Busy as error:
        yield Finding("transaction", Verdict.FAIL, f"the lock of charges cannot be had: {error}", _HOLDER)
    except BillingError as error:
        yield Finding("transaction", Verdict.FAIL, f"no worker can write: {error}", "docs/postgresql.md; see its log")
    else:
        yield ok("transaction", "takes the lock of charges, locks a row and writes; all was rolled back")


def broker_writes(settings: Settings) -> Iterator[Finding]:
    """Check that the broker takes a message and gives it back: under a key of its own, which is removed."""
    key = f"billing:doctor:{secrets.token_hex(8)}"
    try:
        with bootstrap.redis_client(settings) as client:
            try:
                client.lpush(key, "a ring")
                client.expire(key, KEY_SECONDS)
                came = client.rpop(key)
            finally:
                client.delete(key)
    except (redis.RedisError, OSError) as error:
        line = str(error).splitlines()[0]
        way_out = next(way for kind, way in _REFUSALS if isinstance(error, kind))
        yield Finding("broker messages", Verdict.FAIL, f"Redis takes no message: {line}", way_out)
        return
    if came is None:
        detail = "a message was gone before it could be taken: Redis drops what it is given"
        yield Finding("broker messages", Verdict.FAIL, detail, "redis-cli CONFIG SET maxmemory-policy noeviction")
    else:
        yield ok("broker messages", "takes a message and gives it back")


def processes(settings: Settings, ports: Ports) -> Iterator[Finding]:
    """Name processes that are missing or silent, and work that waits for them. Raises Unavailable."""
    found = operation(ports)
    troubled = set()
    for trouble in found.troubles:
        check = CHECKS[trouble.kind]
        troubled.add(check)
        yield _finding(settings, trouble, check, found.moment.billing)
    now, observed = found.moment.real, found.observed
    alive = {role: [p for p in observed.of(role) if not p.is_silent(now, ports.watching)] for role in Role}
    if "workers" not in troubled:
        since = _ago(observed.last_work(), now)
        yield ok("workers", f"{len(alive[Role.WORKER])} take from every queue; the last work was taken {since}")
    if "beat" not in troubled:
        yield ok("beat", f"the last ring was {_ago(observed.last_ring(), now)}")
    if "processes" not in troubled:
        count = {role: len(each) for role, each in alive.items()}
        yield ok("processes", ", ".join(f"{role}: {number}" for role, number in count.items()) + "; none is silent")
    if "due work" not in troubled:
        yield ok("due work", "is begun, held by a stop, or there is none")
    yield from _receiver(found)


def _receiver(found: Operation) -> Iterator[Finding]:
    for source in found.observed.sources:
        if source.came:
            yield ok("notifications", f"{source.name}: some came within 24 h")
        elif not any(each.kind is AlertKind.NO_NOTIFICATIONS for each in found.troubles):
            yield ok("notifications", f"{source.name}: none came within 24 h, and {source.paid} charges were paid")
    if found.refused:
        counts = ", ".join(f"{source} {reason} {count}" for source, reason, count in found.refused)
        way_out = "docs/receiver.md says what each reason means"
        yield Finding("refused notifications", Verdict.WARN, f"within 24 h: {counts}", way_out)
    else:
        yield ok("refused notifications", "none within 24 h")


def _finding(settings: Settings, trouble: Trouble, check: str, now: datetime) -> Finding:
    """The trouble in the words of its alert."""
    words = shown(Alert(0, trouble.kind, trouble.subject, trouble.facts, now), settings.language)
    is_new = trouble.facts.get("case") == "missing" and trouble.facts.get("since") is None
    is_critical = RULES[trouble.kind].severity is Severity.CRITICAL and not is_new
    return Finding(check, Verdict.FAIL if is_critical else Verdict.WARN, words.detail, words.proposal)


def _ago(at: datetime | None, now: datetime) -> str:
    return "not within the last hour" if at is None else f"{max(0.0, (now - at).total_seconds()):.0f} s ago"
