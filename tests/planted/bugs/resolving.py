"""Mistakes in reading the gateway: what counts as proof, and what a notification may do."""

from tests.planted.bug import bug

RECONCILE = "billing_worker/usecases/charge/reconcile.py"
WEBHOOK = "billing_worker/usecases/incoming/apply_webhook.py"
PROOF = "billing_worker/domain/proof.py"
REQUESTS = "billing_worker/adapters/portone/requests.py"
GATEWAY = "billing_worker/adapters/portone/gateway.py"
ANSWERS = "billing_worker/adapters/portone/answers.py"
RESOLVES = "tests/usecases/test_reconcile_reads_until_it_knows.py"
HINTS = "tests/usecases/test_notifications_are_hints.py"
PROVES = "tests/domain/test_proof_of_a_payment.py"
ANSWERED = "tests/adapters/test_portone_answers.py"
SETTLES = "tests/domain/test_settlement_of_an_outcome.py"

BUGS = (
    bug(
        "webhook believed",
        "the status is taken from the webhook's body",
        (
            WEBHOOK,
            "    payment, evidence = listing.payments[0]\n",
            (
                "    payment, evidence = listing.payments[0]\n"
                '    payment = replace(payment, status=PaymentStatus(message.payload["status"]))\n'
            ),
        ),
        (
            WEBHOOK,
            "from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT\n",
            "from dataclasses import replace\n\nfrom billing_worker.domain.billing_key import ISSUED_BY_PAYMENT\n",
        ),
        catchers=(f"{HINTS}::test_a_forged_paid_webhook_for_a_failed_payment_changes_nothing",),
    ),
    bug(
        "webhook's order believed",
        "it is not compared under which order the gateway has the payment",
        (WEBHOOK, 'if payment.merchant_uid != message.payload["merchant_uid"]:', "if False:"),
        catchers=(
            f"{HINTS}::test_a_forged_webhook_that_names_a_real_payment_of_another_order_is_ignored_with_an_alert",
        ),
    ),
    bug(
        "find instead of findAll",
        "only the newest payment of an order is read",
        (REQUESTS, "/payments/findAll/", "/payments/find/"),
        catchers=(
            "tests/contracts/test_gateway_against_sandbox.py::test_more_payments_than_a_page_holds",
            "tests/adapters/test_portone_reads.py::test_all_pages_are_read",
        ),
    ),
    bug(
        "first page only",
        "findAll is read without its further pages",
        (GATEWAY, "                if page.next_page is None:", "                if page.payments:"),
        catchers=("tests/adapters/test_portone_reads.py::test_all_pages_are_read",),
    ),
    bug(
        "not found is not charged",
        "one read that finds nothing proves that nothing was charged",
        (RECONCILE, "reading.began_at - attempt.absent_since >= ports", "timedelta(days=1) >= ports"),
        catchers=(
            f"{RESOLVES}::test_one_read_that_finds_nothing_proves_nothing",
            f"{RESOLVES}::test_a_charge_that_completes_between_the_two_reads_is_found",
        ),
    ),
    bug(
        "no control read",
        "absence is believed although the gateway does not show what must be there",
        (RECONCILE, "    if not reading.control:\n", "    if False:\n"),
        catchers=(f"{RESOLVES}::test_without_a_control_read_absence_is_never_believed",),
    ),
    bug(
        "test payments not read",
        "include_sandbox is left out, so that the gateway hides payments of a test channel",
        (REQUESTS, '"?include_sandbox=true" if include_sandbox else ""', '""'),
        catchers=("tests/contracts/test_gateway_against_sandbox.py::test_switchable_facts",),
    ),
    bug(
        "unknown fails by age",
        "what is unknown for a day counts as not placed",
        (
            RECONCILE,
            "    if not reading.control:\n",
            "    if not reading.control and real_now - attempt.lease_until < HUMAN_AFTER:\n",
        ),
        catchers=(
            (
                "tests/usecases/test_unknown_never_fails_by_age.py::"
                "test_while_the_gateway_shows_nothing_at_all_an_attempt_stays_unknown_for_weeks"
            ),
        ),
    ),
    bug(
        "two reads at once",
        "two reads that find nothing count as two, however close they are",
        (RECONCILE, ">= ports.timing.settle_window_of(settlement.key.pg_provider)", ">= timedelta(microseconds=1)"),
        catchers=(f"{RESOLVES}::test_two_reads_closer_than_the_settle_window_prove_nothing",),
    ),
    bug(
        "amount not compared",
        "a payment over less than what is owed settles",
        (PROOF, "if payment.money.amount != request.money.amount:", "if payment.money.amount > request.money.amount:"),
        catchers=(
            f"{ANSWERED}::test_nothing_is_proven[less than asked]",
            f"{RESOLVES}::test_a_payment_over_another_amount_is_neither_settled_nor_charged_again",
        ),
    ),
    bug(
        "card not compared",
        "a payment on another customer_uid settles",
        (PROOF, "if not payment.may_be_of(request.customer_uid):", "if False:"),
        catchers=(f"{RESOLVES}::test_a_payment_on_another_card_is_neither_settled_nor_charged_again",),
    ),
    bug(
        "code not read",
        "a payment is believed although the envelope says that something is wrong",
        (
            ANSWERS,
            "    if envelope.code != 0:\n        return _refused(",
            "    if not envelope.response:\n        return _refused(",
        ),
        catchers=(f"{ANSWERED}::test_nothing_is_proven[code 1 and a payment]",),
    ),
    bug(
        "cancelled is fully cancelled",
        "a partly refunded payment counts as wholly given back",
        (PROOF, " and payment.cancelled.amount >= payment.money.amount", ""),
        catchers=(f"{PROVES}::test_a_partly_refunded_payment_is_approved_because_the_money_was_taken",),
    ),
    bug(
        "failed hides paid",
        "of several payments of an order the latest decides, whether it holds money or not",
        (PROOF, "    return payment.holds_money, open_still, started", "    return False, open_still, started"),
        catchers=(f"{PROVES}::test_a_paid_payment_outweighs_failed_ones_in_any_order_and_at_any_time",),
    ),
    bug(
        "used and forgotten",
        "an attempt forgets with the next answer that its order id was refused as used",
        (
            "billing_worker/domain/settlement.py",
            "attempt.refused = attempt.refused or outcome.duplicate",
            "attempt.refused = outcome.duplicate",
        ),
        catchers=(f"{SETTLES}::test_an_attempt_remembers_that_the_gateway_refused_its_order_id_as_used",),
    ),
)
