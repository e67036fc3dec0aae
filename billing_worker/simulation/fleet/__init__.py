"""The processes of one merchant and what lies between them: virtual time, the dice, the broker, the gateway's network.

Beats ring, workers serve the table of jobs, receivers store notifications, and each of them may die at any step. The
gateway's ledger is here, too. A fleet never decides what customers do, and never judges what it did.
"""
