"""The grammar of events: what may be told after what."""

import itertools

import pytest

from billing_worker.domain.event_order import BEGIN, GRAMMAR, WHOSE, Story
from billing_worker.domain.events import EventType
from tests.support.told import SAYS

E = EventType


def heard(*kinds: EventType, subject: str = "x", **data: object) -> list[str]:
    story = Story()
    return [problem for kind in kinds for problem in story.hear(kind, subject, data)]


def test_every_type_has_a_place_in_the_grammar_of_its_subject() -> None:
    for kind in EventType:
        whose = WHOSE.get(kind.partition(".")[0])
        if whose is not None:
            assert any(kind in ways for ways in GRAMMAR[whose].values()), kind
        else:
            assert kind.startswith("paymentwall.")
    for edges in GRAMMAR.values():
        assert {to for ways in edges.values() for to in ways.values()} | {BEGIN} >= set(edges)
    assert set(SAYS) == set(GRAMMAR) - {"payment"}


@pytest.mark.parametrize(
    "told",
    [
        (E.INVOICE_PAID, E.INVOICE_PAYMENT_FAILED),
        (E.INVOICE_PAID, E.INVOICE_PAID),
        (E.INVOICE_PAID, E.INVOICE_VOIDED),
        (E.INVOICE_UNCOLLECTIBLE, E.INVOICE_PAYMENT_FAILED),
        (E.INVOICE_VOIDED, E.INVOICE_PAID),
        (E.INVOICE_VOIDED, E.PAYMENT_REFUNDED),
        (E.SUBSCRIPTION_ACTIVATED,),
        (E.SUBSCRIPTION_CREATED, E.SUBSCRIPTION_CANCELED, E.SUBSCRIPTION_ACTIVATED),
        (E.SUBSCRIPTION_CREATED, E.SUBSCRIPTION_UNPAID, E.SUBSCRIPTION_UNPAID),
        (E.SUBSCRIPTION_CREATED, E.SUBSCRIPTION_ACTIVATED, E.SUBSCRIPTION_ACTIVATED),
        (E.BILLING_KEY_INVALID, E.BILLING_KEY_INVALID),
        (E.REFUND_SUCCEEDED, E.REFUND_FAILED),
    ],
)
def test_what_contradicts_what_was_told_is_found(told: tuple[EventType, ...]) -> None:
    assert heard(*told[:-1]) == []
    (problem,) = heard(*told)
    assert told[-1] in problem


def test_one_payment_pays_one_invoice_and_gives_back_what_adds_up() -> None:
    story = Story()
    assert story.hear(E.INVOICE_PAID, "inv_1", {"imp_uid": "imp_1"}) == []
    assert "although it was taken" in story.hear(E.INVOICE_PAID, "inv_2", {"imp_uid": "imp_1"})[0]
    assert story.hear(E.PAYMENT_REFUNDED, "inv_1", {"imp_uid": "imp_1", "amount": 30, "refunded": 30}) == []
    assert "50" in story.hear(E.PAYMENT_REFUNDED, "inv_1", {"imp_uid": "imp_1", "amount": 20, "refunded": 70})[0]


def test_places_grow_by_one() -> None:
    story = Story()
    assert list(itertools.chain(*(story.place("sub_1", place) for place in (1, 2, 3)))) == []
    assert story.place("sub_1", 5)
    assert story.place("sub_1", 5)
