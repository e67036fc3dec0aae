"""Mistakes in the pause for a gateway that fails, in the turns of PGs, and in what counts as late."""

from tests.planted.bug import bug

DOMAIN = "billing_worker/domain/gateway_watch.py"
PAUSE = "billing_worker/usecases/control/gateway_pause.py"
PROBE = "billing_worker/usecases/charge/probe.py"
WAKE = "billing_worker/adapters/database/gateway_watch.py"
RECORD = "billing_worker/usecases/settle/record.py"
LIMITS = "billing_worker/domain/pg_limits.py"
TURNS = "billing_worker/usecases/control/turns.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
RENEW = "billing_worker/usecases/subscription/renew.py"
PACE = "billing_worker/usecases/control/pace.py"
LATE = "billing_worker/domain/catch_up.py"
PAUSED = "tests/usecases/test_a_gateway_that_fails_is_paused.py"
ALLOWED = "tests/usecases/test_pgs_get_what_they_allow.py"
MUCH = "tests/database/test_much_is_not_late.py"
CLIENT = "billing_worker/adapters/portone/client.py"
LOOP = "billing_worker/adapters/portone/loop.py"
TROUBLE = "tests/adapters/test_portone_trouble.py"

BUGS = (
    bug(
        "troubles of two kinds make one row",
        "any failure counts towards the pause, of whatever kind",
        (
            DOMAIN,
            "self.in_a_row + 1, PAUSE_AFTER) if trouble is self.trouble else 1",
            "self.in_a_row + 1, PAUSE_AFTER)",
        ),
        catchers=(f"{PAUSED}::test_four_in_a_row_or_two_kinds_in_turn_pause_nothing",),
    ),
    bug(
        "an answer does not end the row",
        "failures with answers between them pause charging",
        (
            PAUSE,
            "    if watch.noted_at is not None and uow.gateway_watch.answered_since(watch.noted_at):\n",
            "    if False:\n",
        ),
        catchers=(f"{PAUSED}::test_four_in_a_row_or_two_kinds_in_turn_pause_nothing",),
    ),
    bug(
        "a stall explains whatever fails",
        "a busy worker does not count refused and broken connections",
        (CLIENT, "late = isinstance(error, TimeoutError)", "late = True"),
        catchers=(
            f"{TROUBLE}::test_a_refused_connection_is_the_gateways_word_however_long_this_process_stood_still[True-not_reached]",
            f"{TROUBLE}::test_a_broken_connection_is_the_gateways_word_however_long_this_process_stood_still",
        ),
    ),
    bug(
        "a moment's delay explains silence",
        "a gateway that stays silent never pauses charging",
        (LOOP, "late - since[1] > HELD_UP * (time - since[0])", "late - since[1] > HELD_UP"),
        catchers=(f"{TROUBLE}::test_a_process_was_held_up_that_was_late_for_a_fifth_of_the_time[1000.0-False]",),
    ),
    bug(
        "the pause is never opened",
        "each charge finds out for itself that the gateway is away",
        (RECORD, "        watch_gateway(ports, uow, recorded, moment)\n", ""),
        catchers=(f"{PAUSED}::test_five_in_a_row_pause_charging_and_open_an_alert_at_once",),
    ),
    bug(
        "the probe counts every answer as back",
        "the pause ends although the gateway could not be read",
        (PROBE, "ports.gateway.payments_of(ports.environment + PROBED_ORDER).trouble is None", "True"),
        catchers=(f"{PAUSED}::test_only_the_probe_reads_while_paused_and_every_15_seconds",),
    ),
    bug(
        "the pause ends before what waits is woken",
        "a crash in between leaves waits that doubled for an hour",
        (
            PAUSE,
            "            uow.gateway_watch.wake(moment)\n            uow.commit()\n",
            "            uow.commit()\n",
        ),
        catchers=(f"{PAUSED}::test_it_goes_on_within_a_minute_and_everything_that_waited_is_looked_at",),
    ),
    bug(
        "a wake moves dates of dunning",
        "a declined card is tried again because the gateway was away",
        (
            WAKE,
            """              AND 'failed' = (SELECT a.status FROM payment_attempts a WHERE a.invoice_id = i.id
                              ORDER BY a.number DESC LIMIT 1)
""",
            "",
        ),
        catchers=(f"{PAUSED}::test_a_wake_moves_no_date_of_dunning_and_no_pause_after_a_payment_was_taken_back",),
    ),
    bug(
        "two workers claim one probe",
        "every process probes the gateway",
        (PROBE, "            watch.next_probe_at = real_now + PROBE_EVERY\n", ""),
        catchers=(f"{PAUSED}::test_two_workers_do_not_both_claim_one_probe",),
    ),
    bug(
        "turns are not written back",
        "two chunks get the same turns at a PG",
        (BEGIN, "    turns.save()\n", ""),
        catchers=(f"{ALLOWED}::test_two_processes_share_one_rate",),
    ),
    bug(
        "a turn is not waited for",
        "all calls of a chunk leave at once, whatever their turns",
        (TURNS, "        ports.clock.wait_until(call_at)\n", ""),
        catchers=(f"{ALLOWED}::test_no_second_has_more_calls_than_the_rate_and_few_less",),
    ),
    bug(
        "a charge without a turn keeps its date",
        "what is beyond the rate is claimed again and again",
        (BEGIN, "            due.invoice.wait_until(turn.look_at)\n", ""),
        catchers=(f"{ALLOWED}::test_a_charge_beyond_the_next_seconds_is_looked_at_once_at_its_time",),
    ),
    bug(
        "new renewals go before waiting charges",
        "a charge that waited for its look finds no turn, again and again",
        (LIMITS, " or (is_new and self.next_look_at > real_now + ahead)", ""),
        catchers=(f"{ALLOWED}::test_a_retry_is_not_sent_behind_new_renewals_for_ever",),
    ),
    bug(
        "a wait may outlast the lease",
        "a worker waits for a turn until its attempt belongs to the resolver",
        (
            "billing_worker/domain/timing.py",
            "min(LONGEST_AHEAD, (self.lease - self.http_deadline) / 2)",
            "LONGEST_AHEAD",
        ),
        catchers=(f"{ALLOWED}::test_a_wait_for_a_turn_leaves_time_for_the_call",),
    ),
    bug(
        "quiet hours end at midnight",
        "hours that span midnight hold nothing",
        (LIMITS, "return at >= self.start or at < self.end", "return False"),
        catchers=(f"{ALLOWED}::test_quiet_hours_span_midnight_in_seoul",),
    ),
    bug(
        "the month of UTC",
        "the uses of a key are counted by the month of another zone",
        (LIMITS, "    start = now.astimezone(SEOUL).replace(", "    start = now.astimezone(UTC).replace("),
        catchers=(f"{ALLOWED}::test_a_month_is_that_of_seoul",),
    ),
    bug(
        "one chunk uses a key beyond its month",
        "charges of the same chunk do not count as uses",
        (TURNS, "            self._used[due.key.id] += 1\n", "            pass\n"),
        catchers=(f"{ALLOWED}::test_a_key_is_used_so_often_a_month_and_then_again_in_the_next",),
    ),
    bug(
        "a new customer is spread too",
        "the first charge of a subscription waits for hours",
        (RENEW, "length) if period.index else timedelta(0)", "length)"),
        catchers=(f"{ALLOWED}::test_renewals_are_spread_stably_and_first_charges_are_not",),
    ),
    bug(
        "much work becomes late",
        "what waits because there is much falls to the pace of late work after an hour",
        (LATE, "        return min(self.began(now), now) - BACKLOG_AFTER\n", "        return now - BACKLOG_AFTER\n"),
        catchers=(f"{MUCH}::test_the_first_of_a_month_is_never_late_while_it_is_served",),
    ),
    bug(
        "offers count as service",
        "scans whose work no worker takes hide an outage",
        (
            PACE,
            "    return not any(uow.catch_up.waits(work, now, moment)",
            "    return True or not any(uow.catch_up.waits(work, now, moment)",
        ),
        catchers=(f"{MUCH}::test_scans_that_offer_work_which_no_worker_takes_are_no_service",),
    ),
    bug(
        "a stop counts as service",
        "what waited through a stop of all charging starts at full speed",
        (PACE, " or any(stop.scope == ALL for stop in uow.stops.list_open())", ""),
        catchers=(f"{MUCH}::test_a_stop_of_all_charging_is_an_interruption_and_that_of_one_pg_is_none",),
    ),
)
