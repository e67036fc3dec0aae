"""The controls on charging: stops, the claimed environment, budgets, the pace of late work, and alerts.

It uses stops, claims of the environment, sums of charges, buckets and alerts. It never calls the gateway and never
changes the state of an invoice.
"""
