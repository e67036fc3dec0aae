"""Mistakes around one charge: intent, call, outcome."""

from tests.planted.bug import bug

COLLECT = "billing_worker/usecases/charge/collect.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
ALERTS = "billing_worker/usecases/settle/alerts.py"
RECORD = "billing_worker/usecases/settle/record.py"
RENEW = "billing_worker/usecases/subscription/renew.py"
SETTLE = "billing_worker/domain/settlement.py"
GATEWAY = "billing_worker/adapters/portone/gateway.py"
ANSWERS = "billing_worker/adapters/portone/answers.py"
ENVELOPE = "billing_worker/adapters/portone/envelope.py"
UNANSWERED = (
    '                return {}(f"no answer: {{reason}}", evidence, '
    "trouble=None if late and ours else Trouble.NO_ANSWER)\n"
)
ASKED = "tests/usecases/test_cancel_and_retry_on_request.py"
REPLACED = "tests/usecases/test_subscribe_and_replace_keys.py"
COLLECTS = "tests/usecases/test_collect_charges_what_is_due.py"
RESOLVES = "tests/usecases/test_reconcile_reads_until_it_knows.py"
LEASES = "tests/usecases/test_leases_and_fences.py"
HINTS = "tests/usecases/test_notifications_are_hints.py"
STEPS = "tests/faults/test_every_step_may_fail_once.py"
TRIAL = "tests/usecases/test_a_test_channel_pays_nothing.py"
IDS = "tests/usecases/test_clocks_and_order_ids.py"

BUGS = (
    bug(
        "no intent",
        "the attempt is written down, but not committed before the call",
        (
            BEGIN,
            "            _write(ports, uow, decided, moment)\n            uow.commit()\n",
            "            _write(ports, uow, decided, moment)\n",
        ),
        (
            BEGIN,
            "        uow.subscriptions.save_all([each.subscription for each in found])\n        uow.commit()\n",
            "        uow.subscriptions.save_all([each.subscription for each in found])\n",
        ),
        catchers=(f"{COLLECTS}::test_a_due_period_is_paid_with_one_payment",),
    ),
    bug(
        "test channel pays",
        "a payment of a test channel counts as paid by a worker that charges real cards",
        (ENVELOPE, "    if on_test_channel and not test_channels:\n", "    if False:\n"),
        catchers=(f"{TRIAL}::test_what_a_test_channel_approved_is_never_paid_and_an_alert_opens",),
    ),
    bug(
        "transaction across the call",
        "a connection is held while the gateway is called",
        (
            COLLECT,
            "            outcome = ports.gateway.charge(intent.request)\n",
            (
                "            with ports.database.transaction() as uow:\n"
                "                uow.attempts.get(intent.attempt_id)\n"
                "                outcome = ports.gateway.charge(intent.request)\n"
            ),
        ),
        catchers=(
            "tests/faults/test_the_database_goes_away.py::test_no_connection_is_taken_from_the_pool_during_the_call",
        ),
    ),
    bug(
        "timeout is a failure",
        "no answer counts as not placed",
        (GATEWAY, UNANSWERED.format("Unknown"), UNANSWERED.format("Failed")),
        catchers=(
            "tests/adapters/test_portone_network.py::test_silence_ends_with_the_deadline",
            f"{RESOLVES}::test_a_reply_that_was_lost_after_the_charge_ends_paid_with_one_payment[drop-after-charge-1x]",
        ),
    ),
    bug(
        "timeout is a decline",
        "no answer counts as declined",
        (
            GATEWAY,
            UNANSWERED.format("Unknown"),
            '                return answers.refusal(f"no answer: {reason}", evidence)\n',
        ),
        catchers=("tests/adapters/test_portone_network.py::test_silence_ends_with_the_deadline",),
    ),
    bug(
        "new order id after a timeout",
        "what seems never to have arrived is charged under a new merchant_uid",
        ("billing_worker/usecases/charge/reconcile.py", "new_merchant_uid=attempt.refused", "new_merchant_uid=True"),
        catchers=(
            f"{RESOLVES}::test_a_charge_that_completes_after_absence_was_proven_is_not_charged_twice",
            f"{IDS}::test_a_period_has_the_same_order_id_whenever_it_is_opened_and_charged",
        ),
    ),
    bug(
        "order id of the delivery",
        "every attempt has a merchant_uid of its own",
        (
            BEGIN,
            "        decided.attempts.append(",
            (
                "        if due.invoice.attempts:\n            due.invoice.generation += 1\n"
                "            order = due.invoice.merchant_uid[:-2]\n"
                '            due.invoice.merchant_uid = f"{order}{due.invoice.generation:02d}"\n'
                "        decided.attempts.append("
            ),
        ),
        catchers=(f"{IDS}::test_a_period_has_the_same_order_id_whenever_it_is_opened_and_charged",),
    ),
    bug(
        "date in the order id",
        "the merchant_uid holds the day on which the period was opened",
        (RENEW, "merchant_uid=merchant_uid(ports", 'merchant_uid=f"{moment.billing:%m%d}" + merchant_uid(ports'),
        catchers=(f"{IDS}::test_a_period_has_the_same_order_id_whenever_it_is_opened_and_charged",),
    ),
    bug(
        "502 takes a new order id",
        "an error of the server counts as not placed, and the next try bears a new merchant_uid",
        (
            ANSWERS,
            "        return Unknown(said, evidence, trouble=trouble_of(answer.status), duplicate=",
            "        return Failed(said, evidence, new_merchant_uid=not ",
        ),
        catchers=(
            f"{RESOLVES}::test_a_reply_that_was_lost_after_the_charge_ends_paid_with_one_payment[error500-charged-1x]",
            "tests/adapters/test_portone_answers.py::test_no_other_http_status_proves_anything",
        ),
    ),
    bug(
        "duplicate is a decline",
        "an order id that is refused as used counts as declined",
        (
            ANSWERS,
            "    if _is_duplicate(envelope):\n        return Unknown(",
            "    if _is_duplicate(envelope):\n        return refusal(said, evidence)\n        return Unknown(",
        ),
        catchers=(f"{RESOLVES}::test_a_duplicate_refusal_is_read_and_never_taken_for_a_decline",),
    ),
    bug(
        "fence dropped",
        "a worker that lost its lease writes its outcome all the same",
        (RECORD, "if each.attempt.fence == answer.fence]", "]"),
        (RECORD, "if each.attempt.fence != answer.fence]", "if False]"),
        catchers=(f"{LEASES}::test_a_worker_whose_lease_ended_writes_nothing_but_evidence",),
    ),
    bug(
        "fence not raised",
        "the resolver decides without taking the attempt away from its worker",
        ("billing_worker/usecases/charge/reconcile.py", "            attempt.fence += 1\n", ""),
        catchers=(f"{LEASES}::test_a_worker_whose_lease_ended_writes_nothing_but_evidence",),
    ),
    bug(
        "recorded once only",
        "an answer is forgotten when the connection breaks during its commit",
        (RECORD, "RECORD_TRIES = 3", "RECORD_TRIES = 1"),
        catchers=(
            "tests/faults/test_the_database_goes_away.py::test_sessions_that_end_during_the_call_do_not_disturb_it",
        ),
    ),
    bug(
        "open attempt not asked for",
        "an invoice whose outcome is unknown is charged again",
        (BEGIN, " or due.has_open_attempt:", ":"),
        catchers=(f"{RESOLVES}::test_an_invoice_with_an_unknown_attempt_is_not_charged_by_any_path",),
    ),
    bug(
        "cancel checked outside the lock",
        "the subscription is read without its row being locked",
        (
            "billing_worker/adapters/database/charging_statements.py",
            "        self.waiting = found.with_for_update()\n",
            "        self.waiting = found\n",
        ),
        catchers=(
            (
                "tests/faults/test_a_charge_waits_for_a_cancellation.py::"
                "test_a_charge_that_meets_a_cancellation_under_way_waits_and_then_leaves_it"
            ),
        ),
    ),
    bug(
        "outage uses up dunning",
        "a charge that was never placed counts as a decline",
        (SETTLE, "        invoice.failures += 1\n", "        invoice.failures += 1\n        invoice.declines += 1\n"),
        catchers=(f"{COLLECTS}::test_a_charge_that_was_provably_not_placed_uses_up_no_dunning",),
    ),
    bug(
        "a retry by hand spends a step",
        "two clicks use up the policy, and the subscription ends",
        (SETTLE, "    invoice.declines += spends\n", "    invoice.declines += 1\n"),
        catchers=(f"{ASKED}::test_retries_by_hand_spend_nothing_of_the_policy",),
    ),
    bug(
        "a retry by hand moves the policy's date",
        "each click puts off the next try by a whole wait",
        (SETTLE, " if spends else invoice.resumes_at\n", "\n"),
        catchers=(f"{ASKED}::test_retries_by_hand_spend_nothing_of_the_policy",),
    ),
    bug(
        "a given-up invoice stays so on a new card",
        "another card charges nothing, although the command promises it",
        (
            "billing_worker/domain/invoice.py",
            "if at_once and not self.awaits_decision and",
            "if at_once and self.next_attempt_at is not None and",
        ),
        catchers=(f"{REPLACED}::test_an_invoice_that_was_given_up_is_charged_at_once_on_the_new_card",),
    ),
    bug(
        "late payment ignored",
        "a closed attempt never changes, whatever the gateway shows",
        (
            SETTLE,
            " or not isinstance(outcome, Approved)):",
            " or attempt):",
        ),
        catchers=(f"{HINTS}::test_a_decline_that_turns_into_a_payment_days_later_settles_and_reactivates",),
    ),
    bug(
        "second payment not told",
        "money that came twice raises no alert",
        (ALERTS, "    if attempt.surplus:\n", "    if attempt.surplus and not attempt.imp_uid:\n"),
        catchers=(f"{HINTS}::test_a_late_approval_after_a_retry_was_paid_is_surplus_and_is_given_back",),
    ),
    bug(
        "hard decline tried again",
        "a stolen card is charged again like any other",
        (
            SETTLE,
            "    elif is_dead:",
            "    elif is_dead and not settlement.key:",
        ),
        catchers=(f"{COLLECTS}::test_after_a_hard_decline_nothing_more_is_charged_on_the_key",),
    ),
)
