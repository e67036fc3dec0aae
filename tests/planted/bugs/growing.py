"""Mistakes in what keeps totals, audits and the outbox bounded."""

from tests.planted.bug import bug

AUDIT = "billing_worker/usecases/review/audit.py"
AUDITS = "billing_worker/adapters/database/audit.py"
BOOKS = "billing_worker/adapters/database/books.py"
GOES_ON = "tests/usecases/test_an_audit_goes_on_where_it_stopped.py"
PERIODIC = "tests/usecases/test_audit_finds_every_planted_breach.py"
DELIVERS = "tests/usecases/test_outbox_delivers_in_order.py"
ACTS = "        if window.last or any(check.breaches for check in checks):\n            stops = act"
EXACT = "tests/database/test_totals_are_exact.py"

BUGS = (
    bug(
        "a gap between windows",
        "an audit begins each window a second behind the end of the one before",
        (AUDIT, "        begin = end\n", "        begin = (end or until) + timedelta(seconds=1)\n"),
        catchers=(f"{GOES_ON}::test_windows_look_at_every_row_once",),
    ),
    bug(
        "done before it is acted on",
        "a window counts as looked at before what it breaks stops anything",
        (
            AUDIT,
            ACTS,
            f"        _note(ports, audit_id, window, checks)\n{ACTS}",
        ),
        catchers=(f"{GOES_ON}::test_what_a_window_breaks_is_acted_on_before_the_window_counts_as_done",),
    ),
    bug(
        "from the start for ever",
        "an audit that was cut off begins again where it had begun",
        (AUDIT, "    since = place.reached\n", "    since = None\n"),
        catchers=(f"{GOES_ON}::test_an_audit_whose_worker_died_goes_on_where_it_stopped",),
    ),
    bug(
        "two audits of one window",
        "an audit that a worker is at is claimed by another",
        (AUDITS, "coalesce(lease_until > :real_now, began_at > :since) AS is_leased", "false AS is_leased"),
        catchers=(
            f"{GOES_ON}::test_an_audit_whose_worker_died_goes_on_where_it_stopped",
            f"{PERIODIC}::test_the_periodic_audit_is_claimed_once_and_looks_at_what_changed",
        ),
    ),
    bug(
        "a fold forgets",
        "folding replaces a total instead of adding to it",
        (BOOKS, "open = kept.open + excluded.open", "open = excluded.open"),
        catchers=(f"{EXACT}::test_folding_beside_charges_loses_and_doubles_nothing",),
    ),
    bug(
        "totals lag",
        "the report reads only what was folded",
        (BOOKS, "UNION ALL SELECT * FROM invoice_deltas) kept\n    GROUP", ") kept\n    GROUP"),
        catchers=(
            f"{EXACT}::test_months_are_exact_in_every_zone",
            f"{EXACT}::test_whatever_becomes_of_invoices_and_refunds_the_totals_follow",
        ),
    ),
    bug(
        "events gone at once",
        "without a receiver every event is thrown away when it is written",
        (
            "billing_worker/usecases/outgoing/deliver.py",
            "uow.outbox.let_go(real_now - ports.delivering.keep",
            "uow.outbox.let_go(real_now + ports.delivering.keep",
        ),
        catchers=(
            f"{DELIVERS}::test_without_a_receiver_events_are_let_go_after_the_retention",
            f"{DELIVERS}::test_without_a_receiver_events_are_kept",
        ),
    ),
)
