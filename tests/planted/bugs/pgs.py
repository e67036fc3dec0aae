"""Mistakes in the table of PGs and its rules."""

from tests.planted.bug import bug

ROWS = "billing_worker/domain/pgs"
RULES = "billing_worker/domain/pgs/rules.py"
REGISTER = "billing_worker/usecases/key/register.py"
REQUESTS = "billing_worker/adapters/portone/requests.py"
REFUND = "billing_worker/usecases/refund/refund.py"
TABLE = "tests/domain/test_the_table_of_pgs.py"
WORLD = "tests/usecases/test_rules_of_a_pg.py"
CLI = "tests/cli/test_pgs_are_shown.py"

BUGS = (
    bug(
        "any pg registered",
        "a key of a PG that PortOne does not have is registered, and fails at its first charge",
        (
            REGISTER,
            'require_pg(entered("pg_provider", wanted.pg_provider, LONGEST_PG)).code',
            'entered("pg_provider", wanted.pg_provider, LONGEST_PG)',
        ),
        catchers=(
            f"{WORLD}::test_a_key_that_could_never_be_charged_is_not_registered",
            f"{CLI}::test_a_row_of_an_import_with_an_unknown_pg_is_rejected_by_name",
        ),
    ),
    bug(
        "unknown pg stops charging",
        "a stored key of a PG that the table does not have is refused at each charge",
        (
            RULES,
            "    pg = PGS.get(code)\n    if pg is None:\n        return\n    only, never",
            "    pg = require_pg(code)\n    only, never",
        ),
        catchers=(f"{WORLD}::test_a_stored_key_of_an_unknown_pg_is_charged_and_given_back",),
    ),
    bug(
        "contradiction refused",
        "what PortOne's documents disagree about is refused as if they agreed",
        (RULES, "    if pg.has(flow) is Support.NO:", "    if pg.has(flow) is not Support.YES:"),
        catchers=(f"{TABLE}::test_what_is_contradicted_or_unsaid_is_not_refused",),
    ),
    bug(
        "month of another zone",
        "the month of a phone payment is that of UTC, and ends nine hours late in Korea",
        (RULES, 'KOREA = ZoneInfo("Asia/Seoul")', 'KOREA = ZoneInfo("UTC")'),
        catchers=(f"{TABLE}::test_a_phone_payment_goes_back_whole_and_within_its_month_in_korea",),
    ),
    bug(
        "naverpay takes ids twice",
        "the row of naverpay has lost that a declined merchant_uid is used up",
        (f"{ROWS}/wallets.py", "rule=Rule.NEW_ID", "rule=None"),
        catchers=(
            f"{TABLE}::test_the_rules_have_the_pgs_that_they_are_about",
            (
                "tests/usecases/test_collect_charges_what_is_due.py::"
                "test_a_naverpay_key_takes_a_new_merchant_uid_after_each_decline"
            ),
        ),
    ),
    bug(
        "tenth partial refund",
        "earlier partial refunds are not counted, so that KSNET is asked for a tenth part",
        (REFUND, "refund.created_at, len(before))", "refund.created_at, 0)"),
        catchers=(f"{WORLD}::test_a_payment_at_ksnet_takes_nine_partial_refunds",),
    ),
    bug(
        "won at paypal",
        "a plan in won is charged on a key of PayPal, which declines every period",
        (
            "billing_worker/usecases/subscription/subscribe.py",
            '    require_money(key.pg_provider, plan.money, "plan_id")\n',
            "",
        ),
        catchers=(f"{WORLD}::test_a_plan_in_a_currency_that_the_pg_does_not_charge_is_refused",),
    ),
)
