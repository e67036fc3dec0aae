"""How much may be charged before an operator must look: limits against our own mistakes, not against customers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import EXPONENTS

RUN = timedelta(hours=1)
DAY = timedelta(hours=24)
"""Both windows are rolling windows in billing time."""

DEFAULT_JUMP = 3
LONGEST_SUM = 15
"""Digits: PostgreSQL can add up such sums without overflow."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits in minor units by currency. A currency that is not listed has no limit."""

    run: Mapping[str, int] = field(default_factory=dict)
    """The sum of all charges within an hour."""
    count: int | None = None
    """The number of charges within an hour."""
    customer_day: Mapping[str, int] = field(default_factory=dict)
    """The sum of all charges to one customer within 24 hours."""
    jump: int = DEFAULT_JUMP
    """An invoice above this many times the last paid one of its subscription is held; 0: never."""

    def jumps(self, amount: int, last_paid: int | None) -> bool:
        """Whether the amount is suspiciously far above the last one."""
        return bool(self.jump and last_paid is not None and amount > self.jump * last_paid)

    def limits_the_run(self, currency: str) -> bool:
        """Whether an hourly limit applies to a charge in this currency."""
        return self.count is not None or currency in self.run


def parse_sums(text: str) -> dict[str, int]:
    """Parse `KRW=50000000,USD=2000000`: minor units by currency. An empty text sets no limit. Raises InvalidInput."""
    sums: dict[str, int] = {}
    for part in text.split(",") if text else ():
        currency, _, amount = (word.strip() for word in part.partition("="))
        number = int(amount) if amount.isascii() and amount.isdigit() and len(amount) <= LONGEST_SUM else 0
        if currency not in EXPONENTS or currency in sums or not number:
            problem = "must be minor units by currency, each once, such as KRW=50000000,USD=2000000"
            raise InvalidInput("sums", text, problem)
        sums[currency] = number
    return sums
