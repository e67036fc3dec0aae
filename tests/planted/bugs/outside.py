"""Mistakes at the edges: HTTP client, receiver, signatures, what is kept and shown."""

from tests.planted.bug import bug

CLIENT = "billing_worker/adapters/portone/client.py"
CONNECTIONS = "billing_worker/adapters/network.py"
WIRE = "billing_worker/adapters/portone/wire.py"
PINGBACK = "billing_worker/adapters/paymentwall/pingback.py"
NETWORK = "tests/adapters/test_portone_network.py"
MASKS = "tests/adapters/test_masking.py"
PINGS = "tests/adapters/test_paymentwall_pingback.py"
RECEIVES = "tests/web/test_portone_receiver.py"
HOUSE = "tests/test_architecture.py"
SOURCES = "tests/web/test_sources_of_webhooks.py"
INBOX = "tests/usecases/test_the_inbox_is_bounded.py"
HINTS = "tests/usecases/test_notifications_are_hints.py"

BUGS = (
    bug(
        "header believed from the left",
        "the sender chooses the address that the list of senders is compared with",
        ("billing_worker/web/sources.py", "in reversed(chain[-LONGEST_CHAIN:]))", "in chain[-LONGEST_CHAIN:])"),
        catchers=(f"{SOURCES}::test_the_rightmost_address_that_is_no_proxy_of_ours_is_the_sender",),
    ),
    bug(
        "header trusted from any peer",
        "a stranger who connects directly names the address that is listed",
        (
            "billing_worker/web/sources.py",
            "        if not _within(peer, self.proxies):\n            return peer\n",
            "        if not Headers(scope=scope).getlist(_HEADER):\n            return peer\n",
        ),
        catchers=(f"{SOURCES}::test_the_rightmost_address_that_is_no_proxy_of_ours_is_the_sender",),
    ),
    bug(
        "foreign reads without a budget",
        "a flood of made-up webhooks becomes a flood of reads of the gateway",
        (
            "billing_worker/usecases/control/pace.py",
            "min(limit, bucket.fill(rate, real_now))",
            "limit if bucket.fill(rate, real_now) else 0",
        ),
        catchers=(
            f"{INBOX}::test_ten_thousand_forged_webhooks_cost_a_bounded_number_of_reads_and_hold_up_no_genuine_one",
        ),
    ),
    bug(
        "every offer reads",
        "the same notification, delivered or offered many times at once, is read about each time",
        (
            "billing_worker/usecases/incoming/apply.py",
            "            message.read_at, message.not_before = real_now, real_now + READ_WINDOW\n",
            "            message.read_at, message.not_before = real_now, real_now\n",
        ),
        (
            "billing_worker/usecases/incoming/apply.py",
            "            message.next_try_at = waits\n",
            "            waits = None\n",
        ),
        catchers=(f"{INBOX}::test_a_webhook_at_speed_for_a_minute_is_read_once_a_window_and_once_after_the_last",),
    ),
    bug(
        "books that lag are believed",
        "a webhook that comes before the gateway's books show its payment is called applied, and never read again",
        (
            "billing_worker/domain/notification.py",
            "    return _PROGRESS[shown] < expected\n",
            "    return _PROGRESS[shown] > expected > 3\n",
        ),
        catchers=(f"{HINTS}::test_a_webhook_that_is_ahead_of_the_books_is_read_again_until_they_have_caught_up",),
    ),
    bug(
        "HTTP retries",
        "a request whose answer was lost is sent again by the client",
        (
            CLIENT,
            "            result = await self._send(call, token, deadline, exchange)\n",
            (
                "            sending = lambda: self._send(call, token, deadline, exchange)\n"
                "            try:\n                result = await sending()\n"
                "            except Exception:\n                result = await sending()\n"
            ),
        ),
        catchers=(f"{NETWORK}::test_a_reset_after_the_request_is_unknown_and_not_repeated",),
    ),
    bug(
        "redirects followed",
        "a charge goes wherever an answer points to",
        (CLIENT, "follow_redirects=False", "follow_redirects=True"),
        catchers=(f"{NETWORK}::test_a_redirect_is_not_followed",),
    ),
    bug(
        "certificate not checked",
        "any host may answer in the gateway's name",
        (
            CONNECTIONS,
            "httpx.create_ssl_context(trust_env=False)",
            "httpx.create_ssl_context(verify=False, trust_env=False)",
        ),
        catchers=(
            f"{NETWORK}::test_a_self_signed_certificate_is_refused",
            f"{HOUSE}::test_no_request_to_a_gateway_goes_without_checking_its_certificate",
        ),
    ),
    bug(
        "401 for ever",
        "a refused token is replaced again and again",
        ("billing_worker/adapters/portone/gateway.py", "in (False, True):", "in (False, False, False, False, True):"),
        catchers=(f"{NETWORK}::test_a_second_401_is_failed",),
    ),
    bug(
        "half sent is not sent",
        "a request counts as sent only when its answer begins to arrive",
        (WIRE, "        exchange.sent = True\n", ""),
        (
            WIRE,
            "            self._parser.feed_data(data)\n",
            "            self._exchange.sent = True\n            self._parser.feed_data(data)\n",
        ),
        catchers=(
            (
                "tests/adapters/test_portone_interrupted.py::"
                "test_a_request_that_left_by_half_is_not_taken_for_unsent_and_not_sent_again"
            ),
        ),
    ),
    bug(
        "leftovers are the next answer",
        "what a connection brings after an answer is read as the answer to the next request",
        (
            WIRE,
            "        if self._complete:\n            self.reusable = False\n",
            "        if self._complete:\n            pass\n",
        ),
        (
            WIRE,
            "        if self._parser is None or self._complete:\n            self.close()  # no request",
            "        if self._parser is None or self._complete:\n            pass  # nothing",
        ),
        catchers=(f"{NETWORK}::test_what_a_connection_brings_beyond_an_answer_is_not_taken_for_the_next_one",),
    ),
    bug(
        "an answer that breaks off is whole",
        "a connection that closes in the midst of an answer ends the answer",
        (
            WIRE,
            "        if exc is None and self._ends_with_the_connection():\n",
            "        if exc is None and self._has_head:\n",
        ),
        catchers=(
            "tests/adapters/test_portone_interrupted.py::test_an_answer_that_breaks_off_is_kept_as_far_as_it_came",
        ),
    ),
    bug(
        "an answer may drip for ever",
        "the total deadline ends nothing once the request is sent",
        (
            CLIENT,
            "            async with asyncio.timeout_at(deadline.at):\n",
            "            async with asyncio.timeout_at(None):\n",
        ),
        catchers=(f"{NETWORK}::test_an_answer_that_drips_ends_with_the_deadline",),
    ),
    bug(
        "version from the request",
        "a pingback chooses the version of its own signature",
        (
            PINGBACK,
            "    expected = _digest(signed, secret, version)\n",
            '    expected = _digest(signed, secret, _VERSIONS.get(plain.get(b"sign_version", b""), version))\n',
        ),
        catchers=(
            f"{PINGS}::test_dropping_the_version_does_not_choose_a_weaker_one",
            f"{PINGS}::test_a_version_that_is_not_the_pinned_one",
        ),
    ),
    bug(
        "signature compared with ==",
        "the time of the comparison tells how much of a signature is right",
        (
            PINGBACK,
            'hmac.compare_digest(signature, expected.encode("ascii"))',
            'signature == expected.encode("ascii")',
        ),
        catchers=(f"{HOUSE}::test_what_proves_a_sender_is_compared_in_constant_time",),
    ),
    bug(
        "ambiguous pingback",
        "a pingback is taken whose signed text is that of another one as well",
        ("billing_worker/adapters/paymentwall/policy.py", "names, version) != 1:", "names, version) < 1:"),
        catchers=("tests/adapters/test_pingback_policy.py::test_a_text_with_two_legal_readings_is_refused_in_both",),
    ),
    bug(
        "late hold",
        "a risk review that is told late takes back what was decided",
        (
            "billing_worker/domain/pingback.py",
            "(_V.DECLINED, _S.UNDER_REVIEW): (_V.DECLINED, _E.NOTHING)",
            "(_V.DECLINED, _S.UNDER_REVIEW): (_V.HELD, _E.HOLD)",
        ),
        catchers=(
            "tests/domain/test_pingback_table.py::test_every_step_is_in_the_table_and_keeps_its_promises",
            "tests/domain/test_pingback_table.py::test_the_order_of_arrival_does_not_matter_to_what_a_payment_is_held_to_be",
        ),
    ),
    bug(
        "unlocked under review",
        "PortOne's word unlocks a key whose payment Paymentwall still reviews",
        ("billing_worker/usecases/key/unlock.py", "newest.blocks else None", "False else None"),
        catchers=(
            (
                "tests/usecases/test_pingbacks_about_a_key.py::"
                "test_under_review_the_gateways_word_does_not_unlock_the_key_and_the_acceptance_does"
            ),
        ),
    ),
    bug(
        "part taken for the whole",
        "a part that was given back puts a key out of use",
        ("billing_worker/domain/pingback.py", 'PARTLY = "10"', 'PARTLY = "11"'),
        catchers=("tests/usecases/test_pingbacks_about_a_key.py::test_what_each_type_does_to_a_pending_key",),
    ),
    bug(
        "no deduplication",
        "the same webhook again is another one",
        (
            "billing_worker/web/hints.py",
            '        return "|".join(self.fields.get(name, "") for name in names)',
            '        return "|".join([*names, __import__("uuid").uuid4().hex])',
        ),
        catchers=(f"{RECEIVES}::test_the_same_webhook_again_is_only_counted",),
    ),
    bug(
        "acknowledged before stored",
        "a webhook is answered with 200 although nothing is committed",
        (
            "billing_worker/usecases/incoming/receive.py",
            "real_now\n        )\n        uow.commit()\n",
            "real_now\n        )\n",
        ),
        catchers=(
            "tests/web/test_our_own_failures.py::test_nothing_is_acknowledged_that_was_not_committed",
            f"{RECEIVES}::test_a_webhook_is_stored_and_acknowledged_and_the_bell_is_rung",
        ),
    ),
    bug(
        "evidence unmasked",
        "card numbers that the gateway repeats are kept",
        (
            "billing_worker/adapters/masking.py",
            '    text = storable(masked(body[: 2 * LONGEST_EVIDENCE].decode("utf-8", "replace"), secrets))\n',
            '    text = storable(body[: 2 * LONGEST_EVIDENCE].decode("utf-8", "replace"))\n',
        ),
        catchers=(f"{MASKS}::test_a_number_at_the_cut_is_not_half_shown",),
    ),
    bug(
        "evidence without end",
        "as much is kept as the gateway likes to send",
        (
            "billing_worker/adapters/masking.py",
            '    return text.encode("utf-8")[:LONGEST_EVIDENCE].decode("utf-8", "ignore")\n',
            "    return text\n",
        ),
        catchers=(f"{MASKS}::test_evidence_can_be_stored",),
    ),
    bug(
        "secrets come back out",
        "what the gateway repeats of our keys goes into reasons and logs",
        (CLIENT, "blanked(result.body, secrets)", "result.body"),
        catchers=(f"{NETWORK}::test_no_secret_comes_back_out",),
    ),
)
