"""A merchant's own declined invoices: each keeps its date, its sum and every answer that was seen.

What the card would have said at other times is not known. It is drawn from the model, and only holders that answer at
the seen times as the card did are kept. An invoice that no drawn holder explains is left out and counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from random import Random

from billing_worker.domain.declines.reasons import ADVICE, Category
from billing_worker.domain.dunning.recovered import CardAnswer
from billing_worker.issuer_model.holder import Holder, draw
from billing_worker.issuer_model.parameters import Parameters
from billing_worker.issuer_model.trial import Case

DRAWS = 400
"""Holders that are drawn for one invoice before it counts as not explained."""


@dataclass(frozen=True, slots=True)
class SeenInvoice:
    """One invoice whose first charge was declined."""

    id: str
    amount: int
    """Minor units."""
    answers: Sequence[tuple[datetime, Category | None]]
    """When its card was charged, and what it said; None: approved. In order, the first one a decline."""
    paid_at: datetime | None = None
    """When it was paid on another card, by hand, or outside of dunning."""

    @property
    def declined_at(self) -> datetime:
        """When the first charge was declined."""
        return self.answers[0][0]


def seen_in(answers: Iterable[CardAnswer]) -> list[SeenInvoice]:
    """The invoices of these answers, in their order. An invoice is told by its first card alone.

    A payment on another card, or by hand, is one that the holder made without a try of the policy.
    """
    found = []
    for ident, group in groupby(answers, key=lambda each: each.invoice_id):
        tries = list(group)
        own = [each for each in tries if each.billing_key_id == tries[0].billing_key_id]
        if own[0].category is None:
            continue
        said = [(each.at, None if each.category is None else Category(each.category)) for each in own]
        is_approved = said[-1][1] is None
        found.append(SeenInvoice(ident, own[0].amount, said, None if is_approved else own[0].paid_at))
    return found


@dataclass(slots=True)
class Explained:
    """The cases that a history gives."""

    cases: list[Case] = field(default_factory=list)
    unexplained: int = 0


def explain(seen: Iterable[SeenInvoice], parameters: Parameters, seed: int) -> Explained:
    """A holder for each invoice, drawn from the model such that the history could have been."""
    found = Explained()
    for invoice in seen:
        chance = Random(f"{seed} {invoice.id}")  # noqa: S311 - a model
        holder = next((one for one in _drawn(invoice, parameters, chance) if _explains(one, invoice)), None)
        if holder is None:
            found.unexplained += 1
            continue
        found.cases.append(
            Case(invoice.id, holder, invoice.declined_at, invoice.amount, mood=None, reacts_at=invoice.paid_at)
        )
    return found


def _drawn(invoice: SeenInvoice, parameters: Parameters, chance: Random) -> Iterator[Holder]:
    return (draw(parameters, chance, invoice.declined_at) for _ in range(DRAWS))


def _explains(holder: Holder, invoice: SeenInvoice) -> bool:
    """Whether this holder's card would have answered so at every time."""
    return all(
        _alike(holder.answer(at), seen, is_first=number == 0) for number, (at, seen) in enumerate(invoice.answers)
    )


def _alike(said: Category | None, seen: Category | None, *, is_first: bool) -> bool:
    """Whether both lead to the same next try. The first decline also says the same, where the model has the word."""
    if said is None or seen is None:
        return said is seen
    same = said is seen if is_first and seen in MODELLED else ADVICE[said] is ADVICE[seen]
    return same or seen is Category.UNKNOWN


MODELLED = (Category.BALANCE, Category.LIMIT, Category.ISSUER_REFUSED)
