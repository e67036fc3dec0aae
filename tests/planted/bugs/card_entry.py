"""Mistakes in taking card data, and in deleting keys."""

from tests.planted.bug import bug

ISSUE = "billing_worker/usecases/entry/issue.py"
CALLS = "billing_worker/usecases/entry/calls.py"
DELETE = "billing_worker/usecases/entry/delete.py"
REACTIVATE = "billing_worker/usecases/key/reactivate.py"
CARD = "billing_worker/domain/card_entry.py"
NUMBERS = "billing_worker/domain/card_numbers.py"
ANSWERS = "billing_worker/adapters/portone/entry.py"
PRINT = "billing_worker/web/fingerprint.py"
SOURCES = "billing_worker/web/sources.py"
ISSUED = "tests/usecases/test_keys_issued_by_card.py"
DELETED = "tests/usecases/test_keys_are_deleted_and_replaced.py"
CARDS = "tests/domain/test_card_entry.py"
WIRE = "tests/adapters/test_portone_card_entry.py"
API = "tests/web/test_api_card_keys.py"

BUGS = (
    bug(
        "card over a card",
        "a key that PortOne has already is overwritten there",
        (ISSUE, "    elif known:\n", "    elif False:\n"),
        catchers=(f"{ISSUED}::test_a_key_that_portone_has_already_is_not_overwritten",),
    ),
    bug(
        "card sent unnoted",
        "that the card was sent is not committed before the first byte",
        (ISSUE, "        call.sent = True\n", ""),
        catchers=(f"{ISSUED}::test_a_lost_answer_to_a_stored_card_ends_active",),
    ),
    bug(
        "stalled process sends",
        "a process that stood still sends the card after its lease",
        (ISSUE, "        if not call.is_open or ends_at > call.lease_until:\n", "        if False:\n"),
        catchers=(f"{ISSUED}::test_a_process_that_stood_still_sends_nothing_any_more",),
    ),
    bug(
        "others decide early",
        "a scan decides about a key while its card is on its way",
        (CALLS, "        if call.lease_until > moment.real:\n", "        if False:\n"),
        catchers=(f"{ISSUED}::test_nobody_decides_while_the_process_may_still_send",),
    ),
    bug(
        "one read is absence",
        "a key counts as never stored after one read",
        (CALLS, "            if found.shows_nothing(began_at, window):\n", "            if True:\n"),
        catchers=(f"{ISSUED}::test_a_card_that_is_stored_late_is_found_within_the_window",),
    ),
    bug(
        "absence without control",
        "the wrong books prove that a key was never stored",
        (CALLS, "    control = known is not False or _shows_the_rest(ports)\n", "    control = True\n"),
        catchers=(f"{ISSUED}::test_absence_is_not_concluded_from_the_wrong_books",),
    ),
    bug(
        "unstored key revived",
        "a key that PortOne never stored may be charged by an operator's word",
        (REACTIVATE, "        _refuse_unstored(uow, key)\n", ""),
        catchers=(f"{ISSUED}::test_a_refused_card_leaves_an_invalid_key_with_the_words_of_the_pg",),
    ),
    bug(
        "stranger's key deleted",
        "a key that was there before ours is deleted at PortOne",
        (DELETE, "calls[-1].status in NOT_AT_PORTONE", "False"),
        catchers=(f"{ISSUED}::test_a_key_that_portone_has_already_is_not_overwritten",),
    ),
    bug(
        "key in use deleted",
        "a key that still pays is deleted",
        (DELETE, "        _refuse_used(uow, key_id)\n", ""),
        catchers=(f"{DELETED}::test_a_key_that_still_pays_is_kept_and_the_way_out_named",),
    ),
    bug(
        "any refusal is definite",
        "a communication error counts as a refused card",
        (ANSWERS, "    if is_refusal(envelope) and definite:\n", "    if is_refusal(envelope):\n"),
        catchers=(f"{WIRE}::test_only_a_named_key_is_issued_and_only_a_known_refusal_is_definite",),
    ),
    bug(
        "another key's answer",
        "an answer about another key counts as ours",
        (ANSWERS, ' and found.get("customer_uid") == customer_uid', ""),
        catchers=(f"{WIRE}::test_only_a_named_key_is_issued_and_only_a_known_refusal_is_definite",),
    ),
    bug(
        "card in a pickle",
        "a card may be copied and stored",
        (CARD, "    def __reduce__(self) -> NoReturn:", "    def _reduce(self) -> NoReturn:"),
        (CARD, "    def __getstate__(self) -> NoReturn:", "    def _getstate(self) -> NoReturn:"),
        catchers=(f"{CARDS}::test_nothing_shows_a_card",),
    ),
    bug(
        "card in its text",
        "the text of a card shows it",
        (CARD, '        return "Card(…)"\n', '        return f"Card({self._parts})"\n'),
        catchers=(f"{CARDS}::test_nothing_shows_a_card",),
    ),
    bug(
        "shop's number refused",
        "any number with a check digit counts as a card number",
        (NUMBERS, "    return _ISSUERS.fullmatch(digits) is not None and not", "    return len(digits) > 12 and not"),
        catchers=(f"{CARDS}::test_no_time_in_any_unit_is_taken_for_a_card",),
    ),
    bug(
        "digest of a card",
        "the digest of a card number is kept with the answer",
        (PRINT, "        body = _counted(body, counted)\n", "        pass\n"),
        catchers=(f"{API}::test_no_digest_of_a_card_is_kept",),
    ),
    bug(
        "forwarded in the clear",
        "card data are taken from a proxy that does not speak of TLS",
        (
            SOURCES,
            '            return all(word.strip(" \\t") == "https" for word in words)\n',
            "            return True\n",
        ),
        catchers=(f"{API}::test_card_data_come_over_tls_or_from_this_machine",),
    ),
)
