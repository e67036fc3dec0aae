"""Mistakes in watching processes, in readiness, and in what `doctor` does."""

from tests.planted.bug import bug

WATCH = "billing_worker/usecases/control/watch.py"
PRESENCE = "billing_worker/domain/presence.py"
OPERATION = "billing_worker/domain/operation.py"
PROCESSES = "billing_worker/adapters/database/processes.py"
WATCHED = "tests/usecases/test_processes_are_watched.py"
DOING = "tests/cli/test_doctor_by_doing.py"
SHOWN = "tests/web/test_operation_is_shown.py"
OUTPUT = "billing_worker/runtime/output.py"
SUPERVISED = "tests/runtime/test_supervisor.py"

BUGS = (
    bug(
        "two write one log at once",
        "lines of a process that ends are lost when it is started again",
        (OUTPUT, "        with alone:", "        with contextlib.nullcontext():"),
        catchers=(f"{SUPERVISED}::test_a_process_that_is_started_again_loses_no_line_of_the_one_before",),
    ),
    bug(
        "a pause is silence",
        "after an outage of the database every process is called silent",
        (PRESENCE, "            self.since = real_now\n", "            pass\n"),
        catchers=(f"{WATCHED}::test_after_a_pause_of_the_database_no_process_is_called_silent",),
    ),
    bug(
        "a cancelled queue is no trouble",
        "workers that live are enough, whatever they take",
        (OPERATION, "takers.items() if not count]", "takers.items() if count < 0]"),
        catchers=(
            f"{WATCHED}::test_a_worker_whose_queue_was_cancelled_is_told_with_the_queue",
            f"{DOING}::test_the_doctor_speaks_korean_of_a_queue_that_none_takes",
        ),
    ),
    bug(
        "a frozen process lives",
        "a process that gives no sign for an hour counts as one that works",
        (
            PRESENCE,
            "real_now - self.seen_at > watching.silent_after\n\n\n@dataclass(slots=True)\n",
            "real_now - self.seen_at > FORGOTTEN_AFTER\n\n\n@dataclass(slots=True)\n",
        ),
        catchers=(
            f"{WATCHED}::test_one_of_two_workers_is_told_as_silent_until_it_is_forgotten",
            f"{DOING}::test_missing_and_silent_processes_are_named",
            f"{SHOWN}::test_it_is_not_ready_where_charging_cannot_go_on_and_the_receiver_is",
        ),
    ),
    bug(
        "held work is a standstill",
        "an operator who stops charging is told that no worker begins",
        (PROCESSES, "('all', 'pg:' || k.pg_provider, 'subscription:' || s.id)", "('nothing')"),
        catchers=(f"{WATCHED}::test_work_that_a_stop_holds_waits_for_the_operator_and_not_for_a_worker",),
    ),
    bug(
        "a slow drain is a standstill",
        "due work counts as unstarted although charges begin",
        (PROCESSES, "    WHERE NOT EXISTS (SELECT FROM payment_attempts WHERE started_at > :before)\n", ""),
        catchers=(f"{WATCHED}::test_a_slow_drain_is_no_standstill",),
    ),
    bug(
        "an alert stays",
        "a process that is well again is told of for ever",
        (WATCH, "        uow.alerts.close(AlertKind(kind), subject, moment)\n", "        del kind, subject\n"),
        catchers=(f"{WATCHED}::test_a_frozen_beat_is_told_by_name_and_the_alert_closes_when_it_rings_again",),
    ),
    bug(
        "a flood is rows",
        "each count of refused notifications replaces the one before",
        (
            PROCESSES,
            '{"count": refused_notifications.c.count + statement.excluded.count}',
            '{"count": statement.excluded.count}',
        ),
        catchers=(f"{WATCHED}::test_a_flood_of_refused_notifications_is_a_row_an_hour_and_reason",),
    ),
    bug(
        "the doctor only pings",
        "a broker that takes no message is well",
        (
            "billing_worker/cli/checks.py",
            "    yield from broker_writes(settings, words)\n",
            '    yield ok("broker messages", "takes a message and gives it back")\n',
        ),
        catchers=(f"{DOING}::test_a_broker_that_answers_and_takes_nothing_is_told_with_the_way_out",),
    ),
    bug(
        "the rehearsal takes no lock",
        "a session that holds the lock of charges is not seen",
        (
            PROCESSES,
            "select(func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value))",
            "select(AdvisoryLock.CHARGING.value)",
        ),
        catchers=(f"{DOING}::test_a_lock_that_a_session_holds_is_told_and_the_rehearsal_leaves_nothing",),
    ),
    bug(
        "always ready",
        "it is ready although no worker lives",
        (
            "billing_worker/web/health.py",
            "reasons = _obstacles(context) if part is Part.CHARGING else []",
            "reasons = _obstacles(context) if part is None else []",
        ),
        catchers=(f"{SHOWN}::test_it_is_not_ready_where_charging_cannot_go_on_and_the_receiver_is",),
    ),
)
