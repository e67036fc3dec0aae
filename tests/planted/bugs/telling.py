"""Mistakes in what the merchant is told, in which order, and how it is sent."""

from tests.planted.bug import bug

OUTBOX = "billing_worker/adapters/database/outbox.py"
TROUBLE = "tests/usecases/test_delivery_to_a_receiver_in_trouble.py"
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
)
