"""PortOne's schedule as a way to collect: register the next period, compare, revoke, and take what it charged.

The schedule of a period has the order number of its invoice. So both ways share one lock at PortOne, and here the
invoice has at most one open attempt: that of a live schedule, or of a worker.
"""
