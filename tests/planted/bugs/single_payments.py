"""Mistakes in single payments, and in the options of a charge."""

from tests.planted.bug import bug

CREATE = "billing_worker/usecases/payment/create.py"
CANCEL = "billing_worker/usecases/payment/cancel.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
OPTIONS = "billing_worker/domain/payment_options.py"
INVOICE = "billing_worker/domain/invoice.py"
EVENTS = "billing_worker/domain/events.py"
REQUESTS = "billing_worker/adapters/portone/requests.py"
STATEMENTS = "billing_worker/adapters/database/charging_statements.py"
INVOICES = "billing_worker/adapters/database/invoices.py"
STOPS = "billing_worker/adapters/database/stops.py"
SPENDING = "billing_worker/adapters/database/spending.py"
RENEW = "billing_worker/usecases/subscription/renew.py"
RECORD = "billing_worker/usecases/settle/record.py"
CONFIRM = "billing_worker/usecases/key/confirm.py"
CARD = "billing_worker/usecases/charge/card_payment.py"
TESTS = "tests/usecases/test_single_payments.py"
BY_CARD = "tests/usecases/test_payments_by_card.py"

BUGS = (
    bug(
        "an order number is looked up in one's own payments only",
        "a repeat of an order number is a second payment, or an error without the first one's id",
        (
            INVOICES,
            "            found = self.with_merchant_uid(entity.merchant_uid)\n            if found is None:\n",
            "            found = None\n            if found is None:\n",
        ),
        catchers=(f"{TESTS}::test_the_merchants_own_order_number_is_the_merchant_uid_and_its_repeat_is_refused",),
    ),
    bug(
        "a single payment is not locked",
        "two workers begin an attempt for it, and one of them fails",
        (
            STATEMENTS,
            "        self.waiting_singles = single.with_for_update()\n",
            "        self.waiting_singles = single\n",
        ),
        catchers=(f"{TESTS}::test_a_payment_under_way_is_not_canceled",),
    ),
    bug(
        "the scan passes single payments over",
        "a payment at a time is never charged",
        (INVOICES, "AND (i.subscription_id IS NULL OR s.status = ANY(:collecting))", "AND s.status = ANY(:collecting)"),
        catchers=(f"{TESTS}::test_it_is_charged_at_its_time_and_not_before",),
    ),
    bug(
        "a later payment is due at once",
        "a customer is charged before the agreed day",
        (CREATE, "        next_attempt_at=single.at,\n", "        next_attempt_at=now,\n"),
        catchers=(f"{TESTS}::test_it_is_charged_at_its_time_and_not_before",),
    ),
    bug(
        "a declined payment is tried as a plan would",
        "a merchant who asked for one charge gets five",
        (CREATE, "wanted.dunning_policy, wanted.retry_days,", "wanted.dunning_policy, wanted.retry_days or (1, 3),"),
        catchers=(f"{TESTS}::test_after_a_decline_it_is_tried_again_only_as_it_was_asked_for",),
    ),
    bug(
        "a payment under way is voided",
        "money arrives for a canceled payment",
        (CANCEL, "        if locked.has_open_attempt:\n", "        if False:\n"),
        catchers=(f"{TESTS}::test_a_payment_under_way_is_not_canceled",),
    ),
    bug(
        "a stop on one payment holds nothing",
        "an operator's stop is passed over",
        (STATEMENTS, "literal(INVOICE).concat(invoices.c.id)", 'literal("none:").concat(invoices.c.id)'),
        (STOPS, "'{INVOICE}' || i.id", "'none:' || i.id"),
        catchers=(f"{TESTS}::test_a_stop_holds_it_and_why_says_so",),
    ),
    bug(
        "single payments are left out of a customer's budget",
        "a mistake in the shop's loop empties a card",
        (SPENDING, "        UNION ALL SELECT id FROM invoices WHERE customer = ANY(:customers)) own", "        ) own"),
        catchers=(f"{TESTS}::test_it_counts_against_the_budget_of_its_customer",),
    ),
    bug(
        "the issuing payment of a key pays a single payment",
        "a named sum is not charged",
        (
            BEGIN,
            "        issue = due.key.undecided_issue(due.subscription.id) if due.subscription is not None else None\n",
            '        issue = due.key.undecided_issue(due.subscription.id if due.subscription is not None else "")\n',
        ),
        catchers=(f"{TESTS}::test_a_paymentwall_key_is_charged_although_its_issuing_payment_is_undecided",),
    ),
    bug(
        "the part without tax is sent as the whole",
        "a refund in parts gives back more without tax than was paid",
        (
            OPTIONS,
            "else free_after - free_before), vat\n",
            "else tax_free), vat\n",
        ),
        catchers=(f"{TESTS}::test_it_is_given_back_in_parts_with_its_parts_by_tax",),
    ),
    bug(
        "the options of a plan stay with the plan",
        "a tax-exempt merchant's periods are charged with VAT",
        (RENEW, "        options=due.plan.options,\n", ""),
        catchers=(f"{TESTS}::test_plans_have_options_too_and_each_period_carries_them",),
    ),
    bug(
        "a VAT beyond the taxed part is taken",
        "PortOne declines, or books a wrong VAT",
        (OPTIONS, "wanted.vat_amount > taxed", "wanted.vat_amount > money.amount"),
        catchers=(f"{TESTS}::test_what_portone_or_the_pg_would_refuse_is_refused_here_by_field",),
    ),
    bug(
        "options are dropped on the way out",
        "instalments and notice addresses never reach PortOne",
        (REQUESTS, "    return fields | _options(request)\n", "    return fields\n"),
        catchers=(f"{TESTS}::test_the_options_reach_portone_as_they_were_given",),
    ),
    bug(
        "a declined first payment leaves its key pending",
        "a card that was refused becomes a key that is charged",
        (RECORD, "    if key.invalidate(reason):\n", "    if False:\n"),
        catchers=(f"{BY_CARD}::test_a_declined_payment_leaves_no_key_that_would_be_charged",),
    ),
    bug(
        "the key of a first payment is confirmed while that payment is unclear",
        "a key is charged before its first payment is known",
        (CONFIRM, " or key.waits_for is KeyWait.FIRST_PAYMENT", ""),
        (CARD, ", next_look_at=None)", ")"),
        catchers=(f"{BY_CARD}::test_an_unclear_answer_is_read_and_the_card_is_never_sent_again",),
    ),
    bug(
        "a card that is not kept leaves an active key",
        "a one-time card is charged again",
        (CARD, "else (KeyStatus.DELETED, None)", "else (KeyStatus.ACTIVE, None)"),
        catchers=(f"{BY_CARD}::test_a_one_time_payment_is_taken_and_its_card_is_never_charged_again",),
    ),
    bug(
        "a first payment overwrites a key that PortOne has",
        "another customer's key is lost, and stays at the PG",
        (CARD, "        if known:\n", "        if False:\n"),
        catchers=(f"{BY_CARD}::test_no_card_is_sent_over_a_key_that_portone_has_or_may_have",),
    ),
    bug(
        "a process that stalled still sends the card",
        "the payment is taken after the resolver has concluded that it never was",
        (CARD, "    if ports.clock.moment().real + deadline > intent.lease_until:\n", "    if False:\n"),
        catchers=(f"{BY_CARD}::test_a_worker_that_wakes_up_late_sends_nothing_any_more",),
    ),
    bug(
        "a stop does not hold payments by card",
        "money is taken while an operator has stopped all charging",
        (CARD, "    if due.stop is not None:\n", "    if False:\n"),
        catchers=(f"{BY_CARD}::test_what_holds_charges_holds_this_one_and_nothing_is_stored",),
    ),
)
