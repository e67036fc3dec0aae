"""Mistakes in PortOne's schedule as a way to collect, and in moving in."""

from tests.planted.bug import bug

SCHEDULE = "billing_worker/domain/schedule.py"
WISH = "billing_worker/domain/schedule_wish.py"
STEP = "billing_worker/usecases/schedule/step.py"
ASKING = "billing_worker/usecases/schedule/asking.py"
REGISTER = "billing_worker/usecases/schedule/register.py"
RUNNING = "billing_worker/usecases/schedule/running.py"
LEFTOVER = "billing_worker/usecases/schedule/leftover.py"
OPENED = "billing_worker/usecases/schedule/opened.py"
SCHEDULED = "billing_worker/usecases/settle/scheduled.py"
RECORD = "billing_worker/usecases/settle/record.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
MOVE_IN = "billing_worker/usecases/moving/move_in.py"
DIFFERENCE = "billing_worker/domain/schedule_difference.py"
COMPARE = "billing_worker/usecases/schedule/compare.py"
REVIEW = "billing_worker/usecases/review/schedules.py"
PROOF = "billing_worker/domain/proof.py"
SPANS = "billing_worker/domain/comparison.py"
AT_PORTONE = "billing_worker/usecases/moving/at_portone.py"
MOVERS = "billing_worker/cli/import_portone.py"
SCHEDULE_ANSWERS = "billing_worker/adapters/portone/schedule_answers.py"
SQL = "billing_worker/adapters/database/schedules.py"
MIGRATION = "billing_worker/adapters/database/migrations/versions/0019_schedules.py"

RULES = "tests/domain/test_schedules_and_wishes.py"
COLLECTS = "tests/schedules/test_portone_collects.py"
TWO_WAYS = "tests/schedules/test_one_period_two_ways.py"
TROUBLE = "tests/schedules/test_trouble_with_portone.py"
PAYMENTWALL = "tests/schedules/test_paymentwall_keys.py"
MOVING = "tests/schedules/test_moving_in.py"
BOTH_LISTS = "tests/schedules/test_both_lists_of_schedules.py"
SPANS_TEST = "tests/domain/test_comparison_spans.py"
EARLY = "tests/schedules/test_what_runs_early.py"
RECOVERY = "tests/schedules/test_recovery_beside_us.py"
GARBLED = "tests/schedules/test_moving_in_beside_garbled_rows.py"

BUGS = (
    bug(
        "a schedule that was never sent holds its period",
        "the period waits for a payment that PortOne was never asked for",
        (SCHEDULE, "return self.is_live and self.sent_at is not None", "return self.is_live"),
        catchers=(f"{RULES}::test_a_period_is_portones_while_a_schedule_that_was_sent_lives_or_ran_unknown_to_us",),
    ),
    bug(
        "a schedule that ran is waited for again",
        "a declined period is never tried by a worker",
        (SCHEDULE, "            return attempts == 0\n", "            return True\n"),
        catchers=(f"{COLLECTS}::test_a_declined_schedule_goes_into_dunning_by_again_under_the_same_order",),
    ),
    bug(
        "a read right after the sending proves absence",
        "a registration that is still under way is taken for revoked, and fires later",
        (SCHEDULE, "or began_at - self.sent_at >= window", "or began_at >= self.sent_at"),
        catchers=(f"{RULES}::test_only_a_read_that_began_a_window_after_the_last_sending_proves_absence",),
    ),
    bug(
        "portone charges a second too early",
        "a period is charged before it begins",
        (SCHEDULE, "at.replace(microsecond=0) + timedelta(seconds=1)", "at.replace(microsecond=0)"),
        catchers=(f"{RULES}::test_no_charge_comes_before_the_whole_second_after_its_time",),
    ),
    bug(
        "a switch to the worker leaves the schedule",
        "both ways charge the period",
        (WISH, "(collection is not Collection.PORTONE_SCHEDULE,", "(collection is None,"),
        catchers=(f"{COLLECTS}::test_a_switch_to_the_worker_and_back",),
    ),
    bug(
        "a subscription that ends is charged once more by portone",
        "the schedule of the period after the last one stays",
        (WISH, "(subscription.cancel_at_period_end,", "(subscription.cancel_at_period_end is None,"),
        catchers=(f"{COLLECTS}::test_a_period_that_ends_the_subscription_is_not_registered",),
    ),
    bug(
        "a dead key keeps its schedule",
        "PortOne tries a card that is known to be dead",
        (WISH, "(self.key.status is not KeyStatus.ACTIVE,", "(self.key.status is KeyStatus.PENDING,"),
        catchers=(f"{TROUBLE}::test_a_key_that_dies_elsewhere_revokes_an_hour_before_the_date",),
    ),
    bug(
        "a stop leaves the schedules at portone",
        "charging goes on although an operator stopped it",
        (WISH, "(self.stopped is not None,", "(self.stopped == '',"),
        catchers=(f"{TROUBLE}::test_a_stop_revokes_an_hour_before_the_date_and_a_worker_charges_after_it",),
    ),
    bug(
        "portone charges what the issuing payment paid",
        "a customer of Paymentwall pays a period twice",
        (WISH, "self.key.undecided_issue(subscription.id) is not None,", "self.key is None,"),
        (SQL, "k.issue_claim NOT IN ('open', 'chosen')", "true"),
        catchers=(
            f"{PAYMENTWALL}::test_another_card_of_paymentwall_is_registered_after_the_decision",
            f"{PAYMENTWALL}::test_a_new_customer_of_paymentwall_waits_for_the_decision_too",
        ),
    ),
    bug(
        "the old card stays scheduled",
        "after a card change PortOne charges the card that was replaced",
        (WISH, "if schedule.billing_key_id != self.key.id:", "if not schedule.billing_key_id:"),
        catchers=(f"{COLLECTS}::test_another_card_revokes_and_registers_anew",),
    ),
    bug(
        "a worker charges what portone will charge",
        "the invoice is charged although a schedule of it lives",
        (BEGIN, "        schedule = due.at_portone if due.schedules else None\n", "        schedule = None\n"),
        catchers=(f"{COLLECTS}::test_portone_charges_the_period_and_the_next_one_is_registered",),
    ),
    bug(
        "a schedule that cannot be read counts as gone",
        "a worker charges while the schedule still lives",
        (RUNNING, "    if reading.trouble is not None:\n", "    if reading.trouble == '':\n"),
        catchers=(f"{TROUBLE}::test_a_schedule_that_cannot_be_read_is_waited_for",),
    ),
    bug(
        "a schedule that was moved is waited for without end",
        "a period stays unpaid until the date that a clerk chose",
        (
            RUNNING,
            "moment.billing - schedule.schedule_at >= LATE_RUN",
            "moment.billing - reading.schedule.at >= LATE_RUN",
        ),
        catchers=(f"{TWO_WAYS}::test_a_schedule_that_portone_runs_late_is_waited_for_and_then_revoked",),
    ),
    bug(
        "a schedule that a clerk revoked is waited for",
        "the period is never charged",
        (RUNNING, "(ShownStatus.EXECUTED, ShownStatus.REVOKED)", "(ShownStatus.EXECUTED,)"),
        catchers=(f"{TWO_WAYS}::test_a_schedule_that_a_clerk_revoked_is_charged_by_a_worker",),
    ),
    bug(
        "every closed attempt says that portone ran the schedule",
        "the schedule is written down as executed, and PortOne never ran it",
        (SCHEDULED, "ran = settlement.attempt.status is not AttemptStatus.FAILED", "ran = True"),
        catchers=(f"{TWO_WAYS}::test_a_schedule_that_a_clerk_revoked_is_charged_by_a_worker",),
    ),
    bug(
        "a schedule stays open after its payment",
        "the period counts as PortOne's for ever",
        (SCHEDULED, "    if schedule.is_live:\n", "    if not schedule.is_live:\n"),
        catchers=(f"{COLLECTS}::test_portone_charges_the_period_and_the_next_one_is_registered[read]",),
    ),
    bug(
        "what a schedule charges after a cancellation is kept",
        "the customer left, and the money is booked nowhere",
        (
            LEFTOVER,
            "    if subscription.cancel_at_period_end or subscription.status not in RENEWING:\n",
            "    if False:\n",
        ),
        catchers=(f"{TWO_WAYS}::test_a_late_revocation_is_one_refund_and_one_alert",),
    ),
    bug(
        "the numbers of earlier schedules are forgotten",
        "a payment by one of them belongs to nothing here",
        (
            OPENED,
            "        if each.merchant_uid != due.invoice.merchant_uid\n",
            "        if not each.merchant_uid\n",
        ),
        catchers=(f"{EARLY}::test_two_that_paid_early_are_one_refund",),
    ),
    bug(
        "an earlier card's payment contradicts the new card",
        "money that was taken twice waits for an operator",
        (RECORD, "        attempt.billing_key_id = schedule.billing_key_id\n", "        pass\n"),
        catchers=(f"{TROUBLE}::test_an_earlier_schedule_that_is_brought_back_is_one_refund",),
    ),
    bug(
        "a revoked period is not registered again",
        "after a card change the workers collect, without a word",
        (REGISTER, "        subscription.scheduled_index = index - 1\n", "        pass\n"),
        catchers=(f"{COLLECTS}::test_another_card_revokes_and_registers_anew",),
    ),
    bug(
        "a lost registration is never sent again",
        "the schedule stays in between until its date",
        (
            ASKING,
            "        if learned.state is not ShownStatus.ABSENT or not taken.in_time:\n            return learned\n",
            "        return learned\n",
        ),
        catchers=(f"{TROUBLE}::test_a_registration_that_was_lost_is_sent_again_after_a_read",),
    ),
    bug(
        "another sum at portone is taken for ours",
        "the customer is charged what nobody agreed on",
        (DIFFERENCE, "    if shown.money != money:\n", "    if shown.money is None:\n"),
        catchers=(f"{TROUBLE}::test_a_schedule_that_portone_has_over_another_sum_is_revoked_and_registered_again",),
    ),
    bug(
        "two processes serve one schedule at once",
        "one revokes what the other registers",
        (STEP, "schedule.lease_until is not None and schedule.lease_until > moment.real", "schedule.lease_until == 0"),
        catchers=(f"{TROUBLE}::test_two_workers_with_one_schedule_send_it_once",),
    ),
    bug(
        "a registration that comes too late stays",
        "a schedule that was closed here charges a customer who left",
        (STEP, "        _take_back(ports, schedule_id)\n", "        pass\n"),
        catchers=(f"{TROUBLE}::test_a_registration_that_comes_after_a_cancellation_is_taken_back",),
    ),
    bug(
        "a registered schedule is never compared",
        "what changed beside the subscription reaches PortOne never",
        (
            STEP,
            "    return None if wait is None else moment.real",
            "    return None if wait is not None else moment.real",
        ),
        catchers=(f"{TROUBLE}::test_a_key_that_dies_elsewhere_revokes_an_hour_before_the_date",),
    ),
    bug(
        "every schedule of a period has the first number",
        "PortOne refuses each schedule after the first",
        (REGISTER, "        generation = 1 + earlier.count(each.subscription.id)\n", "        generation = 1\n"),
        catchers=(f"{COLLECTS}::test_another_card_revokes_and_registers_anew",),
    ),
    bug(
        "a schedule that was claimed is claimed again",
        "each scan hands out the same schedules",
        (
            SQL,
            "UPDATE schedules SET next_step_at = :lease_until",
            "UPDATE schedules SET next_step_at = least(next_step_at, CAST(:lease_until AS timestamptz))",
        ),
        catchers=(f"{TROUBLE}::test_a_scan_gives_out_a_schedule_once",),
    ),
    bug(
        "a change of a subscription wakes no schedule",
        "a canceled subscription stays scheduled until an hour before the date",
        (
            MIGRATION,
            "AND status = 'registered';",
            "AND status = 'executed';",
        ),
        catchers=(f"{COLLECTS}::test_a_cancellation_revokes_what_is_registered",),
    ),
    bug(
        "a customer who is charged today is moved in",
        "the old program charges the period, and so does the worker",
        (MOVE_IN, "LEAST_LEAD = timedelta(hours=24)", "LEAST_LEAD = timedelta(hours=1)"),
        catchers=(f"{MOVING}::test_who_is_charged_within_a_day_is_refused",),
    ),
    bug(
        "an old schedule over another price is adopted",
        "the customer pays what the plan does not say",
        (MOVE_IN, "        if shown.money != plan.money:\n", "        if shown.money is None:\n"),
        catchers=(f"{MOVING}::test_another_price_and_another_date_are_refused_by_name",),
    ),
    bug(
        "an adopted schedule does not count as the next one",
        "the period is registered at PortOne a second time",
        (MOVE_IN, "        subscription.scheduled_index = number\n", ""),
        catchers=(f"{MOVING}::test_a_scheduled_customer_stays_with_portone",),
    ),
    bug(
        "a customer moves beside a schedule that cannot be read",
        "the old program's schedule and a worker charge the same period",
        (AT_PORTONE, "    if unreadable:\n", "    if unreadable and not found:\n"),
        catchers=(f"{GARBLED}::test_a_second_schedule_that_is_garbled_refuses_its_customer",),
    ),
    bug(
        "a schedule without its key is taken for a stranger's",
        "its customer moves, and is charged twice",
        (AT_PORTONE, "NOBODY in self.readable or NOBODY in self.unreadable", "NOBODY in self.unreadable"),
        catchers=(f"{GARBLED}::test_a_row_without_its_key_is_its_customers_all_the_same",),
    ),
    bug(
        "a garbled row that was revoked counts",
        "a customer is refused although the operator did what the refusal asked for",
        (
            SCHEDULE_ANSWERS,
            "UnreadableSchedule(merchant_uid[:LONGEST_SHOWN], customer_uid, problem, may_run)",
            "UnreadableSchedule(merchant_uid[:LONGEST_SHOWN], customer_uid, problem)",
        ),
        catchers=(f"{GARBLED}::test_a_garbled_row_that_is_over_refuses_nobody",),
    ),
    bug(
        "one customer's garbled answer ends the whole move",
        "nobody behind that row of the file can be moved",
        (MOVERS, "                if unread == MOST_UNREAD:\n", "                if unread:\n"),
        catchers=(f"{GARBLED}::test_a_customer_about_whom_portone_cannot_be_read_is_refused_alone",),
    ),
    bug(
        "what changed while portone was read is a difference",
        "operators are told of schedules that were revoked a second ago",
        (COMPARE, "            ours = uow.schedules.get(ours.id)\n", "            uow.schedules.get(ours.id)\n"),
        catchers=(f"{BOTH_LISTS}::test_a_list_that_lags_behind_is_no_difference",),
    ),
    bug(
        "what a clerk brought back stays at portone",
        "a customer who has canceled is charged, and gets the money back days later",
        (
            REVIEW,
            "if difference.kind is DifferenceKind.REVIVED and",
            "if difference.kind is DifferenceKind.UNKNOWN and",
        ),
        catchers=(f"{BOTH_LISTS}::test_a_revoked_one_that_a_clerk_revives_early_is_revoked_again",),
    ),
    bug(
        "what was not read counts as settled",
        "an alert closes although PortOne will still charge",
        (REVIEW, " and order not in found.unread", ""),
        catchers=(f"{BOTH_LISTS}::test_an_alert_whose_difference_was_not_read_this_time_stays",),
    ),
    bug(
        "the comparison of a few dates closes the alerts of all",
        "a difference is told for five minutes, and then for a day not",
        (REVIEW, "    if span is None:\n", "    if found is not None:\n"),
        catchers=(f"{BOTH_LISTS}::test_the_job_compares_all_once_a_day_and_each_date_two_hours_before",),
    ),
    bug(
        "dates are compared when they have come",
        "what a clerk changed on the last day is found after it has charged",
        (SPANS, "return begin + LAST_LOOK, self.ends_at + LAST_LOOK", "return begin, self.ends_at"),
        catchers=(
            f"{SPANS_TEST}::test_each_date_of_a_schedule_is_compared_once_before_it_comes_and_all_once_a_day",
            f"{BOTH_LISTS}::test_what_changes_in_the_last_day_is_found_two_hours_before_its_date",
        ),
    ),
    bug(
        "a second schedule that ran early is never looked at",
        "a customer pays a period twice, and no book of ours has the second payment",
        (SCHEDULED, "    _look_at_another(ports, uow, settlement, others, moment)\n", ""),
        catchers=(f"{EARLY}::test_two_that_paid_early_are_one_refund",),
    ),
    bug(
        "a period that was paid early keeps its other schedule",
        "PortOne charges it once more at its date",
        (
            LEFTOVER,
            "            revoke_all(uow, others_of_period(uow, schedule), schedule, moment)\n",
            "            pass\n",
        ),
        catchers=(f"{EARLY}::test_one_that_paid_early_revokes_the_other_one_of_its_period",),
    ),
    bug(
        "a period that was paid early is registered again",
        "PortOne charges it once more at its date, by a new schedule",
        (REGISTER, "    if not ran and not any(", "    if not any("),
        catchers=(f"{EARLY}::test_one_that_paid_early_revokes_the_other_one_of_its_period",),
    ),
    bug(
        "money that came early stays after a cancellation",
        "a customer who left has paid for a period that never begins",
        (REVIEW, "    _take_back_money(ports, found, before_call)\n", ""),
        catchers=(f"{EARLY}::test_money_that_came_early_goes_back_where_the_period_is_not_waited_for",),
    ),
    bug(
        "what recovery met is taken for our own try",
        "a card that PortOne's Recovery found stolen counts as declined by a charge that was never placed",
        (PROOF, "if attempt.scheduled or payment.status is not PaymentStatus.FAILED:", "if payment is not None:"),
        catchers=(
            f"{RECOVERY}::test_its_failure_hours_ago_is_not_the_outcome_of_our_lost_try",
            f"{RECOVERY}::test_its_failure_while_our_try_is_under_way_does_not_decide_it",
        ),
    ),
)
