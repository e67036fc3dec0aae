"""Mistakes in giving money back, and in what must hold every charge."""

from tests.planted.bug import bug

BEGIN = "billing_worker/usecases/charge/begin.py"
REFUND = "billing_worker/usecases/refund/refund.py"
GIVE_BACK = "billing_worker/usecases/settle/given_back.py"
REQUESTS = "billing_worker/adapters/portone/requests.py"
REFUNDS = "tests/usecases/test_refunds.py"
STOPS = "tests/usecases/test_a_stop_holds_every_charge.py"
TWINS = "tests/usecases/test_a_twin_charges_nothing_until_claimed.py"
BUDGETS = "tests/usecases/test_budgets_hold_what_is_too_much.py"

BUGS = (
    bug(
        "refund without amount",
        "the amount is left out, which PortOne reads as everything",
        (REQUESTS, '        "amount": request.money.major,\n        "checksum"', '        "checksum"'),
        catchers=(
            f"{REFUNDS}::test_a_partial_refund_is_sent_once_with_amount_and_checksum_and_is_booked_from_the_answer",
        ),
    ),
    bug(
        "refund without checksum",
        "nothing stops a refund that is sent twice",
        (REQUESTS, '        "checksum": request.balance.major,\n', ""),
        catchers=(
            f"{REFUNDS}::test_a_partial_refund_is_sent_once_with_amount_and_checksum_and_is_booked_from_the_answer",
            f"{REFUNDS}::test_a_refund_sent_twice_by_mistake_is_stopped_by_the_checksum",
        ),
    ),
    bug(
        "everything by omission",
        "a refund without an amount is taken for one of everything",
        (
            REFUND,
            "    if everything == (amount is not None):",
            "    everything = everything or amount is None\n    if False:",
        ),
        catchers=(f"{REFUNDS}::test_everything_is_never_refunded_by_leaving_the_amount_out",),
    ),
    bug(
        "second payment kept",
        "money that came twice is not given back",
        (
            GIVE_BACK,
            "    if not (attempt.surplus and attempt.holds_money):",
            "    if attempt.surplus or attempt.holds_money:",
        ),
        catchers=(
            (
                "tests/usecases/test_notifications_are_hints.py::"
                "test_a_late_approval_after_a_retry_was_paid_is_surplus_and_is_given_back"
            ),
        ),
    ),
    bug(
        "stop not asked for",
        "a worker that has the id charges although all is stopped",
        (BEGIN, " or due.stop is not None", ""),
        catchers=(
            f"{STOPS}::test_a_stopped_invoice_is_not_handed_out_and_a_worker_that_has_its_id_does_not_charge_it",
        ),
    ),
    bug(
        "twin not asked for",
        "a copied database charges as if it were the original",
        (BEGIN, "due.stop is not None or due.elsewhere", "due.stop is not None"),
        catchers=(f"{TWINS}::test_a_copy_charges_nothing_even_before_any_scan_has_looked",),
    ),
    bug(
        "no budget",
        "nothing holds a run that would charge too much",
        (
            BEGIN,
            "        beyond = allowance.beyond(due)\n",
            "        beyond = None\n",
        ),
        catchers=(f"{BUDGETS}::test_a_run_beyond_its_sum_stops_everything_and_goes_on_when_cleared",),
    ),
    bug(
        "lost cards for lost keys",
        "a hard decline of a card counts as a key that the gateway does not know",
        ("billing_worker/usecases/control/wrong_account.py", " or outcome.imp_uid is not None", ""),
        ("billing_worker/adapters/database/spending.py", " AND imp_uid IS NULL", ""),
        catchers=("tests/usecases/test_many_unknown_keys_stop_charging.py::test_other_declines_stop_no_customer",),
    ),
)
