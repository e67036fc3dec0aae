"""Distinguish a clerk from a runaway: a clerk's manual work affects few customers, a program out of control many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

WITHIN = timedelta(days=1)
"""All events within a day are judged together."""

MOST_CUSTOMERS_BY_HAND = 5
"""Customers: a clerk corrects them one by one, and a small merchant has few."""

MANY_CUSTOMERS = 50
"""Customers: more than this within a day is no clerk's work, even if it is a small share of a big portfolio."""

LARGEST_SHARE = 5
"""One in five of the customers, or of the money, of that day."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The extent of an event: the number of customers, and the money in minor units by currency."""

    customers: int
    money: Mapping[str, int] = field(default_factory=dict)


def is_runaway(found: Reached, of: Reached) -> bool:
    """Whether the findings, among all events of the same time, are a pattern and not single cases.

    A pattern has several customers, and a large share of the customers or of the money, or very many customers.
    """
    if found.customers <= MOST_CUSTOMERS_BY_HAND:
        return False
    if found.customers > MANY_CUSTOMERS or found.customers * LARGEST_SHARE > of.customers:
        return True
    return any(amount * LARGEST_SHARE > of.money.get(currency, 0) for currency, amount in found.money.items())
