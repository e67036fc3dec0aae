"""What is true at the gateway: payments, keys, Paymentwall's reviews, and how each charge behaves.

The books are written through a journal, so that they outlive the process. The world knows no HTTP route, and never
sends anything itself: it plans what `sending` sends.
"""
