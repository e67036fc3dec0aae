"""A TCP proxy that does to connections what networks do to them.

Each `Link` listens on a port of its own and passes bytes on to one upstream (or to several, in turn). A fault is set on
a link from outside and holds until it is taken off: the words are Toxiproxy's. `tests/chaos/http_link.py` adds faults
that know where an HTTP request ends.
"""

import asyncio
import itertools
import random
import socket
import struct
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Self, TypeVar

HOST = "127.0.0.1"
PIECE = 65_536
SLICES = 20
"""A slow link passes on so many slices a second."""
ANSWER_SECONDS = 60.0
COMMIT = b"COMMIT\x00"
"""How PostgreSQL's protocol spells it."""
HARD = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST instead of FIN."""

T = TypeVar("T")


class Fault(StrEnum):
    """What can be wrong with a link."""

    REFUSE = "refuse"  # no server listens, and live connections are reset
    RESET = "reset"  # live connections are reset at once; new ones are served
    BLACKHOLE = "blackhole"  # bytes vanish without a sign; what lost bytes is reset when the fault ends
    LATENCY = "latency"  # every piece waits up to `amount` seconds
    SLOW = "slow"  # `amount` bytes a second
    CUT_AFTER_COMMIT = "cut_after_commit"  # PostgreSQL: a COMMIT arrives, its answer does not
    CUT_REQUEST = "cut_request"  # HTTP: the request arrives whole, and the connection ends at once
    CUT_REPLY = "cut_reply"  # HTTP: the connection ends when the reply is there, before its first byte
    HOLD_REPLY = "hold_reply"  # HTTP: the reply waits `amount` seconds
    DUPLICATE_REQUEST = "duplicate_request"  # HTTP: the request arrives twice, the second reply is passed on
    DUPLICATE_REPLY = "duplicate_reply"  # HTTP: the reply arrives twice
    ERROR_BEFORE = "error_before"  # HTTP: 502 with a page, and nothing is passed on
    ERROR_AFTER = "error_after"  # HTTP: 502 with a page, although the request arrived


@dataclass(frozen=True, slots=True)
class Toxic:
    """A fault with its measure; `share` of the HTTP requests meet it."""

    fault: Fault
    amount: float = 0.0
    share: float = 1.0


class Cut(Exception):
    """This connection ends now, by RST."""


@dataclass(eq=False, slots=True)
class Stream:
    """One side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def end(self, *, hard: bool) -> None:
        """Close it; hard: by RST, and what was not sent yet is lost."""
        if hard:
            with suppress(OSError):
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
            self.writer.transport.abort()
        else:
            self.writer.close()


class Link:
    """One listening port and what it leads to. All methods belong to the proxy's loop."""

    def __init__(self, name: str, upstreams: Sequence[int], seed: int) -> None:
        self.name = name
        self.port = 0
        self.toxic: Toxic | None = None
        self.random = random.Random(f"{seed} {name}")
        self._upstreams = itertools.cycle(upstreams)
        self._ways = len(upstreams)
        self._server: asyncio.Server | None = None
        self._clients: set[Stream] = set()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._well = asyncio.Event()

    async def listen(self) -> None:
        """Accept connections; at the second time on the same port."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def set(self, toxic: Toxic | None) -> None:
        """Put a fault on the link instead of the one before; None: be well."""
        self._well.set()  # release waiters of the previous fault: it is over
        self._well = asyncio.Event()
        self.toxic = toxic
        if toxic is not None and toxic.fault in (Fault.REFUSE, Fault.RESET):
            for client in list(self._clients):
                client.end(hard=True)
        if toxic is not None and toxic.fault is Fault.REFUSE:
            await self.close()
        elif self._server is None:
            await self.listen()

    async def retarget(self, upstreams: Sequence[int]) -> None:
        """Lead elsewhere from the next connection on."""
        self._upstreams, self._ways = itertools.cycle(upstreams), len(upstreams)

    async def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is None:
            return
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)  # asyncio leaks a connection that it has accepted where its server closes first
        server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Stream(reader, writer)
        self._clients.add(client)
        task = asyncio.create_task(self._serve(client))
        self._tasks.add(task)  # nothing else holds one that outlives its client
        # A callback, since a task that is cancelled before its first step runs no line of its own.
        task.add_done_callback(partial(self._ended, client))

    async def _serve(self, client: Stream) -> bool:
        """Serve; returns whether the end is a reset."""
        try:
            await self.serve(client)
        except (Cut, OSError, asyncio.IncompleteReadError):
            return True
        return False

    def _ended(self, client: Stream, task: asyncio.Task[bool]) -> None:
        self._clients.discard(client)
        self._tasks.discard(task)
        client.end(hard=task.cancelled() or task.exception() is not None or task.result())

    async def serve(self, client: Stream) -> None:
        """Pass bytes on in both directions until one side ends. Raises Cut where that end is a reset."""
        server = await self.connect()
        pumps = {
            asyncio.create_task(self._pump(client, server, COMMIT)),
            asyncio.create_task(self._pump(server, client)),
        }
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in pumps:
                task.cancel()
            server.end(hard=False)  # what was passed on arrives
            await asyncio.gather(*pumps, return_exceptions=True)

    async def connect(self) -> Stream:
        """The next upstream that answers. Raises OSError where none does."""
        trouble = OSError("no upstream")
        for _ in range(self._ways):
            try:
                return Stream(*await asyncio.open_connection(HOST, next(self._upstreams)))
            except OSError as error:
                trouble = error
        raise trouble

    async def disturb(self) -> None:
        """What the link does to a piece before it goes on. Raises Cut where it never does."""
        toxic = self.toxic
        if toxic is not None and toxic.fault is Fault.LATENCY:
            await asyncio.sleep(self.random.uniform(0, toxic.amount))
        elif toxic is not None and toxic.fault is Fault.BLACKHOLE:
            await self._well.wait()
            raise Cut

    async def send(self, sink: Stream, data: bytes) -> None:
        """Write, as fast as the link is."""
        toxic = self.toxic
        if toxic is not None and toxic.fault is Fault.SLOW:
            step = max(1, int(toxic.amount / SLICES))
            while len(data) > step and self.toxic is toxic:
                sink.writer.write(data[:step])
                data = data[step:]
                await asyncio.sleep(1 / SLICES)
        sink.writer.write(data)
        await sink.writer.drain()

    async def _pump(self, source: Stream, sink: Stream, cut_after: bytes | None = None) -> None:
        while data := await source.reader.read(PIECE):
            await self.disturb()
            await self.send(sink, data)
            if cut_after is not None and cut_after in data and self._cuts():
                raise Cut

    def _cuts(self) -> bool:
        toxic = self.toxic
        return toxic is not None and toxic.fault is Fault.CUT_AFTER_COMMIT and self.random.random() < toxic.share


class Proxy:
    """Links on an event loop in a thread of its own. Its methods may be called from any thread."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.links: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def add(self, name: str, *upstreams: int, kind: type[Link] = Link) -> int:
        """A new link; returns the port on which it listens."""

        async def make() -> Link:
            link = kind(name, upstreams, self.seed)
            await link.listen()
            return link

        self.links[name] = self._do(make())
        return self.links[name].port

    def set(self, name: str, toxic: Toxic | None) -> None:
        """Put a fault on a link, or take it off."""
        self._do(self.links[name].set(toxic))

    def retarget(self, name: str, *upstreams: int) -> None:
        """Let a link lead elsewhere."""
        self._do(self.links[name].retarget(upstreams))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links.values():
            self._do(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            while tasks := asyncio.all_tasks(self._loop):  # to accept a connection is one, and makes another
                for task in tasks:
                    task.cancel()
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0))  # what was closed last leaves
            self._loop.close()
