"""A payment that a merchant asks for without a period."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SinglePayment:
    """What a merchant asked to charge without a period. It has what a subscription and its plan have otherwise."""

    customer: str
    """The merchant's own id of the customer."""
    name: str
    """The product's name that PortOne shows."""
    at: datetime
    """When it is to be charged: billing time, aware UTC."""
