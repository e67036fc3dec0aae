"""Mistakes at the edges: HTTP client, receiver, signatures, what is kept and shown."""

from tests.planted.bug import bug

CLIENT = "billing_worker/adapters/portone/client.py"
NET = "billing_worker/adapters/portone/network.py"
PINGBACK = "billing_worker/adapters/paymentwall/pingback.py"
NETWORK = "tests/adapters/test_portone_network.py"
MASKS = "tests/adapters/test_masking.py"
PINGS = "tests/adapters/test_paymentwall_pingback.py"
RECEIVES = "tests/web/test_portone_receiver.py"
HOUSE = "tests/test_architecture.py"

BUGS = (
    bug(
        "HTTP retries",
        "a request whose answer was lost is sent again by the client",
        (
            CLIENT,
            "                result = self._send(call, token, exchange)\n",
            (
                "                try:\n                    result = self._send(call, token, exchange)\n"
                "                except Exception:\n                    result = self._send(call, token, exchange)\n"
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
        "anybody may answer in the gateway's name",
        (
            CLIENT,
            "httpx.create_ssl_context(trust_env=False)",
            "httpx.create_ssl_context(verify=False, trust_env=False)",
        ),
        catchers=(
            f"{NETWORK}::test_a_certificate_that_nobody_vouches_for_is_refused",
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
        (NET, "            exchange.sent = True\n", "            pass\n"),
        (
            NET,
            "            exchange.answers.feed(data)\n",
            "            exchange.sent = exchange.sent or bool(data)\n            exchange.answers.feed(data)\n",
        ),
        catchers=(
            (
                "tests/adapters/test_portone_interrupted.py::"
                "test_a_request_that_left_by_half_is_not_taken_for_unsent_and_not_sent_again"
            ),
        ),
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
        ("billing_worker/usecases/held.py", "newest.blocks else None", "False else None"),
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
            "billing_worker/usecases/inbox.py",
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
            "billing_worker/adapters/portone/masking.py",
            '    text = storable(masked(body[: 2 * LONGEST_EVIDENCE].decode("utf-8", "replace"), secrets))\n',
            '    text = storable(body[: 2 * LONGEST_EVIDENCE].decode("utf-8", "replace"))\n',
        ),
        catchers=(f"{MASKS}::test_a_number_at_the_cut_is_not_half_shown",),
    ),
    bug(
        "evidence without end",
        "as much is kept as the gateway likes to send",
        (
            "billing_worker/adapters/portone/masking.py",
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
