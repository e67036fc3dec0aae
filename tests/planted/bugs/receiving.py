"""Mistakes in how the receiver stores what comes."""

from tests.planted.bug import bug

INTAKE = "billing_worker/web/intake.py"
MESSAGES = "billing_worker/adapters/database/inbox.py"
LINE = "billing_worker/web/protocol.py"
HOSTILE = "tests/web/test_hostile_lines.py"
TAKES_IN = "tests/web/test_intake.py"
MANY = "tests/usecases/test_receiving_many_is_receiving_each.py"

BUGS = (
    bug(
        "answered before its commit",
        "senders are told that it is stored when the batch is taken, not when it is kept",
        (
            INTAKE,
            "        written.add_done_callback(lambda done: self._answer(loop, batch, done))\n",
            (
                "        written.add_done_callback(lambda done: self._answer(loop, batch, done))\n"
                "        for notification, stored in batch:\n"
                "            stored.set_result(Receipt(0, at_once=False))\n"
            ),
        ),
        catchers=(f"{TAKES_IN}::test_what_comes_while_a_commit_is_under_way_shares_the_next_one",),
    ),
    bug(
        "one harms all",
        "what cannot be stored sends away all that came with it",
        (INTAKE, "                    return self._write_singly(notifications)\n", "                    pass\n"),
        catchers=(f"{TAKES_IN}::test_one_that_cannot_be_stored_harms_no_other",),
    ),
    bug(
        "a flood without end",
        "everything that comes is held in memory until the database has time",
        (INTAKE, "        if len(self._waiting) >= MOST_NOTIFICATIONS_WAITING:\n", "        if False:\n"),
        catchers=(f"{TAKES_IN}::test_too_many_waiting_are_told_to_come_again_and_memory_stays_bounded",),
    ),
    bug(
        "heads without end",
        "a head may be as long as its sender likes",
        (LINE, "        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:\n", "        if False:\n"),
        catchers=(f"{HOSTILE}::test_what_is_too_large_or_means_two_things_is_refused_once_and_the_line_closed",),
    ),
    bug(
        "heads that drip",
        "a line on which a head never ends is kept",
        (LINE, "        self._deadline = None\n        if self._head_bytes:\n", "        if False:\n"),
        catchers=(f"{HOSTILE}::test_a_head_that_drips_is_not_waited_for",),
    ),
    bug(
        "an answer in another's place",
        "garbage behind a good request is answered before it",
        (LINE, "        if self._is_working:  # earlier", "        if False:  # earlier"),
        catchers=(f"{HOSTILE}::test_garbage_behind_a_good_request_takes_nothing_from_it",),
    ),
    bug(
        "deliveries counted once",
        "the same notification twice in one batch counts as one delivery",
        (MESSAGES, '"deliveries": [counts[key] for key in keys],', '"deliveries": [1 for key in keys],'),
        catchers=(f"{MANY}::test_stored_together_or_one_by_one_the_rows_and_receipts_are_the_same",),
    ),
)
