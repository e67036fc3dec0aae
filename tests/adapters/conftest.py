from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from portone_world import gateway_to
from scripted_server import Script, ScriptedServer

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.adapters.portone.requests import Call
from tests.support.portone_description import complaints_about_request

BELOW = "/v1"
"""A path in the address, which one test gives."""


def described(server: ScriptedServer) -> None:
    """Whatever a gateway sent in these tests, PortOne's description has no complaint about it."""
    found = [
        complaint
        for seen in server.seen
        for complaint in complaints_about_request(Call(seen.method, seen.path.removeprefix(BELOW), seen.body or None))
    ]
    assert not found, found


@pytest.fixture
def portone() -> Iterator[Callable[..., tuple[PortOneGateway, ScriptedServer]]]:
    """A gateway and the server it talks to, which follows the given script."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> tuple[PortOneGateway, ScriptedServer]:
            server = stack.enter_context(ScriptedServer(script))
            stack.callback(described, server)
            return stack.enter_context(closing(gateway_to(server, **options))), server

        yield start
