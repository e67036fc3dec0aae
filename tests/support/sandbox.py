"""The sandbox in a thread, over real HTTP, and a client for its control endpoints. Its ledger is the judge."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from starlette.datastructures import State

from billing_worker.sandbox import SandboxOptions
from billing_worker.sandbox.server import bound, server_for
from tests.support.plain_http import WITHOUT_TLS

IMP_KEY, IMP_SECRET = "imp_key_sandbox", "imp_secret_sandbox"
PATIENCE = 60.0
"""Real seconds that a call may take where time is not the subject: the sandbox always answers or hangs up, so only a
machine in trouble is ever so slow. Tests in which a deadline passes name a short one."""
START_SECONDS = 240.0
LATE_SECONDS = 0.2
"""After this, late approvals and net-cancels happen: real seconds, since the sandbox has no time machine here."""
SLOW_SECONDS = 1.0

Row = dict[str, Any]


@dataclass
class Sandbox:
    """One running sandbox."""

    url: str
    inside: State | None = None
    """What it holds, where it runs in this process: to ask it how much there is costs no request."""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, verify=WITHOUT_TLS, timeout=PATIENCE, trust_env=False)

    def control(self, path: str, **fields: Any) -> Any:
        """Post to a control endpoint."""
        answer = self.http.post(f"/_sandbox{path}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rule(self, behaviour: str, **fields: Any) -> None:
        """What shall happen to the next matching call (`times=None`: to all)."""
        self.control("/rules", behaviour=behaviour, **fields)

    def rules(self) -> list[Row]:
        """The rules that still wait for their call: one that applies once is gone when the call has arrived."""
        return list(self.http.get("/_sandbox/rules").json())

    def forget_rules(self) -> None:
        """No rule and no outage is in force any more, and no request is on record."""
        assert self.inside is not None
        self.inside.requests.clear()
        self.http.delete("/_sandbox/rules")
        self.http.delete("/_sandbox/outage")

    @contextmanager
    def outage(self, behaviour: str, *endpoints: str) -> Iterator[None]:
        """Every call of these endpoints meets this fault for the time being."""
        self.control("/outage", behaviour=behaviour, endpoints=list(endpoints))
        try:
            yield
        finally:
            self.http.delete("/_sandbox/outage")

    def hold_clock(self, moment: datetime) -> None:
        """It is this moment there, and what was due by then has happened."""
        self.control("/clock", now=int(moment.timestamp()))

    def register(self, customer_uid: str, pg: str | None = None) -> None:
        """Issue a key, as a customer does in the payment window."""
        self.control("/keys", customer_uid=customer_uid, action="register", **({"pg": pg} if pg else {}))

    def ledger(self, after: int = 0, **query: Any) -> list[Row]:
        """Every payment after a position of the books, oldest first."""
        rows: list[Row] = []
        while self.inside is None or after < self.position():
            page = self.http.get("/_sandbox/ledger", params={"after": after, "limit": 10_000} | query).json()
            rows += page["list"]
            if page["next"] is None:
                break
            after = page["next"]
        return rows

    def position(self) -> int:
        """How many payments the books hold now."""
        if self.inside is not None:
            return len(self.inside.payments)
        return int(self.http.get("/_sandbox/ledger", params={"limit": 1}).json()["total"])

    def requests(self, path: str = "", since: int = 0) -> list[Row]:
        """Recorded requests."""
        query: dict[str, Any] = {"path": path, "since": since, "limit": 20_000}
        return list(self.http.get("/_sandbox/requests", params=query).json())

    def close(self) -> None:
        """Close the client."""
        self.http.close()


@contextmanager
def running_sandbox(**options: Any) -> Iterator[Sandbox]:
    """A sandbox in a thread of this process, on a free port."""
    wanted = SandboxOptions(**({"port": 0, "late_after": LATE_SECONDS, "slow_seconds": SLOW_SECONDS} | options))
    with bound(wanted) as listening:
        server = server_for(wanted)
        inside: State = server.config.app.state  # type: ignore[union-attr] # the application itself, no name of it
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="sandbox")
        thread.start()
        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.started:
                assert thread.is_alive(), "the sandbox ended at its start"
                assert time.monotonic() < deadline, "the sandbox did not start"
                time.sleep(0.01)
            sandbox = Sandbox(f"http://127.0.0.1:{listening.getsockname()[1]}", inside)
            try:
                yield sandbox
            finally:
                sandbox.close()
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(START_SECONDS)
