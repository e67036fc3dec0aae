"""Mistakes in dunning policies: their steps, hours, caps, versions and ends."""

from tests.planted.bug import bug

POLICY = "billing_worker/domain/dunning/policy.py"
PLANNER = "billing_worker/domain/dunning/planner.py"
CAPS = "billing_worker/domain/dunning/caps.py"
GIVING_UP = "billing_worker/domain/giving_up.py"
SETTLEMENT = "billing_worker/domain/settlement.py"
SUBSCRIPTION = "billing_worker/domain/subscription.py"
INVOICE = "billing_worker/domain/invoice.py"
RENEW = "billing_worker/usecases/subscription/renew.py"
CARD_CAPS = "billing_worker/usecases/control/card_caps.py"
TURNS = "billing_worker/usecases/control/turns.py"
CANCELED = "billing_worker/usecases/settle/canceled.py"
RECORD = "billing_worker/usecases/settle/record.py"
STATEMENTS = "billing_worker/adapters/database/charging_statements.py"
MIGRATION = "billing_worker/adapters/database/migrations/versions/0023_policies.py"
SPARED = "billing_worker/domain/spared.py"
ALERTS = "billing_worker/usecases/settle/alerts.py"
REPLACE = "billing_worker/usecases/subscription/replace_key.py"
ADVICE = "tests/usecases/test_declines_are_treated_by_their_advice.py"
WALK = "tests/usecases/test_dunning_policies_on_a_calendar.py"
MIGRATIONS = "tests/database/test_migrations.py"

NEWEST = (
    "dunning_policies.id = (SELECT max(n.id) FROM dunning_policies n"
    " WHERE n.name = split_part(invoices.dunning_policy, '@', 1))"
)

BUGS = (
    bug(
        "the step of the next decline",
        "a customer gets the second wait after the first decline, and one try too few",
        (
            POLICY,
            "return steps[declines - 1] if 0 < declines <= len(steps)",
            "return steps[declines] if declines < len(steps)",
        ),
        catchers=(f"{WALK}::test_a_failure_and_a_retry_by_hand_spend_no_step",),
    ),
    bug(
        "every decline has the common steps",
        "a customer without money is tried the next day, not on a payday",
        (POLICY, "else self.by_category.get(category, self.steps)", "else self.steps"),
        catchers=(f"{WALK}::test_steps_of_a_category_follow_its_declines_only",),
    ),
    bug(
        "caps without the tries under way",
        "two workers try a declining card once too often together",
        (CARD_CAPS, "[self._now] * self._open.get(due.key.id, 0)", "()"),
        catchers=(
            f"{WALK}::test_a_try_that_is_under_way_counts_until_its_outcome_is_known",
            f"{WALK}::test_two_workers_do_not_exceed_a_cap_together",
        ),
    ),
    bug(
        "declines of a card are not kept",
        "three subscriptions of one card try it as often as each may alone",
        (SETTLEMENT, "key.declined_at = remember(key.declined_at, now)", "remember(key.declined_at, now)"),
        catchers=(f"{WALK}::test_one_card_of_three_subscriptions_is_never_tried_more_often_than_card_networks_allow",),
    ),
    bug(
        "one cap instead of both",
        "a card is tried ten times a day for a month",
        (CAPS, "Cap(20, timedelta(days=30))", "Cap(20, timedelta(days=3))"),
        catchers=(f"{WALK}::test_one_card_of_three_subscriptions_is_never_tried_more_often_than_card_networks_allow",),
    ),
    bug(
        "a late worker charges at night",
        "an outage in the evening wakes customers with a declined charge",
        (TURNS, "self._opened(due, due.hours, now)", "now"),
        catchers=(f"{WALK}::test_a_try_waits_for_the_end_of_the_quiet_hours_also_when_the_workers_are_late",),
    ),
    bug(
        "quiet hours hold nothing",
        "the next date lies in the night",
        (PLANNER, "for quiet in quiet_hours:", "for quiet in facts.closed:"),
        catchers=(f"{WALK}::test_a_try_waits_for_the_end_of_the_quiet_hours_also_when_the_workers_are_late",),
    ),
    bug(
        "hours that close the day",
        "the answer of the gateway is never recorded where the hours of policy and PG leave no time",
        (PLANNER, "    if not leave_time(quiet_hours):\n        quiet_hours = facts.closed\n", ""),
        catchers=(f"{WALK}::test_hours_that_leave_no_time_hold_up_no_answer",),
    ),
    bug(
        "one count of all that is spared",
        "after a week of a wrong setting the next outage spends a step of dunning",
        (SPARED, "each.decline_advice is attempt.decline_advice", "each.decline_advice is not None"),
        catchers=(f"{ADVICE}::test_an_outage_and_a_mistake_of_the_merchant_use_up_nothing_of_each_other",),
    ),
    bug(
        "an outage closes the merchant's alert",
        "a payment after an outage says that the merchant has changed the setting",
        (ALERTS, "each.decline_advice is Advice.FIX_CONFIGURATION for", "each.decline_advice is not None for"),
        catchers=(f"{ADVICE}::test_a_payment_after_an_outage_does_not_say_that_the_merchant_has_changed_anything",),
    ),
    bug(
        "the same card voids the debt",
        "a card that is set once more wipes out what is owed",
        (REPLACE, "if is_another and _begins_anew(", "if _begins_anew("),
        catchers=(f"{WALK}::test_the_same_card_once_more_voids_no_debt",),
    ),
    bug(
        "won back again and again",
        "a customer who does not pay is tried each week for ever",
        (GIVING_UP, "if ending.win_back is not None and not invoice.won_back:", "if ending.win_back is not None:"),
        (SETTLEMENT, "ends = give_up_again if asked_again else give_up", "ends = give_up"),
        catchers=(f"{WALK}::test_a_declined_try_to_win_back_ends_as_before_and_is_the_only_one",),
    ),
    bug(
        "the newest version counts",
        "a change in the middle of dunning moves the dates of customers",
        (
            STATEMENTS,
            (
                "payment_attempts, DEFINITION)\n"
                "    .join(dunning_policies, dunning_policies.c.id == invoices.c.dunning_policy)"
            ),
            "payment_attempts, DEFINITION)\n    .join(dunning_policies, text(NEWEST))",
        ),
        (STATEMENTS, "_own_key = func", f"NEWEST = {NEWEST!r}\n_own_key = func"),
        catchers=(f"{WALK}::test_an_invoice_keeps_the_version_that_it_began_with",),
    ),
    bug(
        "past due stops renewals",
        "a merchant who keeps customers past due loses every later period",
        (
            GIVING_UP,
            "        case FinalAction.KEEP_PAST_DUE:\n            fall_behind(subscription, invoice, events)\n",
            "        case FinalAction.KEEP_PAST_DUE:\n            subscription.move_to(SubscriptionStatus.UNPAID)\n",
        ),
        catchers=(f"{WALK}::test_the_final_action_keeps_a_subscription_past_due_and_its_periods_go_on",),
    ),
    bug(
        "a failure spends a step of a policy",
        "an outage of a card company uses up a customer's tries",
        (
            SETTLEMENT,
            "        invoice.spared += 1\n        #",
            "        invoice.declines += 1\n        #",
        ),
        catchers=(f"{WALK}::test_a_failure_and_a_retry_by_hand_spend_no_step",),
    ),
    bug(
        "a canceled subscription still owes",
        "an invoice of a subscription that dunning ended stays open for ever",
        (RECORD, "    for settlement in alive:\n        void_the_rest(uow, settlement.subscription, moment)\n", ""),
        catchers=(f"{WALK}::test_the_final_action_cancels_and_nothing_is_charged_any_more",),
    ),
    bug(
        "moved dates keep their number",
        "the audit takes a moved date for a period that was lost, and stops charging",
        (SUBSCRIPTION, "        self.next_period_index += 1\n        self.anchor,", "        self.anchor,"),
        catchers=(f"{WALK}::test_a_late_payment_moves_the_dates_where_the_policy_says_so",),
    ),
    bug(
        "an update gives all invoices one policy",
        "customers whose plan tries no more are tried five times after an update",
        (MIGRATION, "        if _kept(days) == DEFAULT:\n            continue\n", "        continue\n"),
        catchers=(f"{MIGRATIONS}::test_the_days_of_plans_and_payments_become_policies_that_their_invoices_keep",),
    ),
    bug(
        "held at night",
        "a win-back that a cap holds back is charged in the quiet hours",
        (
            TURNS,
            "look_at=self._opened(due, due.hours_after_a_wait, opens)",
            "look_at=opens",
        ),
        catchers=(f"{WALK}::test_a_try_to_win_back_that_a_cap_holds_keeps_the_quiet_hours",),
    ),
    bug(
        "anew beside a paid one",
        "a new card begins a new period while a paid one still runs",
        (
            REPLACE,
            "if any(each.status is InvoiceStatus.PAID and",
            "if any(each.status is InvoiceStatus.VOID and",
        ),
        catchers=(f"{WALK}::test_another_card_begins_no_new_period_beside_a_paid_one_that_still_runs",),
    ),
    bug(
        "left over from another anchor",
        "a left-over schedule's period is counted from dates that moved since",
        (
            "billing_worker/usecases/schedule/leftover.py",
            "due.plan.calendar.start_after(start, 1, start)",
            "due.plan.calendar.start_after(due.subscription.anchor, due.subscription.counted(2), start)",
        ),
        catchers=("tests/schedules/test_one_period_two_ways.py::test_a_late_revocation_is_one_refund_and_one_alert",),
    ),
)
