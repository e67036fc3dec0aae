"""A clerk, or a runaway? What a clerk does by hand concerns few customers; a program that runs wild concerns many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

WITHIN = timedelta(days=1)
"""What happened within a day is looked at together."""

MOST_BY_HAND = 5
"""Customers: a clerk corrects them one by one, and a small merchant has few."""

MANY = 50
"""Customers: more than that within a day are no clerk's work, however small a share of a big portfolio they are."""

LARGEST_SHARE = 5
"""One in five of the customers, or of the money, of that day."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far something reaches: how many customers, and how much money in minor units by currency."""

    customers: int
    money: Mapping[str, int] = field(default_factory=dict)


def is_runaway(found: Reached, of: Reached) -> bool:
    """Whether what was found, of all that happened in the same time, is a pattern and not single cases.

    Several customers; and a share of the customers, a share of the money, or very many customers.
    """
    if found.customers <= MOST_BY_HAND:
        return False
    if found.customers > MANY or found.customers * LARGEST_SHARE > of.customers:
        return True
    return any(amount * LARGEST_SHARE > of.money.get(currency, 0) for currency, amount in found.money.items())
