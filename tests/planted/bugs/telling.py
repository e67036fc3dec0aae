"""Mistakes in what the merchant is told, in which order, and how it is sent."""

from tests.planted.bug import bug

OUTBOX = "billing_worker/adapters/database/outbox.py"
TROUBLE = "tests/usecases/test_delivery_to_a_receiver_in_trouble.py"
WAYS = "tests/cli/test_doctor_tries_the_ways_of_alerts.py"
SAFELY = "tests/adapters/test_events_are_sent_safely.py"

BUGS = (
    bug(
        "events overtake",
        "an event is sent although an earlier one of its subscription still waits",
        (
            OUTBOX,
            'f"(SELECT earlier.id {_EARLIER} ORDER BY earlier.stream_id, earlier.stream_sequence LIMIT 1) IS NULL"',
            '"true"',
        ),
        (
            "billing_worker/usecases/outgoing/deliver.py",
            "if uow.outbox.held_back(message) or not endpoint",
            "if not endpoint",
        ),
        catchers=(
            "tests/usecases/test_outbox_delivers_in_order.py::test_an_event_waits_for_the_earlier_one_of_its_subject",
        ),
    ),
    bug(
        "a dead receiver is hammered",
        "every subscription asks a receiver that takes nothing",
        ("billing_worker/domain/delivery.py", "if self.failures >= DOWN_AFTER or", "if"),
        catchers=(f"{TROUBLE}::test_a_dead_receiver_gets_single_probes_and_all_in_order_once_it_is_back",),
    ),
    bug(
        "a key dies twice",
        "two subscriptions on one card both tell that it just became invalid",
        (
            "billing_worker/usecases/settle/record.py",
            "    _lock_declined_keys(uow, news)\n",
            "",
        ),
        catchers=(f"{TROUBLE}::test_two_workers_who_learn_that_a_card_is_dead_tell_it_once",),
    ),
    bug(
        "checked one address, used another",
        "the socket resolves the receiver's name once more",
        (
            "billing_worker/adapters/addresses.py",
            "return self._sockets.connect_tcp(address, port",
            "return self._sockets.connect_tcp(host, port",
        ),
        catchers=(
            f"{SAFELY}::test_the_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_that_is_used",
        ),
    ),
    bug(
        "well again and still without events",
        "a receiver that takes events again gets the refused ones hours later",
        (
            "billing_worker/usecases/outgoing/deliver.py",
            "            uow.outbox.resume(moment.real)\n",
            "            pass\n",
        ),
        catchers=(f"{TROUBLE}::test_a_receiver_that_is_well_again_gets_everything_within_a_minute",),
    ),
    bug(
        "no probe while all waits",
        "a receiver that is down is asked only when a refused event is due again",
        ("billing_worker/usecases/outgoing/deliver.py", "if allowed and not ids and endpoint.is_down:", "if False:"),
        catchers=(f"{TROUBLE}::test_a_receiver_that_is_well_again_gets_everything_within_a_minute",),
    ),
    bug(
        "the doctor posts noise",
        "the doctor's try of a chat writes a message",
        (
            "billing_worker/cli/checks_of_alerts.py",
            "    if trouble is None and send:\n",
            "    if trouble is None:\n",
        ),
        catchers=(f"{WAYS}::test_a_chat_that_answers_is_open_and_hears_nothing",),
    ),
    bug(
        "a recipient is not asked for",
        "the doctor calls mail open although the server refuses the operator's address",
        ("billing_worker/adapters/alerting.py", "self.knock(self._recipients)", "self.knock()"),
        catchers=(f"{WAYS}::test_the_mail_server_is_asked_for_all_but_a_mail",),
    ),
    bug(
        "a chat that fails is open",
        "the doctor calls a chat open that answers with a server's failure",
        ("billing_worker/adapters/notifier.py", "answer.status_code >= SERVER_FAILS", "False"),
        catchers=(f"{WAYS}::test_a_chat_that_fails_or_is_away_is_told",),
    ),
    bug(
        "the first bad setting hides the others",
        "the doctor names one bad setting, and the next only when that is right",
        (
            "billing_worker/cli/checks_of_settings.py",
            "settings = settings.model_copy(update=dict.fromkeys(own))",
            "break",
        ),
        catchers=("tests/test_bad_settings_are_named.py::test_every_fault_is_named_when_several_are_there",),
    ),
    bug(
        "a password in an error",
        "the refusal of an address with a password repeats it",
        (
            "billing_worker/adapters/notifier.py",
            "{parsed.scheme}://{parsed.host}/…",
            "{parsed.raw_path}{parsed.userinfo!r}",
        ),
        catchers=(
            "tests/test_bad_settings_are_named.py::test_a_bad_setting_is_named_alone_with_a_way_out_and_without_secrets",
        ),
    ),
)
