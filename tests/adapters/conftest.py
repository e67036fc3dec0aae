from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from portone_world import gateway_to
from scripted_server import Script, ScriptedServer

from billing_worker.adapters.portone import PortOneGateway


@pytest.fixture
def portone() -> Iterator[Callable[..., tuple[PortOneGateway, ScriptedServer]]]:
    """A gateway and the server it talks to, which follows the given script."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> tuple[PortOneGateway, ScriptedServer]:
            server = stack.enter_context(ScriptedServer(script))
            return stack.enter_context(closing(gateway_to(server, **options))), server

        yield start
