"""A link to the gateway that knows where a request ends and a reply begins, and which charge a call is about."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.proxy import Cut, Fault, Link, Stream

CHARGE = b"POST /subscribe/payments/again"
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
UNAUTHORIZED = b"401"
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE
NOISE = (Fault.CUT_REQUEST, Fault.CUT_REPLY, Fault.DUPLICATE_REQUEST, Fault.DUPLICATE_REPLY, Fault.ERROR_AFTER)
"""What happens to single charges all the time, while everything else is well."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a reply, or as much of it as came."""

    data: bytes
    complete: bool

    @property
    def charge(self) -> str | None:
        """The merchant_uid that a charge is about."""
        if not self.data.startswith(CHARGE):
            return None
        return str(json.loads(self.data.partition(b"\r\n\r\n")[2]).get("merchant_uid"))


class HttpLink(Link):
    """Serves one request after the other; each is passed on over a connection of its own."""

    def __init__(self, name: str, upstreams: Sequence[int], seed: int) -> None:
        super().__init__(name, upstreams, seed)
        self.noise = 0.0
        """The share of charges that meets one of NOISE."""
        self.under_way: Counter[str] = Counter()
        """Charges whose reply has not gone back yet, by merchant_uid."""
        self.charges: Counter[str] = Counter()
        """Charges that clients sent, by merchant_uid; those that were answered 401 did not count."""
        self.met: Counter[str] = Counter()
        """Requests that met each fault."""
        self._forgotten: set[asyncio.Task[Any]] = set()

    async def serve(self, client: Stream) -> None:
        """Serve until the client or a fault ends the connection."""
        while (request := await read_message(client)).complete:
            charge = request.charge
            if charge is not None:
                self.charges[charge] += 1
                self.under_way[charge] += 1
            try:
                reply = await self._answer(request)
                if charge is not None and reply.data[9:12] == UNAUTHORIZED:
                    self.charges[charge] -= 1
                await self.disturb()
                await self.send(client, reply.data)
            finally:
                if charge is not None:
                    self.under_way[charge] -= 1
                    self.under_way += Counter()  # drops what is at zero
            if not reply.complete:
                return

    async def _answer(self, request: Message) -> Message:
        await self.disturb()
        fault, amount = self._draw(request)
        if fault is not None:
            self.met[fault] += 1
        match fault:
            case Fault.ERROR_BEFORE:
                return Message(BAD_GATEWAY, complete=True)
            case Fault.CUT_REQUEST:
                self._forget(self._ask(request))
                await asyncio.sleep(0)  # it leaves
                raise Cut
        reply = await self._ask(request)
        match fault:
            case Fault.CUT_REPLY:
                raise Cut
            case Fault.ERROR_AFTER:
                return Message(BAD_GATEWAY, complete=True)
            case Fault.HOLD_REPLY:
                await asyncio.sleep(amount)
            case Fault.DUPLICATE_REQUEST:
                return await self._ask(request)
            case Fault.DUPLICATE_REPLY:
                return Message(reply.data * 2, reply.complete)
        return reply

    def _draw(self, request: Message) -> tuple[Fault | None, float]:
        toxic = self.toxic
        if toxic is not None and self.random.random() < toxic.share:
            return toxic.fault, toxic.amount
        if request.data.startswith(CHARGE) and self.random.random() < self.noise:
            return self.random.choice(NOISE), 0.0
        return None, 0.0

    async def _ask(self, request: Message) -> Message:
        server = await self.connect()
        try:
            server.writer.write(request.data)
            await server.writer.drain()
            return await read_message(server)
        finally:
            server.end(hard=False)

    def _forget(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._forgotten.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._forgotten.discard)


async def read_message(source: Stream) -> Message:
    """Read a message that states its length; what ends early comes back as far as it came."""
    data = bytearray()
    try:
        data += await source.reader.readuntil(b"\r\n\r\n")
        found = LENGTH.search(data)
        data += await source.reader.readexactly(int(found[1]) if found else 0)
    except asyncio.IncompleteReadError as error:
        return Message(bytes(data + error.partial), complete=False)
    return Message(bytes(data), complete=True)
