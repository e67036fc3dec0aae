"""The processes of one merchant, and the parts between them: virtual time, the dice, the broker, the gateway's network.

Beats ring, workers serve the table of jobs, receivers store notifications, and each of them may die at any step. The
gateway's ledger is also here. A fleet never decides for customers, and never judges its own results.
"""
