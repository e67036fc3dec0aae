"""Mistakes at the doors of the API: a request that has two effects, a stranger who is let in, a row that is lost."""

from tests.planted.bug import bug

REQUESTS = "billing_worker/usecases/access/requests.py"
KEYED = "billing_worker/web/idempotency.py"
SECURITY = "billing_worker/web/security.py"
SUBSCRIBE = "billing_worker/usecases/subscription/subscribe.py"
LISTS = "billing_worker/adapters/database/lists.py"
STOPS = "billing_worker/usecases/control/stop_charging.py"

EFFECT = "tests/web/test_one_request_one_effect.py"
TOKENS = "tests/web/test_tokens_and_scopes.py"
LISTED = "tests/web/test_lists.py"
LABELS = "tests/web/test_customers_and_labels.py"

BUGS = (
    bug(
        "an effect without its answer",
        "what a keyed request does is committed at once, its answer later",
        (REQUESTS, "replace(self._real, database=_Within(self._uow))", "self._real"),
        catchers=(f"{EFFECT}::test_what_failed_on_our_side_is_undone_as_a_whole_and_may_be_repeated",),
    ),
    bug(
        "a key without a lock",
        "two equal requests may be served at the same time",
        (REQUESTS, "if not self._uow.kept_answers.take(self.key):", "if False:"),
        catchers=(f"{EFFECT}::test_while_the_first_is_served_a_repeat_is_told_to_come_again",),
    ),
    bug(
        "any request under a key",
        "the same key answers another request as the first",
        (REQUESTS, "if kept is not None and kept.fingerprint != self._fingerprint:", "if False:"),
        catchers=(f"{EFFECT}::test_a_key_stands_for_one_method_address_and_body",),
    ),
    bug(
        "rings before the commit",
        "a worker is rung for what is not durable yet",
        (KEYED, "        held.ring()\n", ""),
        catchers=(f"{EFFECT}::test_a_ring_waits_for_the_commit_and_a_repeat_rings_no_second_time",),
    ),
    bug(
        "twins without a word",
        "a second live subscription of a customer on a plan is made unasked",
        (SUBSCRIBE, "if twin is not None and not wanted.allow_duplicate:", "if False:"),
        catchers=(f"{LABELS}::test_a_second_live_subscription_of_a_customer_on_a_plan_must_be_meant",),
    ),
    bug(
        "everybody moves money",
        "the scope write is enough for refunds and stops",
        (SECURITY, "            if any(each.fits(method, path) for each in places):", "            if False:"),
        catchers=(f"{TOKENS}::test_a_scope_covers_itself_and_those_before_it",),
    ),
    bug(
        "a revoked token",
        "a token that was revoked is found by its digest",
        (
            "billing_worker/adapters/database/access.py",
            "select(api_tokens).where(_IN_FORCE & (api_tokens.c.digest == digest))",
            "select(api_tokens).where(api_tokens.c.digest == digest)",
        ),
        catchers=(f"{TOKENS}::test_a_revoked_token_is_let_in_for_seconds_at_most",),
    ),
    bug(
        "a row lost between two parts",
        "a part begins behind the moment of the last row, not behind the row",
        (
            LISTS,
            "func.row(*columns) < func.row(*bound(columns, after))",
            "columns[0] < bound(columns, after)[0]",
        ),
        catchers=(f"{LISTED}::test_a_list_is_read_to_its_end_each_row_once",),
    ),
    bug(
        "no act stopped it",
        "who opened or cleared a stop is not kept",
        (STOPS, '    note(ports, uow, Verb.STOP_CLEARED, f"stop:{stop.id}", note_text, at=moment.real)\n', ""),
        catchers=(f"{TOKENS}::test_each_change_names_who_made_it",),
    ),
)
