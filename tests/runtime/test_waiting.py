import socket

import pytest

from billing_worker.runtime import RuntimeProblem, free_port, port_is_free, wait_until


def test_a_free_port_is_free_until_a_program_listens() -> None:
    port = free_port()
    assert port_is_free("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free("127.0.0.1", port)
        assert not port_is_free("0.0.0.0", port)  # noqa: S104 - asked about, not listened on
    assert port_is_free("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_not_free() -> None:
    assert not port_is_free("192.0.2.1", 8000)


def test_waiting_ends_as_soon_as_the_condition_is_true() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), timeout=60, what="the third answer")
    with pytest.raises(StopIteration):
        next(answers)


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(RuntimeProblem, match=r"gave up waiting for the database after 0\.1 s"):
        wait_until(lambda: False, timeout=0.1, what="the database")
