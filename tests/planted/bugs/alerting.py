"""Bugs in how alerts leave the house."""

from tests.planted.bug import Bug, bug

MESSAGES = "billing_worker/domain/alert_digest.py"
TELL = "billing_worker/usecases/outgoing/alert.py"
ALERTS = "billing_worker/adapters/database/alerts.py"
CHAT = "billing_worker/adapters/alerting.py"
LEAVES = "tests/notices/test_alerts_leave_the_house.py"
RULES = "tests/domain/test_digests_of_alerts.py"

DOCTOR = "tests/cli/test_doctor_tries_the_ways_of_alerts.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a chat without HEAD",
        "a chat that knows no HEAD counts as one that fails",
        ("billing_worker/adapters/notifier.py", " and answer.status_code != UNKNOWN_METHOD", ""),
        catchers=(f"{DOCTOR}::test_a_chat_that_knows_no_head_may_take_messages_all_the_same[501]",),
    ),
    bug(
        "one recipient of many",
        "of several recipients that a mail server refuses, none is named",
        ("billing_worker/adapters/notices/smtp.py", "if refused else trouble", "if not refused else trouble"),
        catchers=(f"{DOCTOR}::test_each_recipient_that_is_refused_is_named",),
    ),
    bug(
        "a fault hides another",
        "a sender that is none hides a mail server that is none",
        (
            "billing_worker/messengers.py",
            'else None, ("notice_from",)),',
            'else None, ("notice_from", "notice_smtp_url")),',
        ),
        catchers=(f"{DOCTOR}::test_no_bad_setting_hides_another",),
    ),
    bug(
        "the chat's address as it stands",
        "a chat's address with a new line after it ends every command with a mistake of this worker",
        (
            "billing_worker/config/alerts.py",
            "SecretStr(str(TypeAdapter(AnyHttpUrl).validate_python(value.get_secret_value())))",
            "TypeAdapter(AnyHttpUrl).validate_python(value.get_secret_value()) and value",
        ),
        catchers=(f"{LEAVES}::test_an_address_from_a_file_is_taken_although_more_than_it_was_read",),
    ),
    bug(
        "each repeat of an alert is an event",
        "an alert that is open already is told again whenever its facts are renewed",
        (ALERTS, "        if row.is_new:\n", "        if row.id:\n"),
        catchers=(f"{LEAVES}::test_a_receiver_of_events_hears_once_that_an_alert_opened_and_once_that_it_closed",),
    ),
    bug(
        "a channel tells of its own silence",
        "the alert about a chat that is down waits for that chat",
        (
            MESSAGES,
            "    return not (kind == AlertKind.ALERTS_UNDELIVERED and subject_id == channel)\n",
            "    return bool(kind and subject_id and channel)\n",
        ),
        catchers=(
            f"{RULES}::test_a_channel_never_tells_that_it_tells_nothing",
            f"{LEAVES}::test_a_chat_that_is_down_is_told_everything_when_it_is_well_and_the_mail_tells_of_it",
        ),
    ),
    bug(
        "a flapping alert floods",
        "the wait of repetitions never grows",
        (MESSAGES, "min(2 * self.wait, LONGEST_WAIT) if busy", "SHORTEST_WAIT if busy"),
        catchers=(
            f"{RULES}::test_an_alert_that_flaps_becomes_six_messages_in_the_first_hour_and_then_one_an_hour",
            f"{LEAVES}::test_a_thousand_alerts_are_one_message_and_one_that_flaps_for_an_hour_six",
        ),
    ),
    bug(
        "a refused message is lost",
        "what a message said counts as told, although it was refused",
        (
            TELL,
            "        if refusal is None:\n            uow.alert_changes.note_sent(sending.numbers, moment.real)\n",
            "        uow.alert_changes.note_sent(sending.numbers, moment.real)\n        if refusal is None:\n",
        ),
        catchers=(f"{LEAVES}::test_a_chat_that_is_down_is_told_everything_when_it_is_well_and_the_mail_tells_of_it",),
    ),
    bug(
        "two workers tell the same",
        "a worker takes a channel that another one is telling",
        (
            TELL,
            "        if pace.sending_until is not None and pace.sending_until > real_now:\n",
            "        if pace.sending_until is not None and pace.sending_until > real_now + LEASE:\n",
        ),
        catchers=(f"{LEAVES}::test_two_workers_tell_once",),
    ),
    bug(
        "a gateway calls the channel",
        "the words of a gateway reach a chat as markup",
        (CHAT, '.replace("<", "&lt;")', ""),
        catchers=(f"{LEAVES}::test_a_chat_gets_the_alert_in_words_with_its_ways_out_and_harmless",),
    ),
    bug(
        "the address of the chat is shown",
        "the path of the chat's address, which is a secret, is shown and stored",
        (CHAT, "shows_path=False", "shows_path=True"),
        catchers=(
            f"{LEAVES}::test_a_chat_gets_the_alert_in_words_with_its_ways_out_and_harmless",
            f"{LEAVES}::test_settings_name_what_is_missing_and_never_repeat_the_address",
        ),
    ),
)
