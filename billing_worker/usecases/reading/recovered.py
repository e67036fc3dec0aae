"""What dunning recovered, and whether one policy recovers more than another."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.dunning.recovered import RIPE, CardAnswer, Side, added_up, compared
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.shares import FEWEST
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.reading.views.recovered import ComparisonView, RecoveredView


def recovered_by(ports: Ports, side: Side, since: datetime, until: datetime, timezone: str) -> Sequence[RecoveredView]:
    """Declined invoices that were made in this span, added up by this side. Raises InvalidInput for no span."""
    if until <= since:
        raise InvalidInput("until", until.isoformat(), f"is not after {since.isoformat()}, when the span begins")
    with ports.database.transaction() as uow:
        lines = added_up(uow.books.declined(since, until, timezone), side)
    return [
        RecoveredView(
            value=line.value,
            currency=line.currency,
            attempted=line.attempted,
            recovered=line.recovered,
            open=line.open,
            share=round(line.share.value, 4),
            share_low=round(line.share.interval[0], 4),
            share_high=round(line.share.interval[1], 4),
            attempted_amount=line.attempted_amount,
            recovered_amount=line.recovered_amount,
            days=None if line.days is None else round(line.days, 2),
        )
        for line in lines
    ]


def answers_of_cards(ports: Ports, since: datetime, until: datetime) -> Sequence[CardAnswer]:
    """What cards said to the tries of declined invoices that were made in this span."""
    with ports.database.transaction() as uow:
        return list(uow.books.answers(since, until))


def compare_policies(ports: Ports, one: str, other: str, since: datetime) -> ComparisonView:
    """Compare two policies by name, over invoices old enough for both to have ended. Raises InvalidInput."""
    if one == other:
        raise InvalidInput("other", other, "is the same policy; name two")
    with ports.database.transaction() as uow:
        for field, name in (("one", one), ("other", other)):
            if uow.dunning_policies.newest(name) is None:
                raise InvalidInput(field, name, "there is no such dunning policy")
        until = ports.clock.moment().billing - RIPE
        found = compared(uow.books.declined(since, until, "UTC"), one, other)
    more = found.difference
    if more.fewest < FEWEST:
        verdict = (
            f"no difference can be told: each policy needs {FEWEST} declined invoices, older than {RIPE.days} days"
        )
    elif not more.is_one:
        verdict = "no difference: chance alone explains what was seen"
    elif not found.is_settled:
        verdict = "no difference can be told yet: invoices that are still in dunning could undo it"
    else:
        verdict = f"{one if more.value > 0 else other} recovers more"
    return ComparisonView(
        one=one,
        one_invoices=found.one.total,
        one_share=round(found.one.value, 4),
        other=other,
        other_invoices=found.other.total,
        other_share=round(found.other.value, 4),
        difference=round(more.value, 4),
        difference_low=round(more.low, 4),
        difference_high=round(more.high, 4),
        is_difference=found.is_settled,
        verdict=verdict,
    )
