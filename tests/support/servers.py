"""PostgreSQL and Redis for one test session: embedded, or the ones that TEST_DATABASE_URL and TEST_BROKER_URL name."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

import redis

from billing_worker.runtime import EmbeddedPostgres, EmbeddedRedis

DATABASES = 16
"""A Redis has so many unless told otherwise."""
LENT_SECONDS = 600
"""Longer than any test: what a killed run has taken is free again after this."""


class Servers:
    """Starts servers when first asked for and removes them, with their files, at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="billing-worker-tests-"))
        # Passable, so that as root the server's account reaches its data in here.
        self.folder.chmod(0o711)
        self._postgres: EmbeddedPostgres | None = None

    def database_url(self) -> str:
        """The URL of a server on which databases may be created."""
        given = os.environ.get("TEST_DATABASE_URL")
        if given:
            return given
        if self._postgres is None:
            self._postgres = EmbeddedPostgres(self.folder / "postgres", durable=False)
        return self._postgres.start()

    @contextmanager
    def broker_url(self) -> Iterator[str]:
        """A Redis of its own for one test; of a given server, a database that no other test uses now."""
        given = os.environ.get("TEST_BROKER_URL")
        if given:
            with _database_of(given) as url:
                yield url
            return
        with self.redis() as server:
            yield server.start()

    @contextmanager
    def redis(self) -> Iterator[EmbeddedRedis]:
        """An embedded Redis that the test may stop and start again."""
        folder = self.folder / f"redis-{uuid4().hex[:8]}"
        server = EmbeddedRedis(folder)
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._postgres is not None:
                self._postgres.remove()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _database_of(server_url: str) -> Iterator[str]:
    """One of the databases 1 to 15 of a shared Redis, empty; other tests that run now take others."""
    with redis.Redis.from_url(urlsplit(server_url)._replace(path="/0").geturl()) as keeper:
        names = {number: f"billing-worker-tests:database:{number}" for number in range(1, DATABASES)}
        number = next((n for n, name in names.items() if keeper.set(name, "taken", nx=True, ex=LENT_SECONDS)), None)
        assert number is not None, f"all databases of {server_url.rpartition('@')[2]} are in use"
        url = urlsplit(server_url)._replace(path=f"/{number}").geturl()
        try:
            with redis.Redis.from_url(url) as own:
                own.flushdb()
                yield url
                own.flushdb()
        finally:
            keeper.delete(names[number])
