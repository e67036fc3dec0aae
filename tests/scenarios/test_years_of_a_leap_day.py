"""29 February, every year, for nine years: the last day of February in common years, and back."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.world import World


@pytest.mark.fm("H4")
@pytest.mark.fm("H6")
def test_a_yearly_subscription_from_a_leap_day_comes_back_to_it(world: World) -> None:
    plan = world.plan(interval="year")
    world.clock.advance_to(datetime(2028, 2, 29, 3, 0, tzinfo=UTC))
    subscription = world.subscribe(plan=plan)
    world.run_until(datetime(2036, 3, 2, tzinfo=UTC), timedelta(days=61))
    starts = [invoice.period.start.strftime("%Y-%m-%d") for invoice in world.invoices(subscription)]
    assert starts == [f"{year}-02-{29 if year % 4 == 0 else 28}" for year in range(2028, 2037)]
    assert len(world.money()) == len(starts)
    world.assert_books_agree()


@pytest.mark.fm("A6")
def test_an_outage_of_forty_days_is_caught_up_period_by_period(world: World) -> None:
    weekly = world.subscribe(plan=world.plan(interval="week"))
    monthly = world.subscribe()
    world.settle()
    world.clock.advance(days=40)
    world.settle()
    assert [len(world.invoices(one)) for one in (weekly, monthly)] == [6, 2]
    assert {invoice.status for one in (weekly, monthly) for invoice in world.invoices(one)} == {"paid"}
    world.assert_books_agree()
