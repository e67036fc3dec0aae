"""Mistakes in what is counted by the hour, and in what the alert makes of it."""

from tests.planted.bug import bug

HOURLY = "billing_worker/adapters/database/hourly.py"
COUNTS = "billing_worker/adapters/database/migrations/versions/0030_hourly.py"
SHARE = "billing_worker/domain/decline_share.py"
KIND = "billing_worker/domain/try_kind.py"
METRICS = "billing_worker/web/metrics_of_outcomes.py"
EXACT = "tests/database/test_hourly_totals_are_exact.py"
DECIDES = "tests/domain/test_decline_share.py"
SCRAPED = "tests/web/test_health_metrics_and_docs.py"

CALLS = "tests/database/test_calls_are_timed.py"

BUGS = (
    bug(
        "the alert about all comes and goes",
        "each further try at one PG may close the alert about all PGs, and open it again",
        (SHARE, "is_open=pg in open_on or ALL in open_on)]", "is_open=pg in open_on)]"),
        catchers=(f"{DECIDES}::test_an_alert_about_all_stays_while_the_other_pg_is_not_near_its_usual_share",),
    ),
    bug(
        "an hourly fold forgets",
        "folding replaces an hour's total instead of adding to it",
        (HOURLY, "counted = kept.counted + excluded.counted", "counted = excluded.counted"),
        catchers=(f"{EXACT}::test_folding_beside_answers_loses_and_doubles_nothing",),
    ),
    bug(
        "an hour that only the hour knows",
        "folding adds a delta to its hour, and not to the totals of all time",
        (
            HOURLY,
            "SELECT CAST('epoch' AS timestamptz) AS hour",
            "SELECT CAST('epoch' AS timestamptz) AS hour WHERE false",
        ),
        catchers=(f"{EXACT}::test_outcomes_kinds_and_times_are_counted_as_they_are_known",),
    ),
    bug(
        "one call counted twice",
        "the time of a call counts again when its unclear outcome becomes known",
        (COUNTS, "CASE WHEN b.took_ms IS NULL THEN a.took_ms END AS took", "a.took_ms AS took"),
        catchers=(f"{EXACT}::test_an_unclear_answer_counts_then_and_its_outcome_later_and_its_call_once",),
    ),
    bug(
        "a recount doubles",
        "a recount adds all attempts, also those that the totals have",
        (COUNTS, "-counted, -total_ms FROM kept\n", "0 * counted, 0 * total_ms FROM kept\n"),
        catchers=(f"{EXACT}::test_a_recount_adds_what_is_missing_and_nothing_else",),
    ),
    bug(
        "retries cry wolf",
        "the alert compares all tries, so that a day of dunning opens it",
        (SHARE, "[each for each in counts if each.kind == TryKind.FIRST]", "list(counts)"),
        catchers=(f"{DECIDES}::test_a_day_of_dunning_cries_no_wolf",),
    ),
    bug(
        "three of three",
        "the alert opens by three declines of three",
        (SHARE, "ENOUGH = 10", "ENOUGH = 3"),
        catchers=(f"{DECIDES}::test_few_attempts_say_nothing",),
    ),
    bug(
        "a difference that is none",
        "the alert opens by the share itself, however few say it",
        (SHARE, "difference(self.recent, self.before).low > FAR", "self.recent.value - self.before.value > FAR"),
        catchers=(f"{DECIDES}::test_a_share_that_a_few_tries_only_suggest_opens_nothing",),
    ),
    bug(
        "no kind but the first",
        "a retry is counted as a first try",
        (KIND, "    if not declined:\n", "    if True:\n"),
        catchers=(f"{EXACT}::test_a_retry_by_hand_is_a_kind_of_its_own",),
    ),
    bug(
        "buckets that do not add up",
        "a bucket of a histogram has only its own, not all that took less",
        (
            METRICS,
            "accumulate(by_bucket[number] for number in range(len(bounds)))",
            "(by_bucket[n] for n in range(len(bounds)))",
        ),
        catchers=(f"{SCRAPED}::test_outcomes_and_times_are_counted",),
    ),
    bug(
        "calls are counted twice",
        "the times of calls are written with each sign again",
        ("billing_worker/adapters/call_times.py", "yield kept.popleft()", "yield kept[0]"),
        catchers=(f"{CALLS}::test_each_kind_of_call_has_its_own_count",),
    ),
    bug(
        "calls are lost with a sign",
        "the times of calls are lost when the database is away for one sign",
        ("billing_worker/usecases/control/call_times.py", "        times.give_back(taken)\n", ""),
        catchers=(f"{CALLS}::test_a_database_that_is_away_loses_nothing",),
    ),
    bug(
        "a recount takes calls for a mistake",
        "a recount of outcomes takes the calls away that are no charges",
        (
            "billing_worker/adapters/database/migrations/versions/0031_call_times.py",
            "    _replace(NOTIFICATIONS, AND_CALLS)\n\n\ndef downgrade",
            "    pass\n\n\ndef downgrade",
        ),
        catchers=(f"{CALLS}::test_a_recount_leaves_the_calls_as_they_were_counted",),
    ),
    bug(
        "refunds are timed as reads",
        "the time of a refund counts as that of a read",
        ("billing_worker/adapters/portone/requests.py", "CallKind.REFUND", "CallKind.READ"),
        catchers=(f"{CALLS}::test_each_kind_of_call_has_its_own_count",),
    ),
)
