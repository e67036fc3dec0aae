"""Plain days, which plans and payments write as numbers."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.dunning.definition import read_policy, written_policy
from billing_worker.domain.dunning.planner import TryFacts, next_try, used_up_at
from billing_worker.domain.dunning.policy import MOST_STEPS, DunningPolicy
from billing_worker.domain.dunning.steps import LONGEST_WAIT
from billing_worker.domain.dunning.version import entered_name, named_days
from billing_worker.domain.errors import InvalidInput
from tests.builders import NOW

DAYS = st.lists(st.integers(1, 12), max_size=MOST_STEPS)
NOTHING = TryFacts("inv_1")


def of(*waits: int) -> DunningPolicy:
    return named_days("dunning_days", waits)[1]


def days_of_tries(policy: DunningPolicy) -> list[int]:
    """The days on which an invoice is tried when every try is declined, day 0 being the first."""
    tries, now = [0], NOW
    while (again := next_try(policy, len(tries), None, now, NOTHING)) is not None:
        now = again
        tries.append((now - NOW).days)
    return tries


@pytest.mark.parametrize(
    ("waits", "days"),
    [((1, 3, 5, 7), [0, 1, 4, 9, 16]), ((), [0]), ((3,), [0, 3]), ((1, 1, 1), [0, 1, 2, 3])],
)
def test_an_invoice_that_is_always_declined_is_tried_on_these_days(waits, days):
    assert days_of_tries(of(*waits)) == days


@pytest.mark.parametrize(("declines", "days"), [(1, 16), (2, 15), (3, 12), (4, 7), (5, 0), (9, 0)])
def test_the_end_is_where_the_retries_that_are_left_would_lead(declines, days):
    assert used_up_at(of(1, 3, 5, 7), declines, None, NOW, NOTHING) == NOW + timedelta(days=days)


@given(waits=DAYS)
def test_there_are_as_many_retries_as_days_and_then_none(waits):
    policy = of(*waits)
    tries = days_of_tries(policy)
    assert tries == sorted(set(tries))
    assert len(tries) == len(waits) + 1
    assert used_up_at(policy, 1, None, NOW, NOTHING) == NOW + timedelta(days=tries[-1])
    assert read_policy(written_policy(policy)) == policy


def test_the_index_is_the_number_of_declines_so_that_an_outage_uses_up_nothing():
    policy = of(1, 3)
    assert next_try(policy, 1, None, NOW + timedelta(days=2), NOTHING) == NOW + timedelta(days=3)
    assert next_try(policy, 1, None, NOW + timedelta(days=5), NOTHING) == NOW + timedelta(days=6)


@pytest.mark.parametrize("wait", [0, -1, LONGEST_WAIT.days + 1, 1.5, 1.0, True, "3", None])
def test_any_other_wait_is_refused(wait):
    with pytest.raises(InvalidInput) as refused:
        of(1, wait)
    assert refused.value.field == "dunning_days"
    assert f"1 to {LONGEST_WAIT.days} whole days" in str(refused.value)
    # A value that was not given is not shown.
    assert str(refused.value).endswith(f" (got {wait!r})") is (wait is not None)


@pytest.mark.fm("L25")
def test_more_retries_than_the_card_networks_allow_are_refused():
    with pytest.raises(InvalidInput) as refused:
        of(*(1,) * (MOST_STEPS + 1))
    assert refused.value.field == "dunning_days"
    assert f"at most {MOST_STEPS} tries" in str(refused.value)


def test_days_have_names_which_no_other_policy_may_take():
    assert [named_days("dunning_days", waits)[0] for waits in ((1, 3), ())] == ["days-1-3", "none"]
    assert entered_name(" pay-days2 ") == "pay-days2"
    for name in ("days-1-3", "days", "none", "Paydays", "pay days", "", "-a", "a" * 41):
        with pytest.raises(InvalidInput) as refused:
            entered_name(name)
        assert refused.value.field == "name"
