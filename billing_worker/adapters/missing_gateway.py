"""The gateway of processes that never charge, if none is configured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.payment import ChargeRequest, Failed, Outcome
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.ports.outside import Listing, Sheet


@dataclass(frozen=True, slots=True)
class MissingGateway:
    """Refuses every call with the reason, and places no charge."""

    reason: str

    def charge(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002 - the port's signature
        """Not placed."""
        return Failed(self.reason)

    def cancel(self, request: RefundRequest) -> RefundAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def payment(self, imp_uid: str) -> Listing:  # noqa: ARG002 - the port's signature
        """Not read."""
        return Listing((), self.reason)

    def shows(self, imp_uid: str) -> bool:  # noqa: ARG002 - the port's signature
        """Not read."""
        return False

    def payments_of(self, merchant_uid: str) -> Listing:  # noqa: ARG002 - the port's signature
        """Not read."""
        return Listing((), self.reason)

    def payments_of_key(self, customer_uid: str) -> Listing:  # noqa: ARG002 - the port's signature
        """Not read."""
        return Listing((), self.reason)

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:  # noqa: ARG002 - the port's signature
        """Not read."""
        yield Sheet(trouble=self.reason)

    def knows_key(self, customer_uid: str) -> bool | None:  # noqa: ARG002 - the port's signature
        """Not asked."""
        return None
