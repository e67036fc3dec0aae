"""Mistakes in what finds the work, hands it out, and guards it last."""

from tests.planted.bug import bug

INVOICES = "billing_worker/adapters/database/invoices.py"
SCHEMA = "billing_worker/adapters/database/migrations/versions/0001_the_first_tables.py"
JOBS = "tasks/jobs.py"
GUARDS = "tests/database/test_schema_is_the_last_guard.py"
SET_UP = "tests/database/test_mistakes_in_a_set_up.py"
CLAIMS = "tests/database/test_claims.py"
RUNG = "tests/test_every_job_is_rung.py"
PRESSURE = "billing_worker/domain/backpressure.py"
RULES = "tests/domain/test_backpressure.py"
COLLAPSE = "tests/test_rings_collapse.py"
HOUSE = "tests/test_architecture.py"
INDEX = '"{name}",\n        "payment_attempts",\n        ["invoice_id"],\n        unique={unique}'

BUGS = (
    bug(
        "no sweeper",
        "nothing looks for due invoices whose message was lost",
        ("billing_worker/usecases/jobs.py", "Queue.CHARGES, collect.due, CHUNK)", "Queue.CHARGES, None, CHUNK)"),
        catchers=(f"{RUNG}::test_every_job_that_finds_due_work_is_rung_again_and_again",),
    ),
    bug(
        "delayed by Celery",
        "work is handed out with a countdown, which is lost with Redis",
        (JOBS, "expires=process.settings.claim", "countdown=60"),
        catchers=(f"{HOUSE}::test_nothing_near_money_is_scheduled_by_celery",),
    ),
    bug(
        "rings pile up",
        "beat rings whether or not the last round was heard, until all that waits has expired",
        (PRESSURE, "return waiting < scans", "return True"),
        catchers=(
            f"{RULES}::test_a_ring_is_sent_only_while_less_than_a_round_waits",
            f"{COLLAPSE}::test_beat_rings_a_whole_round_or_none",
        ),
    ),
    bug(
        "a full queue is filled",
        "scans add to a queue that nobody empties",
        (PRESSURE, "return most - waiting if waiting <= most // 2 else 0", "return most"),
        catchers=(f"{RULES}::test_a_queue_is_filled_again_when_half_of_it_is_taken",),
    ),
    bug(
        "message carries the amount",
        "a message says what to charge",
        (
            JOBS,
            "def unit(self: Any, idents: Sequence[str])",
            'def unit(self: Any, idents: Sequence[str], amount: str = "0")',
        ),
        catchers=(f"{HOUSE}::test_every_task_takes_ids_and_nothing_else",),
    ),
    bug(
        "pickle accepted",
        "a message may hold code",
        ("tasks/app.py", 'accept_content=["json"]', 'accept_content=["json", "pickle"]'),
        catchers=(f"{RUNG}::test_a_worker_hoards_no_messages_and_keeps_no_results",),
    ),
    bug(
        "claimed twice",
        "a scan hands out what another one has just claimed",
        (
            INVOICES,
            "          AND (i.lease_until IS NULL OR i.lease_until <= :real_now)\n          AND k.status",
            "          AND k.status",
        ),
        catchers=(f"{CLAIMS}::test_two_scans_at_once_never_claim_the_same_invoice",),
    ),
    bug(
        "claims wait for locks",
        "one locked row holds up the whole scan",
        (INVOICES, "        FOR UPDATE OF i SKIP LOCKED)", "        FOR UPDATE OF i)"),
        catchers=(f"{CLAIMS}::test_a_locked_row_is_left_out_and_the_others_are_served",),
    ),
    bug(
        "two open attempts",
        "the schema allows two open attempts of one invoice",
        (
            SCHEMA,
            INDEX.format(name="uq_payment_attempts_one_open", unique=True),
            INDEX.format(name="uq_payment_attempts_one_open", unique=False),
        ),
        catchers=(f"{GUARDS}::test_an_invoice_has_one_open_attempt",),
    ),
    bug(
        "two payments",
        "the schema allows two payments that settle one invoice",
        (
            SCHEMA,
            INDEX.format(name="uq_payment_attempts_one_payment", unique=True),
            INDEX.format(name="uq_payment_attempts_one_payment", unique=False),
        ),
        catchers=(f"{GUARDS}::test_an_invoice_has_one_uncompensated_payment",),
    ),
    bug(
        "two cards under one name",
        "the schema allows a customer_uid twice",
        (
            SCHEMA,
            '        sa.UniqueConstraint("customer_uid", name=op.f("uq_billing_keys_customer_uid")),\n',
            "",
        ),
        catchers=("tests/usecases/test_subscribe_and_replace_keys.py::test_a_customer_uid_is_registered_once",),
    ),
    bug(
        "host clock",
        "due times are compared with the clock of the worker's host",
        (
            "billing_worker/adapters/clock.py",
            "                server = self._read_server_time()\n",
            "                server = datetime.now().astimezone()\n",
        ),
        catchers=("tests/database/test_clock_follows_the_server.py::test_a_jump_of_the_hosts_clock_moves_nothing",),
    ),
    bug(
        "limits lost",
        "a transaction begins without its time limits",
        (
            "billing_worker/adapters/database/engine.py",
            "READ COMMITTED{ours}; SET",
            "READ COMMITTED; SET",
        ),
        catchers=("tests/database/test_migrations.py::test_an_empty_database_is_brought_up_to_this_release",),
    ),
    bug(
        "time from inside",
        "a transaction asks for a second connection, to read the time",
        (
            "billing_worker/adapters/clock.py",
            ' and not getattr(self._thread, "is_steady", False))',
            ")",
        ),
        catchers=("tests/database/test_clock_follows_the_server.py::test_it_never_looks_from_inside_of_a_transaction",),
    ),
    bug(
        "any alembic_version",
        "another application's migrations are taken for ours",
        (
            "billing_worker/adapters/database/readiness.py",
            "(SELECT count(*) = 3 FROM pg_attribute",
            "(SELECT count(*) >= 0 FROM pg_attribute",
        ),
        catchers=(f"{SET_UP}::test_another_applications_migrations_are_no_conflict[versions1]",),
    ),
    bug(
        "nothing needs deleting",
        "a role that may not delete old alerts counts as ready, and the job that tidies fails each minute",
        ("billing_worker/adapters/database/readiness.py", '    "alerts",\n', ""),
        catchers=(f"{SET_UP}::test_a_role_without_a_right_to_delete_that_the_work_needs_is_told_so",),
    ),
    bug(
        "lease shorter than the call",
        "a lease that ends before the call it protects is accepted",
        (
            "billing_worker/domain/timing.py",
            "if not 0 < self.http_deadline < self.lease:",
            "if not 0 < self.http_deadline:",
        ),
        catchers=("tests/domain/test_timing_of_a_charge.py::test_a_broken_ladder_is_refused_with_the_variables_name",),
    ),
)
