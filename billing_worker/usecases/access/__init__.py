"""Access: tokens of the API, the log of actions, and kept answers for repeated requests.

It touches tokens, actions and kept answers. It makes no decision about billing.
"""
