"""Mistakes in amounts and dates."""

from tests.planted.bug import bug

BEGIN = "billing_worker/usecases/charge/begin.py"
INVOICE = "billing_worker/domain/invoice.py"
CALENDAR = "billing_worker/domain/calendar.py"
COLLECTS = "tests/usecases/test_collect_charges_what_is_due.py"

BUGS = (
    bug(
        "float on the wire",
        "an amount becomes a float before it is sent",
        (
            "billing_worker/adapters/portone/requests.py",
            "    amount = request.money.major\n",
            "    amount = float(request.money.major)\n",
        ),
        catchers=(
            "tests/test_architecture.py::test_no_float_is_on_the_way_of_money",
            "tests/adapters/test_portone_requests.py::test_amounts_are_written_exactly",
        ),
    ),
    bug(
        "float on the way back",
        "an amount becomes a float when it is read",
        (
            "billing_worker/domain/money.py",
            "            number = Decimal(value)\n",
            "            number = Decimal(float(value))\n",
        ),
        catchers=(
            "tests/domain/test_money_is_exact.py::test_numbers_and_numeric_strings_of_major_units_are_read_exactly",
        ),
    ),
    bug(
        "today's price",
        "a period is charged at the plan's price of today, not at its own",
        (
            BEGIN,
            "attempt.request(due.key, due.agreed.name, due.invoice.options),",
            "replace(attempt.request(due.key, '', due.invoice.options), money=due.agreed.money),",
        ),
        (
            BEGIN,
            "from dataclasses import dataclass, field\n",
            "from dataclasses import dataclass, field, replace\n",
        ),
        catchers=(f"{COLLECTS}::test_the_gateway_is_asked_for_the_invoices_snapshot_and_not_for_the_plan_of_today",),
    ),
    bug(
        "month ends drift",
        "the next period is counted from the one before, so that the 31st becomes the 28th for ever",
        (CALENDAR, "        wall = anchor.astimezone(", "        wall = previous.astimezone("),
        (CALENDAR, "        steps = self.count * index\n", "        steps = self.count\n"),
        catchers=(
            (
                "tests/usecases/test_renew_opens_periods.py::"
                "test_day_thirty_one_falls_on_the_last_day_of_a_short_month_and_comes_back"
            ),
        ),
    ),
    bug(
        "charged too early",
        "an invoice is due a day before its time",
        (INVOICE, "self.next_attempt_at <= now\n", "self.next_attempt_at <= now + timedelta(days=1)\n"),
        catchers=(f"{COLLECTS}::test_a_retry_that_is_delivered_too_early_does_nothing",),
    ),
)
