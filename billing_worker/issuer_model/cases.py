"""Declined invoices of a merchant that does not exist: dates, hours and sums as Korean subscriptions have them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from billing_worker.domain.pg_limits import SEOUL
from billing_worker.issuer_model.holder import draw_declined
from billing_worker.issuer_model.parameters import Parameters
from billing_worker.issuer_model.trial import Case

START = datetime(2026, 1, 1, tzinfo=SEOUL)
YEARS = timedelta(days=2 * 365)
FIRSTS = 0.2
"""Share of merchants' charges on the first of a month (assumption); the others fall on every day alike."""
HOURS = (0, 1, 6, 9, 9, 10, 10, 11, 14, 18)
"""Hours of charges: at midnight, in the morning, and when the customer subscribed (assumption)."""
AMOUNTS = ((4_900, 3), (9_900, 8), (14_900, 6), (19_900, 4), (29_000, 4), (49_000, 2), (99_000, 1))
"""Sums in won with their weights (assumption)."""


def cases(parameters: Parameters, seed: int, count: int) -> Iterator[Case]:
    """So many declined invoices; the same seed gives the same ones."""
    chance = Random(seed)  # noqa: S311 - a model
    sums, weights = zip(*AMOUNTS, strict=True)
    for number in range(count):
        day = START + timedelta(days=chance.randrange(YEARS.days))
        if chance.random() < FIRSTS:
            day = day.replace(day=1)
        at = (day + timedelta(hours=chance.choice(HOURS), minutes=chance.randrange(60))).astimezone(UTC)
        holder = draw_declined(parameters, chance, at)
        amount = chance.choices(sums, weights)[0]
        yield Case(f"{seed}-{number}", holder, at, amount, chance.getrandbits(48))
