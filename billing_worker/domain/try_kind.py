"""The kinds of tries to collect an invoice. Their shares of declines differ, so each is compared with its like only."""

from enum import StrEnum


class TryKind(StrEnum):
    """Why an attempt was begun."""

    FIRST = "first"
    """No charge of the invoice was declined before."""
    RETRY = "retry"
    """Dunning tries again, on any card."""
    BY_HAND = "by_hand"
    """An operator or a customer asked for it after a decline, or it is a win-back."""


def kind_of_try(*, by_hand: bool, declined: bool) -> TryKind:
    """The kind of the next try of an invoice. One asked for by hand before any decline is a first one."""
    if not declined:
        return TryKind.FIRST
    return TryKind.BY_HAND if by_hand else TryKind.RETRY
