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
from billing_worker.texts.words import Words
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
    "SELECT pid, application_name, xact_start FROM pg_stat_activity"
    " WHERE state = 'idle in transaction' ORDER BY xact_start"
)
_REFUSALS: Sequence[tuple[type[Exception], str]] = (
    (OutOfMemoryError, "memory"),
    (ReadOnlyError, "replica"),
    (NoPermissionError, "permission"),
    (Exception, "log"),
)


def database_writes(ports: Ports, words: Words) -> Iterator[Finding]:
    """Check that a worker can take its locks and write."""
    try:
        rehearse(ports)
    except Busy as error:
        detail, way_out = "doctor.transaction.busy", words.say("doctor.transaction.holder", statement=_HOLDER)
        yield Finding("transaction", Verdict.FAIL, words.say(detail, error=error), way_out)
    except BillingError as error:
        detail, way_out = "doctor.transaction.refused", words.say("doctor.transaction.see")
        yield Finding("transaction", Verdict.FAIL, words.say(detail, error=error), way_out)
    else:
        yield ok("transaction", words.say("doctor.transaction"))


def broker_writes(settings: Settings, words: Words) -> Iterator[Finding]:
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
        detail = words.say("doctor.messages.refused", error=str(error).splitlines()[0])
        way_out = next(way for kind, way in _REFUSALS if isinstance(error, kind))
        yield Finding("broker messages", Verdict.FAIL, detail, words.say(f"doctor.messages.{way_out}"))
        return
    if came is None:
        detail = words.say("doctor.messages.gone")
        yield Finding("broker messages", Verdict.FAIL, detail, "redis-cli CONFIG SET maxmemory-policy noeviction")
    else:
        yield ok("broker messages", words.say("doctor.messages"))


def processes(settings: Settings, ports: Ports, words: Words) -> Iterator[Finding]:
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
        ago = _ago(observed.last_work(), now, words)
        yield ok("workers", words.say("doctor.workers", count=len(alive[Role.WORKER]), ago=ago))
    if "beat" not in troubled:
        yield ok("beat", words.say("doctor.beat", ago=_ago(observed.last_ring(), now, words)))
    if "processes" not in troubled:
        counts = ", ".join(f"{role}: {len(each)}" for role, each in alive.items())
        yield ok("processes", words.say("doctor.processes", counts=counts))
    if "due work" not in troubled:
        yield ok("due work", words.say("doctor.due_work"))
    yield from _receiver(found, words)


def _receiver(found: Operation, words: Words) -> Iterator[Finding]:
    for source in found.observed.sources:
        if source.came:
            yield ok("notifications", words.say("doctor.notifications", source=source.name))
        elif not any(each.kind is AlertKind.NO_NOTIFICATIONS for each in found.troubles):
            none = words.say("doctor.notifications.none", source=source.name, paid=source.paid)
            yield ok("notifications", none)
    if found.refused:
        counts = ", ".join(f"{source} {reason} {count}" for source, reason, count in found.refused)
        detail, way_out = words.say("doctor.refused.some", counts=counts), words.say("doctor.refused.way")
        yield Finding("refused notifications", Verdict.WARN, detail, way_out)
    else:
        yield ok("refused notifications", words.say("doctor.refused"))


def _finding(settings: Settings, trouble: Trouble, check: str, now: datetime) -> Finding:
    """The trouble in the words of its alert."""
    words = shown(Alert(0, trouble.kind, trouble.subject, trouble.facts, now), settings.language)
    is_new = trouble.facts.get("case") == "missing" and trouble.facts.get("since") is None
    is_critical = RULES[trouble.kind].severity is Severity.CRITICAL and not is_new
    return Finding(check, Verdict.FAIL if is_critical else Verdict.WARN, words.detail, words.proposal)


def _ago(at: datetime | None, now: datetime, words: Words) -> str:
    if at is None:
        return words.say("doctor.long_ago")
    return words.say("doctor.ago", seconds=f"{max(0.0, (now - at).total_seconds()):.0f}")
