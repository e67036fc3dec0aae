"""Mistakes in keeping a card now and charging its payment later."""

from tests.planted.bug import bug

LATER = "billing_worker/usecases/entry/later.py"
RESULT = "billing_worker/usecases/entry/result.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
CARD = "billing_worker/usecases/charge/card_payment.py"
INVOICES = "billing_worker/adapters/database/invoices.py"
PRINT = "billing_worker/web/fingerprint.py"
TESTS = "tests/usecases/test_a_card_now_and_its_payment_later.py"
API = "tests/web/test_api_card_payments.py"

BUGS = (
    bug(
        "a later payment is stored apart from its key",
        "a process that dies in between leaves a key, and loses the payment",
        (
            LATER,
            "        asked = payment(issuing.key)\n",
            "        uow.commit()\n        asked = payment(issuing.key)\n",
        ),
        catchers=(f"{TESTS}::test_a_process_may_die_at_every_step",),
    ),
    bug(
        "a refused card leaves its later payment open",
        "a merchant waits until its time for a payment that never comes",
        (RESULT, "    _give_up_payments(uow, key, moment)\n", ""),
        catchers=(f"{TESTS}::test_a_refused_card_leaves_nothing_that_would_be_charged",),
    ),
    bug(
        "only an answer decides a later payment",
        "where reads find no key, its payment stays open",
        (
            RESULT,
            "    _give_up_payments(uow, key, moment)\n",
            "    if status is CallStatus.REFUSED:\n        _give_up_payments(uow, key, moment)\n",
        ),
        catchers=(f"{TESTS}::test_what_reads_find_out_about_the_key_decides_the_payment",),
    ),
    bug(
        "a later payment passes its unconfirmed key",
        "it is charged, or given up, while no read has shown the key",
        (BEGIN, "    if due.key.status is KeyStatus.PENDING or due.stop", "    if due.stop"),
        (INVOICES, "AND k.status <> 'pending' AND", "AND"),
        catchers=(f"{TESTS}::test_a_payment_whose_time_has_come_waits_for_its_key_and_is_charged_once",),
    ),
    bug(
        "a card with a time is charged at once",
        "a customer pays a week before the agreed day",
        (CARD, "    if wanted.at is not None:\n", "    if False:\n"),
        (CARD, "            at=self.at,\n", ""),
        catchers=(f"{TESTS}::test_the_card_is_kept_at_once_and_charged_at_its_time",),
    ),
    bug(
        "a key is locked before its later payment",
        "two transactions wait for each other, and one of them fails",
        (
            RESULT,
            "    for payment in uow.invoices.singles_of_key(key_id):\n",
            "    uow.keys.lock(key_id)\n    for payment in uow.invoices.singles_of_key(key_id):\n",
        ),
        catchers=(f"{TESTS}::test_the_payment_is_locked_before_the_key_as_everywhere",),
    ),
    bug(
        "a time that is past is taken",
        "a card is charged at once by a request that named another time",
        (LATER, "        if made.of_single.at <= moment.billing:\n", "        if False:\n"),
        catchers=(f"{TESTS}::test_bad_input_names_its_field_and_stores_nothing",),
    ),
    bug(
        "a repeat of a later payment names its key only",
        "a shop that asks again does not learn of its payment",
        (LATER, "            refuse_known_order(uow, order_id)\n", ""),
        catchers=(
            f"{TESTS}::test_a_repeat_is_the_first_payment_before_and_after_its_time",
            f"{TESTS}::test_two_requests_with_one_order_number_at_the_same_time_make_one_payment",
        ),
    ),
    bug(
        "another time is the same request",
        "a shop that moves the date under the same Idempotency-Key is told of the old one",
        (PRINT, '{"amount", "at", "card_quota"', '{"amount", "card_quota"'),
        catchers=(f"{API}::test_one_idempotency_key_is_one_later_payment_and_another_time_is_another_request",),
    ),
)
