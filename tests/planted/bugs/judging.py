"""Mistakes in judging a clerk's work, a lagging list or a lost field at the gateway."""

from tests.planted.bug import bug

PAYMENT = "billing_worker/domain/payment.py"
RUNAWAY = "billing_worker/domain/runaway.py"
SETTLEMENT = "billing_worker/domain/settlement.py"
DOUBT = "billing_worker/usecases/settle/doubt.py"
RECONCILE = "billing_worker/usecases/charge/reconcile.py"
AUDIT = "billing_worker/usecases/review/audit.py"
ACTS = "billing_worker/usecases/review/audit_acts.py"
AT_GATEWAY = "billing_worker/usecases/review/audit_gateway.py"
ALERTS = "billing_worker/usecases/settle/alerts.py"
UNASKED = "billing_worker/usecases/settle/alerts.py"
CONTROL = "billing_worker/adapters/portone/control_reads.py"
ORDERS = "billing_worker/adapters/database/attempts.py"
TWINS = "billing_worker/adapters/database/twins.py"
AUDITS = "tests/usecases/test_audit_finds_every_planted_breach.py"
CLERKS = "tests/usecases/test_a_clerk_is_no_runaway.py"
COMPARES = "tests/usecases/test_compare_both_books.py"
RESOLVES = "tests/usecases/test_reconcile_reads_until_it_knows.py"
TOLD = "tests/usecases/test_twins_are_told.py"
SHARED = "tests/adapters/test_portone_control_reads.py"

BUGS = (
    bug(
        "absent is different",
        "a payment that names no customer is taken for another customer's",
        (PAYMENT, "return not self.customer_uid or self.customer_uid", "return self.customer_uid"),
        catchers=(
            f"{RESOLVES}::test_a_payment_that_names_no_customer_pays_its_invoice[no-customer-uid]",
            "tests/adapters/test_portone_answers.py::test_money_was_taken[no customer_uid]",
        ),
    ),
    bug(
        "a clerk stops everybody",
        "one payment in the gateway's console is called a runaway",
        (RUNAWAY, "    if found.customers <= MOST_CUSTOMERS_BY_HAND:\n        return False\n", ""),
        (
            AUDIT,
            "    if not lost and found.customers > MOST_CUSTOMERS_BY_HAND and is_runaway",
            "    if found.customers and is_runaway",
        ),
        catchers=(
            f"{CLERKS}::test_a_clerks_payment_of_an_unpaid_order_is_booked_told_once_and_stops_no_customer",
            f"{CLERKS}::test_a_runaway_is_several_customers_and_a_share_a_sum_or_very_many",
        ),
    ),
    bug(
        "a runaway is a clerk",
        "any number of customers with unasked charges are single cases",
        (
            AUDIT,
            "    if not lost and found.customers > MOST_CUSTOMERS_BY_HAND and is_runaway",
            "    if found.customers < 0 and is_runaway",
        ),
        catchers=(f"{CLERKS}::test_unasked_payments_of_many_customers_stop_all",),
    ),
    bug(
        "one customer's payment stops all",
        "a breach about a single payment at the gateway stops all charging",
        (AT_GATEWAY, '"I2": Reach.ONE', '"I2": Reach.ALL'),
        catchers=(
            f"{AUDITS}::test_a_payment_that_the_gateway_does_not_know_is_found_by_two_reads_and_stops_its_subscription",
        ),
    ),
    bug(
        "single cases add up to nothing",
        "many payments that the gateway does not know stop only their own subscriptions",
        (ACTS, "    return is_runaway(Reached(len(found)), Reached(read))", "    return False"),
        catchers=(f"{AUDITS}::test_many_payments_that_the_gateway_does_not_know_stop_everybody",),
    ),
    bug(
        "unasked and untold",
        "an unasked payment pays its invoice without an alert",
        (UNASKED, "    if not attempt.found or", "    if attempt.found or"),
        catchers=(f"{CLERKS}::test_a_clerks_payment_of_an_unpaid_order_is_booked_told_once_and_stops_no_customer",),
    ),
    bug(
        "one read is a phantom",
        "one read that does not show a booked payment proves that it is missing",
        (DOUBT, "return since if began_at - since >= ports", "return since if True or ports"),
        catchers=(
            f"{COMPARES}::test_an_approval_that_the_gateway_does_not_show_is_alerted_and_not_unbooked",
            f"{COMPARES}::test_two_reads_within_the_settle_window_prove_no_phantom",
        ),
    ),
    bug(
        "a phantom for ever",
        "the alert stays open when the payment shows up",
        (
            DOUBT,
            "            uow.alerts.close(AlertKind.PHANTOM_PAYMENT, attempt_id, ports.clock.moment())\n",
            "",
        ),
        catchers=(f"{COMPARES}::test_a_phantom_that_shows_up_closes_its_alert_wherever_in_time_it_lies",),
    ),
    bug(
        "doubt as control",
        "a payment that is missing itself is the control for others, which then prove nothing for ever",
        (ORDERS, "        seen &= ~exists().where(doubts.c.id == payment_attempts.c.id)\n", ""),
        catchers=(f"{COMPARES}::test_what_is_in_doubt_is_no_control_for_anything_else",),
    ),
    bug(
        "control older than its read",
        "a control read that began before the question answers it",
        (
            CONTROL,
            "(result := self._results.get(imp_uid)) is None or result.began < asked",
            ("(result := self._results.get(imp_uid)) is None or result.began < 0"),
        ),
        catchers=(f"{SHARED}::test_a_read_that_began_before_the_question_is_no_answer_to_it",),
    ),
    bug(
        "control before its read",
        "the control read comes before the read that it speaks for",
        (
            RECONCILE,
            "    listing = ports.gateway.payments_of(question.request.merchant_uid)\n",
            (
                "    control = _control(ports, question)\n"
                "    listing = ports.gateway.payments_of(question.request.merchant_uid)\n"
            ),
        ),
        (RECONCILE, "control=_control(ports, question), schedule", "control=control, schedule"),
        catchers=(f"{RESOLVES}::test_the_control_read_begins_when_the_read_that_it_speaks_for_has_ended",),
    ),
    bug(
        "a refusal alarms at once",
        "one read that shows nothing under a refused order is called a contradiction",
        (RECONCILE, "return Unknown(reason, alarming=settled)", "return Unknown(reason, alarming=True)"),
        catchers=(
            (
                f"{RESOLVES}::test_an_order_id_that_is_refused_as_used_while_nothing_is_shown_under_it_is_a_matter"
                "_for_an_operator"
            ),
        ),
    ),
    bug(
        "rounds without an operator",
        "what is taken back is charged again, however often that happened",
        (SETTLEMENT, "now + TAKEN_BACK_PAUSE if by_itself else None", "now + TAKEN_BACK_PAUSE"),
        catchers=(f"{RESOLVES}::test_a_second_time_that_money_is_taken_back_an_operator_decides",),
    ),
    bug(
        "a mismatch for ever",
        "the alert about a contradiction stays open when its attempt is settled",
        (ALERTS, "        uow.alerts.close(AlertKind.MISMATCH, attempt.id, moment)\n", ""),
        catchers=(f"{RESOLVES}::test_a_mismatch_closes_when_its_attempt_is_settled",),
    ),
    bug(
        "twins by their anchor",
        "the first charge of a subscription is taken for its anchor, which may lie years before",
        (TWINS, "coalesce(i.period_start, s.next_period_start) AS", "s.anchor AS"),
        catchers=(f"{TOLD}::test_it_is_the_first_charge_that_counts_and_not_the_anchor",),
    ),
    bug(
        "twins asked again",
        "a pair that an operator accepted opens a second alert",
        (TWINS, "AND closed_at IS NOT NULL)\n    ORDER BY", "AND false)\n    ORDER BY"),
        catchers=(f"{TOLD}::test_a_pair_that_an_operator_accepted_is_not_told_again_and_a_third_is",),
    ),
)
