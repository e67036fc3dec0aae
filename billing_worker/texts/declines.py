"""Declines in words, for the merchant's staff."""

from billing_worker.domain.declines.reasons import Advice, Category
from billing_worker.domain.dunning.recovery import Why
from billing_worker.domain.language import Language
from billing_worker.texts.catalogue import catalogue


def in_words(category: Category, advice: Advice, language: Language) -> str:
    """What a decline is about, and what helps: two sentences."""
    text = catalogue(language).gettext
    return f"{text(f'decline.{category}')} {text(f'advice.{advice}')}"


def advised(category: Category, why: Why, language: Language) -> str:
    """What a decline is about, and why the next try comes when it does or not at all: two sentences."""
    text = catalogue(language).gettext
    return f"{text(f'decline.{category}')} {text(f'recovery.{why}')}"
