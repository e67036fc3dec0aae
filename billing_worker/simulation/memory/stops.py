"""Stops, the claim of the database, and recent charges, in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.environment import Fingerprint
from billing_worker.domain.invoice import AttemptStatus, PaymentAttempt
from billing_worker.domain.stop import LONGEST_REASON, Stop, StopCause, scopes_of
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import Entry, GuardBroken, Table, either
from billing_worker.simulation.memory.unserved import Unserved


class MemoryStops(Table[Stop]):
    """Stops."""

    kind, entity = "stop", Stop

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self._number = 0
        self.open_ids: dict[tuple[str, StopCause], int] = {}

    def guard(self, before: Stop | None, after: Stop) -> None:  # noqa: ARG002 - one interface
        """Check: one open stop per scope and cause; a closed one has a note."""
        if (after.closed_at is None) != (after.note is None):
            raise GuardBroken(f"stop {after.id} was closed at {after.closed_at}: {after.note}")
        if after.is_open and self.open_ids.get((after.scope, after.cause), after.id) != after.id:
            raise GuardBroken(f"{after.scope} is stopped twice ({after.cause})")

    def watch(self, before: Stop | None, after: Stop | None) -> None:
        """Index stops by scope and cause while open, and plan the invoices and schedules that depend on them."""
        row = either(before, after)
        if after is not None and after.is_open:
            self.open_ids[row.scope, row.cause] = row.id
        else:
            self.open_ids.pop((row.scope, row.cause), None)
        for own in list(self._rows.invoices.open_by_owner.values()):
            for invoice_id in own:
                self._rows.replan(invoice_id)
        self._rows.schedules.plan_all()

    def open(self, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], now: datetime) -> Stop:
        """Stop charging in a scope. If it is already stopped for this cause, renew its reason and add the subjects.

        The reason of a breach is added too: an operator who clears the stop accepts all breaches, and must have read
        them.
        """
        known = self.open_ids.get((scope, cause))
        if known is None:
            self._number += 1
            self.add(Stop(self._number, scope, cause, reason, list(subjects), now))
            return self.get(self._number)
        stop = self.get(known)
        if cause is StopCause.BREACH and stop.reason not in reason:
            reason = stop.reason if reason in stop.reason else f"{stop.reason}; {reason}"[:LONGEST_REASON]
        stop.reason, stop.subjects = reason, sorted({*stop.subjects, *subjects})
        self.save(stop)
        return stop

    def list_open(self) -> Sequence[Stop]:
        """Open stops, oldest first."""
        return [self.get(ident) for ident in sorted(self.open_ids.values())]

    def holding(self, owner_id: str, pg_provider: str) -> Sequence[Stop]:
        """Open stops that hold the charges of this subscription, or single payment, on a key of this PG."""
        if not self.open_ids:
            return ()
        scopes = scopes_of(owner_id, pg_provider)
        return [stop for stop in self.list_open() if stop.scope in scopes]

    def is_open(self, scope: str, cause: StopCause) -> bool:
        """Whether charging is stopped in this scope for this cause."""
        return (scope, cause) in self.open_ids

    def cleared_at(self, scope: str, cause: StopCause) -> datetime | None:
        """When an operator last cleared a stop in this scope."""
        here = (row.closed_at for row in self.rows.values() if (row.scope, row.cause) == (scope, cause))
        return max((when for when in here if when is not None), default=None)

    def waiting(self, scope: str, now: datetime) -> int:
        """The number of invoices in this scope that are due but not started."""
        others = self._rows
        waits = 0
        for own in others.invoices.open_by_owner.values():
            for row in (others.invoices.rows[ident] for ident in own):
                pg = others.keys.rows[row.billing_key_id].pg_provider
                here = scope in scopes_of(row.owner_id, pg)
                waits += here and row.is_due(now) and row.id not in others.attempts.open_of
        return waits

    def wait_for_begun(self) -> None:
        """Do not wait: a transaction runs alone."""

    accepted: Any = Unserved()


class MemoryEnvironment:
    """The claim on this database."""

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        self._rows = rows
        self._claims = ClaimTable(journal)

    def here_and_claimed(self) -> tuple[str, Fingerprint | None]:
        """The identity of the database, of which a run has one without copies, and the claim that is in force."""
        newest = next(reversed(self._claims.rows.values()), None)
        return "memory/1/1", None if newest is None else newest.fingerprint

    def claimed_again_at(self) -> datetime | None:
        """Billing time of the claim in force; None for the first one, which no database came before."""
        claims = list(self._claims.rows.values())
        return claims[-1].claimed_at if len(claims) > 1 else None

    def elsewhere(self) -> bool:
        """Whether this is another database than the claimed one; False without a claim."""
        here, claimed = self.here_and_claimed()
        return claimed is not None and claimed.database != here

    def claim_first(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Claim a database that has no claim and no charges; else change nothing."""
        if not self._claims.rows and not self._rows.attempts.rows:
            self.claim(fingerprint, now)

    def claim(self, fingerprint: Fingerprint, now: datetime) -> None:
        """Put this claim in force."""
        self._claims.add(KeptClaim(len(self._claims.rows) + 1, fingerprint, now))


@dataclass(slots=True)
class KeptClaim:
    """One claim."""

    id: int
    fingerprint: Fingerprint
    claimed_at: datetime


class ClaimTable(Table[KeptClaim]):
    """Claims, the newest in force."""

    kind, entity = "claim", KeptClaim


class MemorySpending:
    """Recent charges."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def lost_keys(self, since: datetime) -> tuple[int, int]:
        """Keys that the gateway refused without a payment, and all keys charged since then."""
        closed = [row for row in self._begun(since) if not row.is_open and row.status is not AttemptStatus.FAILED]
        lost = {row.billing_key_id for row in closed if row.decline_kind == "hard" and row.imp_uid is None}
        return len(lost), len({row.billing_key_id for row in closed})

    def uses_of_key(self, key_id: str, since: datetime) -> int:
        """Charges of this key begun since then that were made, or may have been."""
        used = (AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN, AttemptStatus.APPROVED)
        own = (row for row in self._rows.attempts.rows.values() if row.billing_key_id == key_id)
        return sum(row.started_at >= since and row.status in used for row in own)

    def _begun(self, since: datetime) -> Iterator[PaymentAttempt]:
        return (row for row in self._rows.attempts.rows.values() if row.started_at > since)

    since: Any = Unserved()
    of_customer: Any = Unserved()
