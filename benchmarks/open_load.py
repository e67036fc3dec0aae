"""Sends hints to a receiver at fixed times, independent of the answers; a separate process.

Times of arrival are drawn beforehand. A request without a free line waits, and its wait counts: latency is measured
from the planned time (no coordinated omission). Reads its task as JSON on standard input, prints its results as JSON,
and writes each acknowledged hint into a file.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, TextIO, cast
from urllib.parse import urlencode

import uvloop

HEAD = "POST /webhooks/portone HTTP/1.1\r\nHost: bench\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
PATIENCE = 15.0
"""Seconds after the last request was due within which answers are waited for."""
MIX = {"echo": 40, "in_flight": 10, "failed": 15, "foreign": 25, "again": 10}
"""Per cent: recorded payments, charges under way, declines of our orders, foreign hints, repetitions."""

Answered = Callable[[int], None]


class Line(asyncio.Protocol):
    """One connection that stays open; one request at a time."""

    def __init__(self, free: Callable[["Line"], None], gone: Callable[["Line"], None]) -> None:
        self._free, self._gone = free, gone
        self._heard = b""
        self._answered: Answered | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, answered: Answered) -> None:
        """Send it; `answered` gets the status, 0 if the line broke."""
        self._answered = answered
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read an answer to its end."""
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        if not end:
            return
        low = head.lower()
        length = int(low.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        if len(body) < length or self._answered is None:
            return
        self._heard, answered, self._answered = b"", self._answered, None
        answered(int(head[9:12]))
        if b"connection: close" in low:
            self.transport.close()
        else:
            self._free(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Note the end of the connection."""
        if self._answered is not None:
            self._answered(0)
            self._answered = None
        self._gone(self)


class Hints:
    """The hints of one run, drawn from a seed: each as bytes, with the key under which it is stored."""

    def __init__(self, seed: int, known: dict[str, list[list[str]]], mix: dict[str, int]) -> None:
        self._random, self._known, self._seed, self._number = random.Random(seed), known, seed, 0
        self._mix = mix
        self._last: deque[tuple[bytes, str]] = deque(maxlen=50)

    def __iter__(self) -> Iterator[tuple[bytes, str]]:
        while True:
            (kind,) = self._random.choices(list(self._mix), list(self._mix.values()))
            if kind == "again" and self._last:
                yield self._random.choice(self._last)
                continue
            self._last.append(self._written(*self._drawn(kind)))
            yield self._last[-1]

    def _drawn(self, kind: str) -> tuple[str, str, str]:
        self._number += 1
        own = f"{self._seed:x}x{self._number:x}"
        if kind in self._known:
            imp_uid, merchant_uid = self._random.choice(self._known[kind])
            return imp_uid, merchant_uid, "paid"
        if kind == "failed":
            return f"imp_{own}", self._random.choice(self._known["echo"])[1], "failed"
        return f"imp_{own}", f"order-{own}", "paid"

    def _written(self, imp_uid: str, merchant_uid: str, status: str) -> tuple[bytes, str]:
        fields = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}
        if self._random.random() < 0.5:
            kind, body = "application/json", json.dumps(fields)
        else:
            kind, body = "application/x-www-form-urlencoded", urlencode(fields)
        return (HEAD.format(kind, len(body)) + body).encode(), f"{imp_uid}|{status}||{merchant_uid}"


class Load:
    """One run."""

    def __init__(self, task: dict[str, Any], acks: TextIO) -> None:
        self._task, self._acks = task, acks
        self._hints = self._to_send()
        self._idle: list[Line] = []
        self._queue: deque[tuple[float, bytes, str]] = deque()
        self._under_way = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        """A line that is free sends the next one at once."""
        self.waits: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.loop = asyncio.get_running_loop()

    def _to_send(self) -> Iterator[tuple[bytes, str]]:
        """The requests that the task brings, over and over; without any, hints."""
        if "requests" in self._task:
            return cycle((request.encode(), "") for request in self._task["requests"])
        return iter(Hints(self._task["seed"], self._task["known"], self._task.get("mix", MIX)))

    async def run(self) -> dict[str, Any]:
        """Send all, wait for the answers, count."""
        for _ in range(self._task["lines"]):
            await self._connect()
        cpu, began = time.process_time(), time.perf_counter()
        if self._task["rate"]:
            await self._open_model(began)
        else:
            await self._closed_model(began)
        elapsed = time.perf_counter() - began
        unsent = len(self._queue)
        self._queue.clear()
        end = time.perf_counter() + PATIENCE
        while self._under_way and time.perf_counter() < end:  # noqa: ASYNC110 - it ends by itself too
            await asyncio.sleep(0.01)
        return self._summary(elapsed, unsent, time.process_time() - cpu)

    async def _open_model(self, began: float) -> None:
        drawn, due, rate = random.Random(self._task["seed"]), began, self._task["rate"]
        end = began + self._task["seconds"]
        while due < end:
            now = time.perf_counter()
            while due <= now and due < end:
                request, key = next(self._hints)
                self._queue.append((due, request, key))
                due += drawn.expovariate(rate)
            self._send_what_waits()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        patience = end + self._task.get("patience", PATIENCE)
        while self._queue and time.perf_counter() < patience:
            self._send_what_waits()
            await asyncio.sleep(0.005)

    async def _closed_model(self, began: float) -> None:
        end = began + self._task["seconds"]
        most = self._task.get("most", sys.maxsize)
        self._closed = True
        for line in [self._idle.pop() for _ in range(len(self._idle))]:
            self._free(line)
        while time.perf_counter() < end and len(self.waits) < most:  # noqa: ASYNC110 - it ends by time as well
            await asyncio.sleep(0.02)
        self._closed = False

    def _send_what_waits(self) -> None:
        while self._queue and self._idle:
            due, request, key = self._queue.popleft()
            line = self._idle.pop()
            self._under_way += 1
            line.send(request, lambda status, due=due, key=key: self._answered(status, due, key))

    def _answered(self, status: int, due: float, key: str) -> None:
        self._under_way -= 1
        self.statuses[status] += 1
        if status == 200:
            self.waits.append(time.perf_counter() - due)
            self._acks.write(key + "\n")

    def _free(self, line: Line) -> None:
        self._idle.append(line)
        if self._closed:
            self._queue.append((time.perf_counter(), *next(self._hints)))
        if self._queue:
            self._send_what_waits()

    def _gone(self, line: Line) -> None:
        if line in self._idle:
            self._idle.remove(line)
        task = self.loop.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        while True:
            try:
                _, line = await self.loop.create_connection(
                    lambda: Line(self._free, self._gone), "127.0.0.1", self._task["port"]
                )
            except OSError:
                await asyncio.sleep(0.05)
            else:
                self._free(line)
                return

    def _summary(self, elapsed: float, unsent: int, cpu: float) -> dict[str, Any]:
        waits = sorted(self.waits)

        def at(share: float) -> float:
            return round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))], 2) if waits else 0.0

        return {
            "acks": len(waits),
            "acks_per_second": round(len(waits) / elapsed, 1),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "p99_9_ms": at(0.999),
            "max_ms": at(1.0),
            "shed_503": self.statuses[503],
            "other": {str(status): count for status, count in self.statuses.items() if status not in (200, 503)},
            "not_sent": unsent,
            "generator_cpu_ms": round(1000 * cpu / max(1, sum(self.statuses.values())), 3),
        }


async def main() -> None:
    """Run the task on standard input."""
    task = json.load(sys.stdin)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with open(task["acks"], "a", encoding="ascii") as acks:  # noqa: PTH123, ASYNC230 - opened once, before the load
        print(json.dumps(await Load(task, acks).run()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
