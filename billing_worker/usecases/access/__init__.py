"""Who asks, and what was asked: tokens of the API, the log of actions, and answers that are kept for a repeat.

It touches tokens, actions and kept answers. It never decides anything about billing.
"""
