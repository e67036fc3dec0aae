"""Mistakes with the further cards of a subscription, and with cards that expire."""

from tests.planted.bug import bug

FALLBACK = "billing_worker/domain/fallback.py"
EXPIRY = "billing_worker/domain/card_expiry.py"
LOOK = "billing_worker/usecases/key/expiry.py"
CARDS = "billing_worker/usecases/settle/cards.py"
CHOOSE = "billing_worker/usecases/charge/choose_key.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
SETTLEMENT = "billing_worker/domain/settlement.py"
ADD = "billing_worker/usecases/subscription/fallbacks.py"
INVOICE = "billing_worker/domain/invoice.py"
KEY = "billing_worker/domain/billing_key.py"
REACTIVATE = "billing_worker/usecases/key/reactivate.py"
OWN = "billing_worker/usecases/key/own.py"
TESTS = "tests/usecases/test_fallback_keys.py"
MONTHS = "tests/usecases/test_cards_expire.py"
ORDER = "tests/domain/test_fallback_order.py"
RULES = "tests/domain/test_card_expiry.py"

BUGS = (
    bug(
        "cards take turns",
        "a card that was declined for an invoice is charged again when dunning ends",
        (FALLBACK, "and key.id not in tried]", "]"),
        catchers=(f"{TESTS}::test_all_keys_that_are_declined_end_dunning_as_without_any",),
    ),
    bug(
        "a retry becomes the policy's",
        "a retry after dunning that goes on to another card ends a good subscription once more",
        (
            INVOICE,
            "        if not self.is_tried_again:\n            self._go_on_by_policy()",
            "        self._go_on_by_policy()",
        ),
        catchers=(f"{TESTS}::test_a_retry_after_dunning_that_goes_on_to_another_card_has_no_second_final_action",),
    ),
    bug(
        "soft decline hands over",
        "a soft decline goes on to the next card at once",
        (SETTLEMENT, "    elif (is_dead or goes_on_at is None) and charge_another(", "    elif charge_another("),
        catchers=(f"{TESTS}::test_a_soft_decline_waits_for_the_policy_on_the_same_card",),
    ),
    bug(
        "dead fallback charged",
        "a fallback key that died before its turn is charged",
        (FALLBACK, "if key.status is KeyStatus.ACTIVE and key.id", "if key.id"),
        catchers=(f"{ORDER}::test_only_an_active_one_is_chosen",),
    ),
    bug(
        "any payment promotes",
        "a further card that pays becomes the main one although the main one is good",
        (CARDS, "agreed is None or cards.main.status not in (KeyStatus.INVALID, KeyStatus.DELETED)", "agreed is None"),
        catchers=(f"{TESTS}::test_after_the_last_step_the_fallbacks_follow_in_order_and_the_main_card_stays",),
    ),
    bug(
        "nothing promotes",
        "the dead main card stays after another one has paid",
        (CARDS, "    uow.fallbacks.save(agreed)\n", "    return\n"),
        catchers=(f"{TESTS}::test_a_hard_decline_is_followed_by_the_next_key_at_once_which_becomes_the_main_one",),
    ),
    bug(
        "consent left out",
        "a further card is charged without a consent",
        (
            ADD,
            "    consented_at = _given(",
            "    consented_at = wanted.consented_at or ports.clock.moment().billing  # (",
        ),
        catchers=(f"{TESTS}::test_without_a_consent_no_key_is_added",),
    ),
    bug(
        "removed card charged",
        "a card that was taken out of the order is charged",
        (ADD, "    fallback.end(because, moment.billing)\n", ""),
        catchers=(f"{TESTS}::test_a_removed_key_is_not_charged_and_its_consent_stays",),
    ),
    bug(
        "invoice keeps the removed card",
        "an invoice that was to be charged on a removed card still is",
        (ADD, "            invoice.billing_key_id = subscription.billing_key_id\n", ""),
        catchers=(f"{TESTS}::test_a_removed_key_is_not_charged_and_its_consent_stays",),
    ),
    bug(
        "stranger's card",
        "a key is charged for two customers",
        (OWN, "normal_form(each.customer) != normal_form(customer)", "False"),
        catchers=(f"{TESTS}::test_a_key_of_one_customer_is_no_other_customer_s_card",),
    ),
    bug(
        "same card twice",
        "a fallback key that shows the main card is taken",
        (FALLBACK, "    return (one.code, one.last_digits) == (other.code, other.last_digits)\n", "    return False\n"),
        catchers=(f"{TESTS}::test_two_keys_that_show_one_card_are_refused_unless_they_are_two",),
    ),
    bug(
        "dead key not passed over",
        "an invoice whose key died elsewhere waits although the customer agreed to another card",
        (BEGIN, "    return choose_keys(uow, dues, moment)\n", "    return dues\n"),
        catchers=(f"{TESTS}::test_a_main_card_that_died_elsewhere_is_passed_over",),
    ),
    bug(
        "invoice lost to a dead card",
        "an invoice stays with a fallback key that died before its turn",
        (BEGIN, "        due.invoice.billing_key_id = due.subscription.billing_key_id\n", "        pass\n"),
        catchers=(f"{TESTS}::test_the_last_fallback_that_died_before_its_turn_leaves_the_invoice_to_the_main_card",),
    ),
    bug(
        "reactivated fallback forgotten",
        "an invoice that waits for a card is not charged on a fallback key that works again",
        (REACTIVATE, "sorted({*own, *uow.fallbacks.backed_by(key_id)})", "sorted({*own})"),
        catchers=(f"{TESTS}::test_a_fallback_that_is_reactivated_is_charged_for_what_waits",),
    ),
    bug(
        "expired card first",
        "a card past its month is the first choice although there is another one",
        (
            CHOOSE,
            "    return due.key.status in DEAD or is_past(due.key.card_expires, moment.billing)\n",
            "    return due.key.status in DEAD\n",
        ),
        catchers=(f"{MONTHS}::test_a_card_past_its_month_is_not_the_first_choice_where_there_is_another",),
    ),
    bug(
        "expired fallback in its place",
        "a fallback key past its month is charged before the good ones",
        (FALLBACK, "key=lambda key: is_past(key.card_expires, now), ", "key=lambda _: 0, "),
        catchers=(f"{ORDER}::test_one_past_its_month_comes_last_and_still_comes",),
    ),
    bug(
        "month ends in Greenwich",
        "a card expires nine hours late",
        (EXPIRY, "1, tzinfo=KOREA)", "1, tzinfo=UTC)"),
        catchers=(f"{RULES}::test_a_card_is_good_to_the_end_of_its_month_in_seoul",),
    ),
    bug(
        "warned without need",
        "a card is warned of although its next charge comes before its end",
        (EXPIRY, "now < end <= next_charge_at", "now < end"),
        catchers=(f"{RULES}::test_it_is_warned_of_for_30_days_if_the_next_charge_falls_after_it",),
    ),
    bug(
        "warned each day",
        "a card is warned of at each look",
        (LOOK, "        key.expiry_look_at = None\n        if", "        if"),
        catchers=(f"{MONTHS}::test_two_workers_that_look_at_once_warn_once",),
    ),
    bug(
        "old card's month kept",
        "the month of the old card is kept for a customer_uid that was issued again",
        (KEY, "            self.set_expiry(None, now)\n", "            pass\n"),
        catchers=(f"{MONTHS}::test_a_customer_uid_that_was_issued_again_is_another_card_without_a_known_month",),
    ),
)
