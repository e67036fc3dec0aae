"""One token for all threads: fetched once, renewed in its last minute, kept when the renewal fails."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from portone_world import AGAIN, REQUEST, envelope, payment, token_answer
from scripted_server import Seen, Wire

from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone.tokens import NoToken, Token, Tokens
from billing_worker.domain.payment import Approved

PAID = envelope(payment())


class Watch:
    """A monotonic clock that a test turns by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """What getToken would give: the next answer of a list, the last one for ever."""

    def __init__(self, *answers: Token | NoToken) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _: Deadline) -> Token | NoToken:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.fm("F1")
def test_a_token_is_kept_until_its_last_minute() -> None:
    watch, source = Watch(), Source(Token("one", 1800), Token("two", 1800))
    tokens = Tokens(source, watch)
    assert tokens.get(Deadline(5)) == "one"
    watch.now += 1739
    assert tokens.get(Deadline(5)) == "one"
    assert source.asked == 1
    watch.now += 2
    assert tokens.get(Deadline(5)) == "two"
    assert source.asked == 2


@pytest.mark.fm("F1")
def test_a_prolonged_token_lives_on() -> None:
    watch, source = Watch(), Source(Token("one", 1800), Token("one", 350))
    tokens = Tokens(source, watch)
    tokens.get(Deadline(5))
    watch.now += 1750
    assert tokens.get(Deadline(5)) == "one"
    watch.now += 200
    assert tokens.get(Deadline(5)) == "one"
    assert source.asked == 2


@pytest.mark.fm("F2")
def test_a_failed_renewal_keeps_the_token_that_still_works() -> None:
    watch, source = Watch(), Source(Token("one", 1800), NoToken("down"))
    tokens = Tokens(source, watch)
    tokens.get(Deadline(5))
    watch.now += 1750
    assert tokens.get(Deadline(5)) == "one"
    assert tokens.get(Deadline(5)) == "one"
    assert source.asked == 2  # not once per caller
    watch.now += 6
    assert tokens.get(Deadline(5)) == "one"
    assert source.asked == 3
    watch.now += 60
    assert tokens.get(Deadline(5)) == NoToken("down")


def test_the_wall_clock_does_not_matter(portone) -> None:
    # The gateway's clock says 2017; only the difference of its two times counts.
    watch = Watch()

    def script(seen: Seen, wire: Wire) -> None:
        wire.answer(200, token_answer(life=1800, now=1_512_446_940) if seen.path == "/users/getToken" else PAID)

    gateway, server = portone(script, monotonic=watch)
    for _ in range(3):
        assert isinstance(gateway.charge(REQUEST), Approved)
    assert len(server.asked("/users/getToken")) == 1
    watch.now += 1745
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert len(server.asked("/users/getToken")) == 2


def test_a_refused_token_is_dropped_once() -> None:
    source = Source(Token("one", 1800), Token("two", 1800))
    tokens = Tokens(source, Watch())
    tokens.get(Deadline(5))
    tokens.drop("one")
    assert tokens.get(Deadline(5)) == "two"
    tokens.drop("one")  # a slower thread, refused with the old one
    assert tokens.get(Deadline(5)) == "two"
    assert source.asked == 2
    assert tokens.known() == ("one", "two")


@pytest.mark.fm("F3")
def test_32_threads_ask_for_one_token(portone) -> None:
    started = threading.Barrier(32)
    all_started = threading.Event()

    def script(seen: Seen, wire: Wire) -> None:
        if seen.path == "/users/getToken":
            assert all_started.wait(10)
            wire.answer(200, token_answer())
        else:
            wire.answer(200, PAID)

    gateway, server = portone(script)

    def charge(_: int) -> object:
        if started.wait(10) == 0:
            all_started.set()
        return gateway.charge(REQUEST)

    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(charge, range(32)))
    assert all(isinstance(outcome, Approved) for outcome in outcomes)
    assert len(server.asked("/users/getToken")) == 1
    assert len(server.asked(AGAIN)) == 32


@pytest.mark.fm("F3")
def test_while_one_renews_the_others_use_the_old_token() -> None:
    watch, renewing, go_on = Watch(), threading.Event(), threading.Event()
    calls = []

    def fetch(_: Deadline) -> Token | NoToken:
        calls.append(1)
        if len(calls) == 2:
            renewing.set()
            assert go_on.wait(10)
        return Token(f"token{len(calls)}", 1800)

    tokens = Tokens(fetch, watch)
    tokens.get(Deadline(5))
    watch.now += 1750
    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(tokens.get, Deadline(5))
        assert renewing.wait(10)
        assert tokens.get(Deadline(5)) == "token1"
        go_on.set()
        assert renewed.result(10) == "token2"


def test_who_waits_for_another_threads_token_shares_its_failure_and_its_own_deadline() -> None:
    asked, go_on = threading.Event(), threading.Event()
    calls = []

    def fetch(_: Deadline) -> Token | NoToken:
        calls.append(1)
        asked.set()
        assert go_on.wait(10)
        return NoToken("down")

    tokens = Tokens(fetch, Watch())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tokens.get, Deadline(5))
        assert asked.wait(10)
        hurried = tokens.get(Deadline(0.05))
        assert isinstance(hurried, NoToken)
        assert "another thread" in hurried.reason
        go_on.set()
        assert first.result(10) == NoToken("down")
    assert len(calls) == 1


def test_a_fetch_that_breaks_does_not_lock_the_others_out() -> None:
    def fetch(_: Deadline) -> Token | NoToken:
        raise KeyboardInterrupt

    tokens = Tokens(fetch, Watch())
    with pytest.raises(KeyboardInterrupt):
        tokens.get(Deadline(5))
    with pytest.raises(KeyboardInterrupt):
        tokens.get(Deadline(5))
