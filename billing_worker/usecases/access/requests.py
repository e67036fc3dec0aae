"""One request, one effect: what a request with an Idempotency-Key did, and what it was answered, is kept together.

The whole request runs in one transaction. Use cases open theirs as always and get a savepoint of it; so their effect
becomes durable in the same commit as the answer, or not at all. After a crash the same request finds either nothing,
and runs, or its answer, and gets that. Follows the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Self

from billing_worker.domain.errors import BillingError
from billing_worker.ports.bundle import Ports
from billing_worker.ports.requests import KeptAnswer
from billing_worker.ports.storage import UnitOfWork

KEPT_FOR = timedelta(days=30)
"""After this an answer is swept, and its key is as good as new."""


class RequestUnderWay(BillingError):
    """The first request with this key is still being served."""


class KeyReused(BillingError):
    """The key stands for another request already."""


class OneEffect:
    """A request under way. Ends with `keep`, or with `abandon`, which undoes all of it."""

    def __init__(self, ports: Ports, key: str, fingerprint: str, uow: UnitOfWork) -> None:
        self._real, self.key, self._fingerprint, self._uow = ports, key, fingerprint, uow
        self._ends = ExitStack()
        self.kept: KeptAnswer | None = None
        """The answer that was given before; then there is nothing to do."""

    @classmethod
    def begin(cls, ports: Ports, key: str, fingerprint: str) -> Self:
        """Claim the key. Raises RequestUnderWay, KeyReused, or Unavailable."""
        with ExitStack() as opened:
            # An error leaves through the transaction, which alone tells a server that went away from our own mistakes.
            uow = opened.enter_context(ports.database.transaction())
            request = cls(ports, key, fingerprint, uow)
            request._look_up()
            request._ends = opened.pop_all()
        return request

    @property
    def ports(self) -> Ports:
        """What the request's use cases work with."""
        return replace(self._real, database=_Within(self._uow))

    def keep(self, status: int, content_type: str, body: bytes) -> None:
        """Make effect and answer durable. Raises Unavailable; then nobody knows, and the same request may be sent."""
        now = self._real.clock.moment().real
        answer = KeptAnswer(self.key, self._fingerprint, status, content_type, body, now)
        with self._ends:
            self._uow.kept_answers.add(answer)
            self._uow.commit()

    def abandon(self) -> None:
        """Undo everything."""
        self._ends.close()

    def _look_up(self) -> None:
        if not self._uow.kept_answers.take(self.key):
            raise RequestUnderWay("the first request with this Idempotency-Key is still being served")
        kept = self._uow.kept_answers.find(self.key)
        if kept is not None and kept.fingerprint != self._fingerprint:
            raise KeyReused("this Idempotency-Key stands for another method, address or body; take a new one")
        self.kept = kept


class _Within:
    """A database whose transactions are parts of one."""

    def __init__(self, whole: UnitOfWork) -> None:
        self._whole = whole

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        """A part that is undone alone, unless it was committed."""
        return self._whole.savepoint()
