"""Mistakes in what a restored database does before it is claimed."""

from tests.planted.bug import bug

ENVIRONMENT = "billing_worker/usecases/control/environment.py"
RENEW = "billing_worker/usecases/subscription/renew.py"
DIFFERENCE = "billing_worker/usecases/review/difference.py"
LOST = "billing_worker/usecases/review/lost_period.py"
ALERTS = "billing_worker/usecases/settle/alerts.py"
RESTORED = "tests/usecases/test_a_restored_database_asks_portone_first.py"
BOOKED = f"{RESTORED}::test_what_was_charged_after_the_backup_is_booked_and_no_charge_of_it_is_asked_for"

BUGS = (
    bug(
        "a claim without a comparison",
        "a restored database charges before PortOne's books were read",
        (ENVIRONMENT, "    if until is None or until < needed:\n", "    if until is None:\n"),
        catchers=(f"{RESTORED}::test_a_comparison_from_before_the_stop_is_too_old_for_a_claim",),
    ),
    bug(
        "a restored database decides on late periods",
        "periods that the lost database charged are waived, or opened, before the claim",
        (RENEW, "        if elsewhere:\n            return []\n", ""),
        (RENEW, "if due.elsewhere or not subscription", "if not subscription"),
        catchers=(f"{RESTORED}::test_a_restored_database_waives_nothing_and_opens_nothing_before_it_was_claimed",),
    ),
    bug(
        "lost periods stay orphans",
        "a payment of a period that the restored database has not opened is booked nowhere",
        (DIFFERENCE, "open_lost_period(ports, uow, seen[0], ports.clock.moment()):\n", "False:\n"),
        catchers=(BOOKED,),
    ),
    bug(
        "a waived period is opened before a paid one",
        "a period that the plan waives is charged since the one after it was paid",
        (LOST, "        if backlog.ask or backlog.waive:\n", "        if backlog.ask:\n"),
        catchers=(f"{RESTORED}::test_a_period_before_a_paid_one_is_opened_only_where_the_plan_bills_late_periods",),
    ),
    bug(
        "the lost database is taken for a clerk",
        "each payment after the backup opens an alert that an operator has to close",
        (ALERTS, "        if stands_in_for_a_lost_one(ports, uow):\n", "        if False:\n"),
        catchers=(BOOKED,),
    ),
)
