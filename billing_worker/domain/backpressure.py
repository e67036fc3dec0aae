"""What a full queue takes: the rules that keep it short. None needs a record that could be lost with the queue.

A message is worth nothing after its claim: its ids are offered again then. So a queue that is longer than what the
workers serve within a claim holds mostly messages that are thrown away, and everything behind them waits as long.
"""

from collections.abc import Callable

STEP = 50
"""Ids claimed with one transaction, and enqueued before more are claimed."""


def is_heard(waiting: int, scans: int) -> bool:
    """Whether the queue of scans takes another ring: not while one of each waits, since that one finds the same."""
    return waiting < scans


def room(waiting: int, most: int) -> int:
    """The number of messages to add: up to `most` altogether, but none before half of them are taken."""
    return most - waiting if waiting <= most // 2 else 0


def fill(left: int, until: float, offer: Callable[[int], int], monotonic: Callable[[], float]) -> None:
    """Offer up to `left` ids in steps, until this time of the clock: a slow process claims only what it can enqueue.

    Without room too, one step asks for none: a scan may have other duties than to claim.
    """
    while True:
        step = min(left, STEP)
        found = offer(step)
        left -= found
        if found < STEP or left < 1 or monotonic() >= until:
            return
