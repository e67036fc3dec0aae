"""Mistakes that let out what is secret, or let in what is no id."""

from tests.planted.bug import bug

HINTS = "billing_worker/web/hints.py"
LOGS = "billing_worker/logs.py"
MASKING = "billing_worker/adapters/masking.py"
FUZZ = "tests/fuzz/test_a_slice_of_the_fuzz.py"

BUGS = (
    bug(
        "a folder for an order",
        "a webhook may name .. as its merchant_uid",
        (HINTS, 'r"(?!\\.{1,2}$)[', 'r"['),
        catchers=(
            f"{FUZZ}::test_nothing_that_is_sent_to_the_receiver_breaks_a_parser_or_is_taken_for_more_than_it_says[hints]",
        ),
    ),
    bug(
        "lines by strangers",
        "a value in a log line may hold a carriage return, and speak to the terminal",
        (LOGS, "        _escaped,\n", ""),
        catchers=("tests/test_logs.py::test_no_value_begins_a_line_of_its_own_or_speaks_to_the_terminal",),
    ),
    bug(
        "secrets in escapes",
        "what is spelt with JSON's escapes is kept as it came",
        (MASKING, '    if "\\\\u" in text:\n', "    if False:\n"),
        catchers=("tests/adapters/test_masking.py::test_what_is_blanked",),
    ),
)
