"""Mistakes in chunks: in what is begun together, under way together, and recorded together."""

from tests.planted.bug import bug

BEGIN = "billing_worker/usecases/charge/begin.py"
COLLECT = "billing_worker/usecases/charge/collect.py"
RECORD = "billing_worker/usecases/settle/record.py"
BUDGET = "billing_worker/usecases/control/budget.py"
LOCKS = "billing_worker/adapters/database/charging.py"
CALLS = "billing_worker/adapters/calls.py"
MANY = "tests/usecases/test_many_at_a_time.py"
ENGINE = "tests/adapters/test_calls_under_way.py"
FAULTS = "tests/faults/test_a_chunk_with_faults.py"

BUGS = (
    bug(
        "a held row is forgotten",
        "a chunk leaves out what another transaction holds, and nothing serves it",
        (BEGIN, "    begun.held = held\n", ""),
        catchers=(f"{MANY}::test_a_row_that_another_transaction_holds_is_served_after_the_others",),
    ),
    bug(
        "a chunk waits for a held row",
        "one locked subscription holds up all others of its chunk",
        (
            LOCKS,
            "execute(locks.waiting if waits else locks.skipping, wanted)",
            "execute(locks.waiting, wanted)",
        ),
        catchers=(f"{MANY}::test_a_row_that_another_transaction_holds_is_served_after_the_others",),
    ),
    bug(
        "a bad row takes its chunk along",
        "a chunk that fails is not served one by one",
        (COLLECT, "        if is_away or len(ids) == 1:\n            raise\n", "        raise\n"),
        catchers=(f"{MANY}::test_a_row_that_cannot_be_begun_holds_up_no_other_and_is_told",),
    ),
    bug(
        "a bad row is not told",
        "what a single row meets in a chunk is dropped silently",
        (
            COLLECT,
            "        report_crashed_job(ports, job.__name__, ident, type(error).__name__)\n",
            "        del error\n",
        ),
        catchers=(f"{MANY}::test_a_row_that_cannot_be_begun_holds_up_no_other_and_is_told",),
    ),
    bug(
        "a bad answer takes the others along",
        "answers that cannot be recorded together are not recorded one by one",
        (RECORD, "        held = answers\n", "        held = []\n"),
        catchers=(f"{MANY}::test_an_answer_that_cannot_be_recorded_holds_up_no_other",),
    ),
    bug(
        "a chunk is outside of the budget",
        "what the same chunk has begun is not counted",
        (BUDGET, "        self._begun.append(due.invoice.money)\n", ""),
        catchers=(f"{MANY}::test_a_budget_is_counted_along_a_chunk",),
    ),
    bug(
        "a customer's chunk is outside of the budget",
        "what the same chunk has begun of one customer is not counted",
        (BUDGET, "            self._of_customers[whose] += due.invoice.money.amount\n", "            pass\n"),
        catchers=(f"{MANY}::test_a_customers_budget_is_counted_along_a_chunk",),
    ),
    bug(
        "a stop within a chunk is not heeded",
        "after a limit was met, smaller invoices of the same chunk still begin",
        (
            BEGIN,
            "    return not begun.beyond or begun.beyond.keys().isdisjoint((ALL, scope_of(due.invoice.owner_id)))\n",
            "    return True\n",
        ),
        catchers=(f"{MANY}::test_a_stop_that_a_chunk_calls_for_holds_the_rest_of_it",),
    ),
    bug(
        "an opened period is charged twice",
        "a chunk charges an invoice that it could not store, because the period has one",
        (
            BEGIN,
            "    attempts = [pair for pair in attempts if new is None or pair[0].invoice.id in new]\n",
            "",
        ),
        (BEGIN, "        if new is None or due.invoice.id in new\n    ]\n", "    ]\n"),
        catchers=(f"{MANY}::test_a_period_that_has_its_invoice_is_not_charged_by_a_chunk_that_opens_it_again",),
    ),
    bug(
        "two objects of one row",
        "each settlement of a batch has its own copy of a shared key",
        (LOCKS, "        if ident not in self._made:\n", "        if True:\n"),
        (
            RECORD,
            "        for settlement, _ in known:\n            if key.id in settlement.keys:\n",
            "        for settlement, _ in known[:1]:\n            if key.id in settlement.keys:\n",
        ),
        catchers=(f"{MANY}::test_a_card_that_dies_in_a_chunk_dies_once",),
    ),
    bug(
        "a full chunk rings no scan",
        "one interval of beat caps the rate",
        (
            "billing_worker/usecases/jobs.py",
            "        return [*rings, Ring(self.name)] if is_full else rings\n",
            "        return rings\n",
        ),
        catchers=(f"{MANY}::test_a_full_chunk_rings_its_scan_and_a_part_of_one_does_not",),
    ),
    bug(
        "late calls are made",
        "a process that was held up calls when its attempts belong to the resolver",
        (CALLS, "            if not in_time(intent):\n", "            if False:\n"),
        catchers=(f"{ENGINE}::test_a_call_that_would_end_too_late_is_not_made",),
    ),
    bug(
        "calls that hang take the place of others",
        "one call in a hundred that hangs stops all",
        (CALLS, "sum(begun > hangs for begun in self._begun.values())", "len(self._begun) + 0 * hangs"),
        catchers=(f"{ENGINE}::test_calls_that_hang_take_no_place_until_there_are_very_many",),
    ),
    bug(
        "calls without end",
        "calls that hang take sockets without a bound",
        (CALLS, " and len(self._begun) + self._kept + count <= MOST_CALLS", ""),
        catchers=(f"{ENGINE}::test_calls_that_hang_take_no_place_until_there_are_very_many",),
    ),
    bug(
        "the socket count admits",
        "an answer that is not recorded has no place, so attempts grow old while answers queue",
        (
            CALLS,
            "            answer = Answered(",
            "            self._begun.pop(intent.attempt_id)\n            answer = Answered(",
        ),
        catchers=(f"{ENGINE}::test_beyond_the_bound_a_chunk_waits_until_answers_are_recorded",),
    ),
    bug(
        "a slow recorder is not heeded",
        "as many calls are begun as ever, while their answers queue",
        (CALLS, "                is_slow = self._monotonic() - oldest > SLOW\n", "                is_slow = False\n"),
        catchers=(f"{ENGINE}::test_a_slow_recorder_halves_what_may_be_under_way_and_a_fast_one_brings_it_back",),
    ),
    bug(
        "one answer ends the recorder",
        "after an answer that cannot be recorded no other is",
        (
            CALLS,
            "        except Exception as error:  # noqa: BLE001 - the attempts",
            "        except ValueError as error:  # the attempts",
        ),
        catchers=(f"{ENGINE}::test_what_cannot_be_recorded_takes_no_place_and_stops_no_other",),
    ),
    bug(
        "a worker ends without its answers",
        "draining does not wait for what is under way",
        (CALLS, "            self._room.wait_for(lambda: not self._begun, seconds)\n", ""),
        catchers=(f"{ENGINE}::test_draining_waits_for_the_last_answer_and_tells_what_is_left",),
    ),
    bug(
        "answers are not committed",
        "the answers of a batch are recorded, but not committed",
        (
            RECORD,
            "        watch_gateway(ports, uow, recorded, moment)\n        uow.commit()\n",
            "        watch_gateway(ports, uow, recorded, moment)\n",
        ),
        catchers=(f"{MANY}::test_each_of_a_chunk_has_its_own_outcome",),
    ),
    bug(
        "two moves of a subscription in one step",
        "two answers for one subscription are written as one step, which the tables may refuse",
        (RECORD, "        firsts = {each.invoice.owner_id: each for", "        firsts = {each.attempt.id: each for"),
        catchers=(f"{MANY}::test_two_answers_that_move_one_subscription_are_two_steps",),
    ),
)
