"""What Paymentwall's pingbacks told of payments, as the use cases see it."""

from datetime import datetime
from typing import Protocol

from billing_worker.domain.pingback import PingbackPayment


class Pingbacks(Protocol):
    """Payments at Paymentwall, by what their pingbacks said."""

    def start(self, ref: str, uid: str, goodsid: str | None, now: datetime) -> PingbackPayment:
        """The payment with this ref, locked until the end of the transaction; stored as new where it is not known."""

    def save(self, payment: PingbackPayment) -> None:
        """Write the payment back."""

    def newest(self, uid: str, goodsid: str | None) -> PingbackPayment | None:
        """The newest payment of this uid that is not undecided; of this goodsid, where one is given."""
