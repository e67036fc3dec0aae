"""A year, walked day by day, with a portfolio of everything: at its end both books tell the same story."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.subscription import replace_key
from tests.support.clock import START
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

SEOUL, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York")
DAY = timedelta(days=1)
END = START + 365 * DAY


@dataclass
class Portfolio:
    """Who is there, by name."""

    world: World
    members: dict[str, Subscription]

    def paid_days(self, name: str, zone: ZoneInfo = SEOUL) -> list[date]:
        """On which local days the gateway took this customer's money."""
        keys = {
            row["customer_uid"]
            for row in self.world.rows(
                """SELECT DISTINCT k.customer_uid FROM invoices i JOIN payment_attempts a ON a.invoice_id = i.id
                   JOIN billing_keys k ON k.id = a.billing_key_id WHERE i.subscription_id = :id""",
                id=self.members[name].id,
            )
        }
        rows = [row for row in self.world.money() if row["customer_uid"] in keys]
        return [self.world.charged_at[row["imp_uid"]].astimezone(zone).date() for row in rows]

    def statuses(self, name: str) -> list[str]:
        """How this customer's invoices ended, oldest first."""
        return [str(invoice.status) for invoice in self.world.invoices(self.members[name])]


@pytest.fixture(scope="module")
def year(databases, shared_sandbox):
    with databases.migrated() as url, World.built(url, shared_sandbox) as world:
        yield walked(world)


def walked(world: World) -> Portfolio:
    """Subscribe everybody, and live through the year."""
    monthly, weekly = world.plan(10_000), world.plan(2_500, interval="week")
    yearly = world.plan(99_000, interval="year")
    last_day = world.plan(7_000, cron="0 9 L * *")
    daily = world.plan(100, cron="30 2 * * *", timezone="America/New_York")
    ten_days = world.plan(1999, currency="USD", interval="day", interval_count=10)
    members = {
        "monthly from the 31st": world.subscribe(plan=monthly),
        "weekly": world.subscribe(plan=weekly),
        "on the last day": world.subscribe(plan=last_day),
        "daily in New York": world.subscribe(plan=daily),
        "every ten days in dollars": world.subscribe(plan=ten_days),
        "yearly from March": world.subscribe(plan=yearly, start=datetime(2026, 3, 1, tzinfo=UTC)),
        "declined twice": world.subscribe("decline-limit-2x", plan=monthly),
        "declined for ever": world.subscribe("decline-balance", plan=monthly),
        "stolen": world.subscribe("decline-stolen", plan=monthly),
        "lost replies": world.subscribe("drop-after-charge", plan=weekly),
        "lost requests": world.subscribe("drop-before-charge-2x", plan=monthly),
        "unclear errors": world.subscribe("error502-html-charged-3x-garbled-3x", plan=monthly),
        "leaves at the period's end": world.subscribe(plan=monthly),
        "leaves at once": world.subscribe(plan=weekly),
        "gets a new card": world.subscribe("decline-expired", plan=monthly),
        "naverpay": world.subscribe(key=world.key("naver-decline-limit-1x", pg="naverpay"), plan=monthly),
    }
    people = Portfolio(world, members)
    world.run_until(START + 5 * DAY)
    replace_key.replace_key(world.ports, members["gets a new card"].id, world.key().id)
    world.run_until(START + 100 * DAY)
    world.cancel(members["leaves at the period's end"], at_period_end=True)
    world.cancel(members["leaves at once"])
    world.run_until(END)
    world.resolve(minutes=30)
    return people


def days(start: str, *further: str) -> list[date]:
    return [date.fromisoformat(text) for text in (start, *further)]


def every(step: timedelta, start: date, end: date) -> list[date]:
    found = [start]
    while found[-1] + step <= end:
        found.append(found[-1] + step)
    return found


def test_the_database_and_the_ledger_agree(year: Portfolio) -> None:
    year.world.assert_books_agree()


def test_every_due_period_has_exactly_one_invoice_and_every_paid_one_exactly_one_payment(year: Portfolio) -> None:
    rows = year.world.rows("""
        SELECT i.*, k.customer_uid, a.imp_uid FROM invoices i
        LEFT JOIN payment_attempts a ON a.invoice_id = i.id AND a.status = 'approved'
        LEFT JOIN billing_keys k ON k.id = a.billing_key_id""")
    ledger = {row["imp_uid"]: row for row in year.world.money()}
    assert len({(row["subscription_id"], row["period_start"]) for row in rows}) == len(rows)
    paid = [row for row in rows if row["status"] == "paid"]
    assert len(paid) == len(ledger) > 500
    for row in paid:
        payment = ledger[row["imp_uid"]]
        exponent = 100 if row["currency"] == "USD" else 1
        assert round(payment["amount"] * exponent) == row["amount"]
        charged = year.world.charged_at[row["imp_uid"]]
        assert row["period_start"] <= charged <= row["period_start"] + 17 * DAY


MONTH_ENDS = days(
    "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30", "2026-07-31", "2026-08-31",
    "2026-09-30", "2026-10-31", "2026-11-30", "2026-12-31", "2027-01-31",
)  # fmt: skip


@pytest.mark.fm("H4")
@pytest.mark.parametrize("name", ["monthly from the 31st", "on the last day"])
def test_month_ends_are_kept_through_short_months(year: Portfolio, name: str) -> None:
    assert year.paid_days(name) == MONTH_ENDS


def test_a_yearly_customer_pays_once_a_year(year: Portfolio) -> None:
    assert year.paid_days("yearly from March") == days("2026-03-01")


def test_weeks_and_ten_days_come_exactly(year: Portfolio) -> None:
    start, end = date(2026, 1, 31), date(2027, 1, 31)
    assert year.paid_days("weekly") == every(7 * DAY, start, end)
    assert year.paid_days("every ten days in dollars") == every(10 * DAY, start, end)


@pytest.mark.fm("H3")
def test_every_local_day_of_new_york_is_billed_once_through_both_changes_of_the_clock(year: Portfolio) -> None:
    starts = [
        invoice.period.start.astimezone(NEW_YORK) for invoice in year.world.invoices(year.members["daily in New York"])
    ]
    assert [start.date() for start in starts] == every(DAY, starts[0].date(), starts[-1].date())
    assert len(starts) in (365, 366)
    odd = {start.strftime("%m-%d %H:%M") for start in starts if (start.hour, start.minute) != (2, 30)}
    assert odd == {"03-08 03:30"}
    assert set(year.statuses("daily in New York")) == {"paid"}


def test_declines_are_recovered_on_the_days_of_the_policy(year: Portfolio) -> None:
    assert year.paid_days("declined twice")[:2] == days("2026-02-04", "2026-02-28")
    assert year.statuses("declined twice") == ["paid"] * 13
    assert year.paid_days("naverpay")[0] == date(2026, 2, 1)
    assert year.statuses("naverpay") == ["paid"] * 13


@pytest.mark.parametrize("name", ["declined for ever", "stolen"])
def test_who_never_pays_gets_one_invoice_and_then_no_more(year: Portfolio, name: str) -> None:
    assert year.statuses(name) == ["uncollectible"]
    assert year.world.subscription(year.members[name]).status == "unpaid"
    assert year.paid_days(name) == []


def test_a_stolen_card_is_asked_once_in_the_whole_year(year: Portfolio) -> None:
    (row,) = year.world.rows(
        """SELECT count(*) AS n FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
           WHERE i.subscription_id = :id""",
        id=year.members["stolen"].id,
    )
    assert row["n"] == 1


@pytest.mark.parametrize(
    ("name", "periods"), [("lost replies", 53), ("lost requests", 13), ("unclear errors", 13), ("gets a new card", 13)]
)
def test_what_went_wrong_on_the_way_is_paid_all_the_same(year: Portfolio, name: str, periods: int) -> None:
    assert year.statuses(name) == ["paid"] * periods
    assert len(year.paid_days(name)) == periods


def test_a_new_card_takes_over_from_the_day_it_was_given(year: Portfolio) -> None:
    assert year.paid_days("gets a new card")[:2] == days("2026-02-05", "2026-02-28")


@pytest.mark.fm("L1")
def test_who_leaves_is_not_charged_any_more(year: Portfolio) -> None:
    assert year.paid_days("leaves at the period's end") == MONTH_ENDS[:4]
    assert year.paid_days("leaves at once") == every(7 * DAY, date(2026, 1, 31), date(2026, 5, 10))
    for name in ("leaves at the period's end", "leaves at once"):
        assert year.world.subscription(year.members[name]).status == "canceled"


def test_nothing_is_left_open_and_no_alert_is_needed(year: Portfolio) -> None:
    assert year.world.rows("SELECT * FROM payment_attempts WHERE status IN ('in_flight', 'unknown')") == []
    assert year.world.rows("SELECT * FROM invoices WHERE status = 'open'") == []
    assert year.world.alerts() == []
