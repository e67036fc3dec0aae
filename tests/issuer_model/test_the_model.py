"""The model of cards: the same for every policy, the same again for a seed, and true to what its parameters say."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.policy import DEFAULT, days
from billing_worker.domain.pg_limits import SEOUL
from billing_worker.issuer_model.baselines import BASELINES
from billing_worker.issuer_model.cases import cases
from billing_worker.issuer_model.figures import more_than, tried
from billing_worker.issuer_model.history import SeenInvoice, explain
from billing_worker.issuer_model.holder import draw_declined
from billing_worker.issuer_model.parameters import Cause, Parameters
from billing_worker.issuer_model.trial import run

pytestmark = pytest.mark.long

PARAMETERS = Parameters()
TRIED = list(cases(PARAMETERS, 7, 1500))


def _only(cause: Cause, **changes: object) -> Parameters:
    return Parameters(causes={cause: 1.0}, leaves_after=100_000.0, **changes)


def test_every_case_begins_with_a_decline_and_is_the_same_for_its_seed():
    again = list(cases(PARAMETERS, 7, 1500))
    assert [case.holder.answer(case.declined_at) is not None for case in TRIED] == [True] * 1500
    assert tried(TRIED, DEFAULT).results == tried(again, DEFAULT).results
    assert tried(list(cases(PARAMETERS, 8, 1500)), DEFAULT).results != tried(TRIED, DEFAULT).results


def test_a_policy_without_a_try_recovers_what_holders_mend_within_the_failures():
    figures = tried([case for case in TRIED if case.holder.cause is not Cause.OUTAGE], days())
    assert [result.by_try for result in figures.results].count(True) <= 60
    assert figures.tries < 0.2


def test_a_dead_card_is_never_tried_again():
    dead = [case for case in TRIED if case.holder.cause is Cause.DEAD]
    assert len(dead) > 200
    assert {result.tries for result in tried(dead, DEFAULT).results} == {0}


@pytest.mark.parametrize("payday", [10, 25, 31])
def test_a_salary_helps_on_its_payday(payday):
    parameters = _only(Cause.MONEY, paydays={payday: 1.0}, inflow_every=900.0, salary_hour=2.0)
    chance, paid, early = Random(3), 0, 0
    declined_at = datetime(2026, 6, 27, 1, 0, tzinfo=UTC)
    for _ in range(300):
        holder = draw_declined(parameters, chance, declined_at)
        # Friday the 10th, Friday the 24th before a Saturday, Friday the 31st; 20:00 in Seoul.
        day = {10: 10, 25: 24, 31: 31}[payday]
        evening = datetime(2026, 7, day, 20, 0, tzinfo=SEOUL)
        paid += holder.answer(evening) is None
        early += holder.answer(evening - timedelta(days=1)) is None
    assert paid > 200
    assert early < paid / 4


def test_a_limit_resets_at_midnight_or_with_the_month():
    chance, daily, monthly = Random(5), 0, 0
    declined_at = datetime(2026, 6, 10, 3, 0, tzinfo=UTC)
    parameters = _only(Cause.LIMIT, daily_limit_again=0.0001)
    for _ in range(400):
        holder = draw_declined(parameters, chance, declined_at)
        assert holder.answer(datetime(2026, 6, 10, 14, 59, tzinfo=UTC)) is Category.LIMIT
        daily += holder.answer(datetime(2026, 6, 10, 15, 0, tzinfo=UTC)) is None
        monthly += holder.answer(datetime(2026, 6, 30, 15, 0, tzinfo=UTC)) is None
    assert 100 < daily < 180
    assert monthly == 400


def test_the_default_recovers_more_than_every_fixed_plan_at_no_more_tries_than_the_longest():
    figures = {name: tried(TRIED, policy) for name, policy in BASELINES.items()}
    default = figures.pop("default")
    for each in figures.values():
        gained = more_than(default, each)
        assert gained.is_one
        assert gained.low > 0
    assert default.tries < figures["2-5-7-7"].tries


def test_more_notices_never_make_a_holder_react_later():
    once = [run(case, days(3)) for case in TRIED]
    more = [run(case, days(3, 3)) for case in TRIED]
    for one, two in zip(once, more, strict=True):
        assert one.recovered_after is None or one.recovered_after == two.recovered_after


def test_a_history_tells_what_another_policy_would_have_recovered():
    """The holders are hidden: only the dates and answers of one policy are known of them."""
    hidden = list(cases(PARAMETERS, 21, 600))
    silent = [type(case)(case.ident, case.holder, case.declined_at, case.amount, mood=None) for case in hidden]
    seen = [_seen(case) for case in silent]
    found = explain(seen, PARAMETERS, seed=1)
    assert found.unexplained < 20
    kept = {case.ident for case in found.cases}
    truth = tried([case for case in silent if case.ident in kept], DEFAULT)
    told = tried(found.cases, DEFAULT)
    assert abs(told.recovered.value - truth.recovered.value) < 0.05
    before = tried(found.cases, days(2, 5, 7, 7))
    assert before.recovered == tried([case for case in silent if case.ident in kept], days(2, 5, 7, 7)).recovered


def _seen(case):
    """What a merchant's books hold of this case after 2, 5, 7 and 7 days."""
    policy, answers = days(2, 5, 7, 7), []

    class Watching:
        leaves_at, parameters, words, cause = (
            case.holder.leaves_at,
            case.holder.parameters,
            case.holder.words,
            case.holder.cause,
        )

        def answer(self, at):
            said = case.holder.answer(at)
            answers.append((at, said))
            return said

    run(type(case)(case.ident, Watching(), case.declined_at, case.amount, mood=None), policy)
    return SeenInvoice(case.ident, case.amount, answers)
