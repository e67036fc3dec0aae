"""The gateway of processes that never charge, if none is configured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.card_entry import Card, DeleteAnswer, IssueAnswer, IssueRequest
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.outside import KeyReading, Listing, Sheet


@dataclass(frozen=True, slots=True)
class MissingGateway:
    """Refuses every call with the reason, and places no charge."""

    reason: str

    def charge(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002 - the port's signature
        """Not placed."""
        return Failed(self.reason)

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:  # noqa: ARG002 - the port's signature
        """Not placed."""
        return Failed(self.reason)

    def issue_key(self, request: IssueRequest) -> IssueAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def cancel(self, request: RefundRequest) -> RefundAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:  # noqa: ARG002 - the port's signature
        """Not sent."""
        return Failed(self.reason)

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:  # noqa: ARG002 - the port's signature
        """Not read."""
        return ScheduleReading(trouble=self.reason)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:  # noqa: ARG002 - the port's signature
        """Not read."""
        return ScheduleListing(trouble=self.reason)

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:  # noqa: ARG002 - the port's signature
        """Not read."""
        return ScheduleListing(trouble=self.reason)

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

    def read_key(self, customer_uid: str) -> KeyReading:  # noqa: ARG002 - the port's signature
        """Not read."""
        return KeyReading(trouble=self.reason)
