"""Declines: what a text of a PG means, and the texts that no rule understands."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from billing_worker.domain.card_numbers import without_card_numbers
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.text import LONGEST
from billing_worker.domain.language import Language
from billing_worker.ports.bundle import Ports
from billing_worker.texts.declines import in_words
from billing_worker.usecases.reading.views.declines import DeclineView, UnknownTextView

REPORTED = timedelta(days=90)
MOST_TEXTS = 100


def explain(pg: str, text: str) -> DeclineView:
    """What this text of this PG means, and what helps. A table of this release, which no database holds."""
    found = normalise(pg, text)
    shown = without_card_numbers(text[:LONGEST]).encode("utf-8", "replace").decode()
    return DeclineView(
        pg=pg,
        text=shown,
        code=found.code,
        category=found.category,
        advice=found.advice,
        decided_by=found.source,
        english=in_words(found.category, found.advice, Language.EN),
        korean=in_words(found.category, found.advice, Language.KO),
    )


def unknown_texts(ports: Ports) -> Sequence[UnknownTextView]:
    """The texts of 90 days that no rule understands: at most a hundred, the most frequent first."""
    with ports.database.transaction() as uow:
        since = ports.clock.moment().billing - REPORTED
        return [UnknownTextView(**asdict(each)) for each in uow.attempts.unknown_texts(since, MOST_TEXTS)]
