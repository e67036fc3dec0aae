"""Whether a charge may begin: stops, the claimed environment, budgets, the pace of late work, and alerts.

It touches stops, claims of the environment, sums of what was charged, buckets and alerts. It never calls the gateway
and never changes the state of an invoice.
"""
