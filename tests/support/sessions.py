"""Database sessions that really end: the server ends them, or the reply to a commit is thrown away under the driver."""

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from sqlalchemy import make_url

REPLY_SECONDS = 60.0
READY = b"Z\x00\x00\x00\x05I"
"""The end of a reply, outside of any transaction (PostgreSQL's message ReadyForQuery)."""


@dataclass
class Operator:
    """A session with its own connection."""

    connection: psycopg.Connection[Any]

    @classmethod
    def of(cls, database_url: str) -> Self:
        """One who may end the sessions of this database."""
        url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        return cls(psycopg.connect(url, autocommit=True))

    def end(self, session: psycopg.Connection[Any]) -> None:
        """End a session; returns when it has ended, so that its locks are free."""
        pid = [session.info.backend_pid]
        self.connection.execute("SELECT pg_terminate_backend(%s)", pid)
        deadline = time.monotonic() + REPLY_SECONDS
        # The server's own wait looks ten times a second only, and this is done a thousand times.
        while self.connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", pid).fetchone() is not None:
            assert time.monotonic() < deadline, "the session did not end"

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def commit_and_lose_the_reply(session: psycopg.Connection[Any]) -> None:
    """The server commits and confirms it, but the answer is lost: the driver's next call fails on a broken connection.

    The commit is sent past the driver, in PostgreSQL's own protocol, and its reply is read and thrown away.
    """
    assert not session.pgconn.ssl_in_use, "inside TLS a test cannot bypass the driver: use a database without TLS"
    statement = b"COMMIT\x00"
    os.write(session.pgconn.socket, b"Q" + struct.pack("!I", 4 + len(statement)) + statement)
    reply = b""
    while not reply.endswith(READY):
        ready, _, _ = select.select([session.pgconn.socket], [], [], REPLY_SECONDS)
        assert ready, "the server did not answer a commit"
        reply += os.read(session.pgconn.socket, 4096)
    assert b"COMMIT\x00" in reply, f"the server did not commit: {reply!r}"
    with socket.fromfd(session.pgconn.socket, socket.AF_INET, socket.SOCK_STREAM) as broken:
        broken.shutdown(socket.SHUT_RDWR)
