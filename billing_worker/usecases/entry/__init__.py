"""Card data on their way to the gateway, and keys on their way out of it.

Each call has three acts, as a charge has: commit the intent, make one call, commit the result. It writes keys and the
calls about them, moves subscriptions to another key, stores a payment together with the call that issues its key, gives
up the payments on a key that was never stored, and is the only caller of `gateway.issue_key` and `gateway.delete_key`.
It never stores a part of a card, never hands one to a queue, and never places a charge.
"""
