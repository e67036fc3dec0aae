"""Mistakes with what is forgotten and what is kept."""

from tests.planted.bug import bug

FORGETTING = "billing_worker/adapters/database/forgetting.py"
FORGET = "billing_worker/usecases/customer/forget.py"
TESTS = "tests/usecases/test_a_customer_is_forgotten.py"
UNTIL_NEW = "id < ALL (SELECT min(id) FROM following WHERE received_at >= :before HAVING count(*) > 0)"

BUGS = (
    bug(
        "kept answers remember",
        "a kept answer still holds the customer's name",
        (FORGETTING, "UPDATE kept_answers SET body = :emptied", "UPDATE kept_answers SET body = body || :emptied"),
        catchers=(f"{TESTS}::test_nothing_personal_is_left_and_all_the_money_is",),
    ),
    bug(
        "refund's answer remembers",
        "the kept answer to a request for a refund still holds its reason",
        (FORGETTING, '(*wanted["own"], *wanted["refunds"])', 'wanted["own"]'),
        catchers=(f"{TESTS}::test_what_alerts_stops_and_answers_quote_goes_too",),
    ),
    bug(
        "alerts remember",
        "closed alerts about a customer's payments and refunds still quote texts about the customer",
        (FORGETTING, "OR subject_id = ANY(:attempts) OR subject_id = ANY(:refunds)", ""),
        catchers=(f"{TESTS}::test_what_alerts_stops_and_answers_quote_goes_too",),
    ),
    bug(
        "all alerts forget",
        "the alerts about all other customers lose their words",
        (FORGETTING, "closed_at IS NOT NULL AND (\n", "closed_at IS NOT NULL AND (TRUE OR\n"),
        catchers=(f"{TESTS}::test_an_alert_about_another_customer_keeps_its_words",),
    ),
    bug(
        "forgotten while it pays",
        "a customer is forgotten while a subscription still charges",
        (FORGET, "        if still_open:\n", "        if not still_open:\n"),
        catchers=(f"{TESTS}::test_it_is_refused_while_money_may_move_and_names_what_is_open",),
    ),
    bug(
        "count empties",
        "the preview of what would be emptied empties it",
        (FORGET, "        if not only_count:\n", "        if True:\n"),
        catchers=(f"{TESTS}::test_nothing_personal_is_left_and_all_the_money_is",),
    ),
    bug(
        "other customer's card",
        "a key that another customer uses is emptied",
        (FORGETTING, "for each in keys if not each.is_shared]", "for each in keys]"),
        catchers=(f"{TESTS}::test_a_key_of_two_customers_is_left_and_named",),
    ),
    bug(
        "other customer's second card",
        "a key that another customer has as a fallback is emptied",
        (FORGETTING, "        UNION ALL SELECT billing_key_id, subscription_id FROM fallback_keys\n", ""),
        catchers=(f"{TESTS}::test_a_key_that_another_customer_has_as_a_fallback_is_left_and_named",),
    ),
    bug(
        "other customer's earlier card",
        "a key by which another customer paid, before a new card, is emptied",
        (FORGETTING, "coalesce(i.customer, s.customer)", "i.customer"),
        catchers=(f"{TESTS}::test_a_key_by_which_another_customer_once_paid_is_left_and_named",),
    ),
    bug(
        "an answer to another customer is emptied",
        "a kept answer about another customer loses its text",
        (FORGETTING, "WHERE left(part, :tail) = ANY(:tails))", "WHERE left(part, :tail) <> ALL(:tails))"),
        catchers=(f"{TESTS}::test_only_the_kept_answers_that_name_the_customer_are_emptied",),
    ),
    bug(
        "evidence of today",
        "evidence is emptied as soon as it is written",
        (FORGETTING, UNTIL_NEW, "TRUE"),
        catchers=(f"{TESTS}::test_old_evidence_is_emptied_and_old_alerts_are_deleted_in_parts",),
    ),
    bug(
        "evidence out of order",
        "evidence that has a lower number than an older one is never emptied",
        (FORGETTING, UNTIL_NEW, "received_at < :before"),
        catchers=(f"{TESTS}::test_evidence_whose_number_is_out_of_order_is_emptied_too",),
    ),
    bug(
        "evidence is read every minute",
        "while no evidence is old, each run of the upkeep reads all of it",
        (
            FORGETTING,
            "WHERE id > (SELECT last_id FROM mark) ORDER BY id LIMIT :limit)",
            "WHERE id > (SELECT last_id FROM mark) AND received_at < :before ORDER BY id LIMIT :limit)",
        ),
        catchers=(f"{TESTS}::test_a_step_reads_no_more_evidence_than_it_may_empty",),
    ),
)
