"""The state that a process must not share with its parent."""

import asyncio
from dataclasses import dataclass

from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone.client import Client
from billing_worker.adapters.portone.control_reads import ControlReads
from billing_worker.adapters.portone.tokens import NoToken, Tokens


@dataclass(slots=True)
class State:
    """State that must not be shared across a fork: sockets, and locks that a thread of the parent may hold."""

    pid: int
    client: Client
    tokens: Tokens
    controls: ControlReads
    _fetching: asyncio.Task[str | NoToken] | None = None

    async def token(self, deadline: Deadline) -> str | NoToken:
        """A token. If there is none, wait for the one thread that fetches it."""
        token = self.tokens.at_hand()
        if token is not None:
            return token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(asyncio.to_thread(self.tokens.get, deadline))
        try:
            async with asyncio.timeout_at(deadline.at):
                return await asyncio.shield(self._fetching)
        except TimeoutError:
            return NoToken("no token came in time", late=True)
