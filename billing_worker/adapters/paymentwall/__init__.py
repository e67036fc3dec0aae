"""Paymentwall's pingbacks: is this really from Paymentwall, and what does it say?"""

from billing_worker.adapters.paymentwall.pingback import Pingback, verify

__all__ = ["Pingback", "verify"]
