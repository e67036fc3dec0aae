"""A TCP server that speaks just enough HTTP, and misbehaves exactly as a test says."""

import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)


class Wire:
    """The connection on which a request came."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self.sock = sock
        self.over = over

    def answer(self, status: int, body: bytes | str | dict, *headers: str) -> None:
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        head = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers]
        self.sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        # The server's reader still refers to the socket, so that close() alone would only count down.
        os.close(self.sock.detach())

    def drip(self, data: bytes, every: float) -> None:
        """Send byte by byte until the client hangs up or the test ends."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self.over.wait(every):
                return


Script = Callable[[Seen, Wire], None]


class ScriptedServer:
    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.connections = 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.stop_listening()

    def stop_listening(self) -> None:
        """Refuse new connections from now on."""
        with suppress(OSError):
            # shutdown wakes the thread in accept(); close alone would not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)

    def asked(self, path_start: str) -> list[Seen]:
        with self._lock:
            return [seen for seen in self.seen if seen.path.startswith(path_start)]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.settimeout(30)
            with sock, sock.makefile("rb") as stream:
                while (seen := _read(stream, number)) is not None:
                    with self._lock:
                        self.seen.append(seen)
                    self.script(seen, Wire(sock, self.over))
        except (OSError, ValueError):
            pass  # the client hung up, or the script closed the connection


def _read(stream: Any, number: int) -> Seen | None:
    line = stream.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    return Seen(method, path, headers, stream.read(int(headers.get("content-length", 0))), number)
