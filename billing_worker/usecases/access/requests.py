"""One request, one effect: the effect and the answer of a request with an Idempotency-Key are stored together.

The whole request runs in one transaction. Use cases open their transactions as always and get savepoints of it, so one
commit makes effect and answer durable together, or neither. After a crash, a repeat either runs, or gets the stored
answer. Follows the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Self

from billing_worker.domain.errors import BillingError
from billing_worker.ports.bundle import Ports
from billing_worker.ports.requests import KeptAnswer
from billing_worker.ports.storage import UnitOfWork


class RequestUnderWay(BillingError):
    """The first request with this key is still being served."""


class KeyReused(BillingError):
    """The key already stands for another request."""


class OneEffect:
    """A request under way. Ends with `keep`, or with `abandon`, which rolls it back."""

    def __init__(self, ports: Ports, key: str, fingerprint: str, uow: UnitOfWork) -> None:
        self._real, self.key, self._fingerprint, self._uow = ports, key, fingerprint, uow
        self._ends = ExitStack()
        self.kept: KeptAnswer | None = None
        """The first answer, if this is a repeat."""

    @classmethod
    def begin(cls, ports: Ports, key: str, fingerprint: str) -> Self:
        """Claim the key. Raises RequestUnderWay, KeyReused, or Unavailable."""
        with ExitStack() as opened:
            # Pass an error through the transaction, which distinguishes a lost server from our own mistakes.
            uow = opened.enter_context(ports.database.transaction())
            request = cls(ports, key, fingerprint, uow)
            request._look_up()
            request._ends = opened.pop_all()
        return request

    @property
    def ports(self) -> Ports:
        """The ports for the request's use cases."""
        return replace(self._real, database=_Within(self._uow))

    def keep(self, status: int, content_type: str, body: bytes) -> None:
        """Make effect and answer durable.

        Raises Unavailable: the outcome is then unknown, and the request may be repeated.
        """
        now = self._real.clock.moment().real
        answer = KeptAnswer(self.key, self._fingerprint, status, content_type, body, now)
        with self._ends:
            self._uow.kept_answers.add(answer)
            self._uow.commit()

    def abandon(self) -> None:
        """Roll everything back."""
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
        """A part that is rolled back alone, unless it was committed."""
        return self._whole.savepoint()
