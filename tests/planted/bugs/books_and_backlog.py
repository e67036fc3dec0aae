"""Mistakes in comparing both books, and in what becomes of late periods."""

from tests.planted.bug import bug

DIFFERENCE = "billing_worker/usecases/review/difference.py"
COMPARE = "billing_worker/usecases/review/compare.py"
SPANS = "billing_worker/domain/comparison.py"
MATCHING = "billing_worker/domain/comparing.py"
COMPARISONS = "billing_worker/adapters/database/comparisons.py"
BACKLOG = "billing_worker/domain/catch_up.py"
SUBSCRIPTION = "billing_worker/domain/subscription.py"
PACE = "billing_worker/usecases/control/pace.py"
CANCEL = "billing_worker/usecases/subscription/cancel.py"
COMPARES = "tests/usecases/test_compare_both_books.py"
FINDS_IN_SPANS = "tests/domain/test_comparison_spans.py"
DECIDES = "tests/domain/test_catch_up_policy.py"
OUTAGES = "tests/scenarios/test_outages.py"

BUGS = (
    bug(
        "half a span is a span",
        "a span counts as compared although a page of it could not be read",
        (COMPARE, "return _end(run, sheet.trouble)", "return _end(run, None)"),
        catchers=(f"{COMPARES}::test_a_span_that_could_not_be_read_is_read_again_and_told_until_it_was",),
    ),
    bug(
        "books compared one way",
        "approvals of ours are not looked for in the gateway's list",
        (COMPARE, "        _look_back(run)\n", ""),
        catchers=(f"{COMPARES}::test_an_approval_that_the_gateway_does_not_show_is_alerted_and_not_unbooked",),
    ),
    bug(
        "phantoms without a control read",
        "an approval is called missing although the gateway shows nothing at all",
        (
            DIFFERENCE,
            "    if not reads_work(ports, booked.invoice_id, booked.customer_uid, control):\n",
            "    if False:\n",
        ),
        catchers=(f"{COMPARES}::test_a_gateway_that_shows_nothing_at_all_proves_no_phantom",),
    ),
    bug(
        "refund elsewhere agrees",
        "what was given back is not compared",
        (MATCHING, "(payment.money, payment.cancelled.amount) ==", "(payment.money, booked.refunded) =="),
        catchers=(f"{COMPARES}::test_the_drill_finds_and_names_everything_and_nothing_else",),
    ),
    bug(
        "orphans of others",
        "a number of another environment is taken for ours",
        (MATCHING, "    if ours == environment:\n", "    if ours is not None:\n"),
        catchers=(f"{COMPARES}::test_the_drill_finds_and_names_everything_and_nothing_else",),
    ),
    bug(
        "spans without overlap",
        "the next span begins where the last one ended: what the gateway listed late is never seen",
        (SPANS, "    return last.ends_at - OVERLAP, min(now", "    return last.ends_at, min(now"),
        catchers=(
            f"{FINDS_IN_SPANS}::test_each_span_begins_an_overlap_before_the_end_of_the_last_one_when_the_interval_is_over",
        ),
    ),
    bug(
        "planning waits for charges",
        "planning a span takes the lock that every charge shares",
        (COMPARISONS, "AdvisoryLock.COMPARING", "AdvisoryLock.CHARGING"),
        catchers=(f"{COMPARES}::test_the_next_span_is_planned_however_many_charges_begin",),
    ),
    bug(
        "years billed at once",
        "what is older than the plan's maximum age is decided by the plan",
        (BACKLOG, "    if too_old or policy.mode is", "    if policy.mode is"),
        catchers=(
            f"{OUTAGES}::test_what_is_older_than_the_maximum_age_waits_for_an_operator",
            f"{DECIDES}::test_beyond_the_maximum_age_an_operator_is_asked",
        ),
    ),
    bug(
        "newest of a part",
        "where periods are decided on in parts, the newest of each part is billed",
        (BACKLOG, "Backlog(waive=begun - 1, bill=1) if whole else Backlog(waive=begun)", "Backlog(begun - 1, 1)"),
        catchers=(
            (
                f"{DECIDES}::"
                "test_an_expression_that_fires_every_minute_is_dealt_with_in_parts_and_the_newest_is_kept_for_the_last"
            ),
        ),
    ),
    bug(
        "today forgiven",
        "a period that is not late is waived with those that are",
        (BACKLOG, "calendar.begun(anchor, index, start, at - LATE_AFTER, most)", "begun"),
        catchers=(
            f"{OUTAGES}::test_after_an_outage_each_policy_bills_what_it_says",
            f"{DECIDES}::test_after_three_days_and_an_hour_each_mode_does_as_it_says",
        ),
    ),
    bug(
        "a word for ever",
        "an operator's decision also applies to periods that began after it",
        (
            SUBSCRIPTION,
            "return CatchUpPolicy(self.catch_up_mode, None), self.catch_up_until",
            "return CatchUpPolicy(self.catch_up_mode, None), now",
        ),
        catchers=(
            f"{DECIDES}::test_an_operators_word_holds_for_what_had_begun_then_and_the_policy_for_what_came_later",
        ),
    ),
    bug(
        "a pace for each scan",
        "the bucket of late work is not emptied: every scan of every process starts as much again",
        (PACE, "    bucket.take(len(late))\n", ""),
        catchers=(
            (
                "tests/database/test_pace_of_late_work.py::"
                "test_two_scans_share_one_rate_and_the_backlog_goes_down_evenly"
            ),
        ),
    ),
    bug(
        "on hold for ever",
        "who is on hold and leaves at the end of the period never ends",
        (CANCEL, "                subscription.held_since = None\n", ""),
        catchers=(
            (
                f"{OUTAGES}::test_who_is_on_hold_and_leaves_at_the_end_of_the_period_ends_and_no_operator_is_asked_any_more"
            ),
        ),
    ),
)
