"""Keeps many slow connections to a receiver open: each sends a head and then one byte of its body a second.

PORT COUNT. A connection that the receiver closes is opened again at once. Ends when its standard input is closed, and
prints how many were opened, how many the receiver closed, and how many were open on average, as JSON.
"""

import asyncio
import json
import resource
import sys
from contextlib import suppress

HEAD = (
    b"POST /webhooks/portone HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{"
)
BYTE_SECONDS = 1.0
LOOK_SECONDS = 0.2
AGAIN_SECONDS = 0.2


class Sockets:
    """All of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.opened = self.closed = self.open = 0
        self.looks: list[int] = []

    async def keep_one(self) -> None:
        """Keep one connection open, slowly."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                self.opened += 1
                self.open += 1
                try:
                    await self._dawdle(reader, writer)
                finally:
                    self.open -= 1
                    writer.close()
                self.closed += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def look(self) -> None:
        """Count them from time to time."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.looks.append(self.open)

    async def _dawdle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send until the receiver says or closes something."""
        answer = asyncio.ensure_future(reader.read(1))
        try:
            writer.write(HEAD)
            while not answer.done():
                await asyncio.wait([answer], timeout=BYTE_SECONDS)
                writer.write(b" ")
                await writer.drain()
        finally:
            answer.cancel()


async def main() -> None:
    """Keep them until standard input ends."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sockets = Sockets(int(sys.argv[1]))
    tasks = [asyncio.ensure_future(sockets.keep_one()) for _ in range(int(sys.argv[2]))]
    tasks.append(asyncio.ensure_future(sockets.look()))
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    open_on_average = round(sum(sockets.looks) / max(1, len(sockets.looks)))
    print(json.dumps({"opened": sockets.opened, "closed": sockets.closed, "open_on_average": open_on_average}))


if __name__ == "__main__":
    asyncio.run(main())
