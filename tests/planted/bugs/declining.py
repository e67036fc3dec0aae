"""Mistakes in the reading of declines, and in what follows from it."""

from tests.planted.bug import bug

WORDING = "billing_worker/domain/declines/wording.py"
NORMALISER = "billing_worker/domain/declines/normaliser.py"
TEXT = "billing_worker/domain/declines/text.py"
SPARED = "billing_worker/domain/spared.py"
ALERTS = "billing_worker/usecases/settle/alerts.py"
EVERY_PG = "tests/domain/test_declines_of_every_pg.py"
TEXTS = "tests/domain/test_decline_texts.py"
TREATED = "tests/usecases/test_declines_are_treated_by_their_advice.py"
EXPLAINED = "tests/cli/test_declines_are_explained.py"

BUGS = (
    bug(
        "merchant's words read as the card's",
        "a text about the form of a message kills every customer's key",
        (WORDING, "포[맷멧]|f(?<!inf)ormat(?!ion)|", ""),
        catchers=(f"{EVERY_PG}::test_no_text_about_the_merchant_or_a_failure_costs_the_key_in_any_form",),
    ),
    bug(
        "forged cards are tried again",
        "a hard text has no rule, and the card is charged on each day of the policy",
        (WORDING, "위[,·/]*변조(?:카드|등재)|", ""),
        catchers=(f"{EVERY_PG}::test_no_hard_text_is_tried_again_in_any_form",),
    ),
    bug(
        "an http status taken for a code",
        "NICE's bracket hides the code that follows it",
        (NORMALISER, "        if len(codes) > 1:\n", "        if not codes:\n"),
        (TEXT, "        codes = _NAMED.findall(text)\n", "        codes = []\n"),
        catchers=(f"{EVERY_PG}::test_codes_and_words_are_found_in_each_form",),
    ),
    bug(
        "a firm code yields to its words",
        "a card that a shop may not take is charged again and again",
        (NORMALISER, "        if code in book.firm:\n", "        if code in book.codes and code in book.firm:\n"),
        catchers=(f"{TEXTS}::test_a_code_is_firm_where_its_words_would_blame_the_shop",),
    ),
    bug(
        "an outage spends a step",
        "the card company's own failure uses up the customer's dunning",
        (SPARED, "advice is Advice.RETRY_SOON and earlier", "advice is None and earlier"),
        catchers=(
            f"{TREATED}::test_a_failure_of_the_card_company_is_tried_again_within_minutes_and_spends_no_step",
            f"{TREATED}::test_a_failure_that_lasts_longer_than_its_budget_counts_as_a_decline",
        ),
    ),
    bug(
        "an outage is tried for ever",
        "a failure that lasts is never counted, and each try costs a fee",
        (SPARED, "policy.failures[earlier]", "policy.failures[0]"),
        (SPARED, "earlier < len(policy.failures) and", "earlier >= 0 and"),
        catchers=(f"{TREATED}::test_a_failure_that_lasts_longer_than_its_budget_counts_as_a_decline",),
    ),
    bug(
        "a failure under review is charged again",
        "Paymentwall's review turns the first failure into a payment, and the customer pays twice",
        (SPARED, " and pg not in NOT_SOON", ""),
        catchers=(f"{TREATED}::test_where_a_failure_may_become_a_second_payment_it_waits_for_the_dunning_day",),
    ),
    bug(
        "no alert about a lost contract",
        "every charge at a PG is refused for a month, and no alert opens",
        (ALERTS, "outcome.decline.advice is Advice.FIX_CONFIGURATION", "outcome.decline.advice is None"),
        catchers=(f"{TREATED}::test_a_refusal_because_of_the_merchant_never_costs_the_key_and_opens_one_alert",),
    ),
    bug(
        "the alert about the merchant stays",
        "an operator looks for a contract that was mended long ago",
        (ALERTS, "    if refused and isinstance(outcome, Approved):\n", "    if not invoice:\n"),
        catchers=(f"{TREATED}::test_a_refusal_because_of_the_merchant_never_costs_the_key_and_opens_one_alert",),
    ),
    bug(
        "one broken line ends all answers",
        "the program that asks gets no answer for the lines after a broken one",
        ("billing_worker/cli/decline.py", "wrong + 1\n", "wrong + 1\n            break\n"),
        catchers=(f"{EXPLAINED}::test_a_broken_line_is_answered_too_and_the_others_are_served",),
    ),
)
