"""The state of the gateway: payments, keys, Paymentwall's reviews, and the behaviour of each charge.

The books are written through a journal, so that they survive the process. The world has no HTTP route, and never sends
by itself: it plans the requests of `sending`.
"""
