"""Paymentwall's pingbacks: their signature and their meaning."""

from billing_worker.adapters.paymentwall.names import Names
from billing_worker.adapters.paymentwall.pingback import Pingback, verify
from billing_worker.adapters.paymentwall.policy import accept

__all__ = ["Names", "Pingback", "accept", "verify"]
