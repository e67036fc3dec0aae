"""Serves the application as processes that die in the middle of a request: DATABASE_URL, and lines `STEP PORT`.

For each line of standard input a child serves on this port. It kills itself with SIGKILL at this step of serving the
first request that has an Idempotency-Key. A step is a statement, before or after it is carried out, a commit before it
is, or a part of the answer, when everything is durable but not answered. With step 0 it never dies. Children are forks:
a new process for each step would take seconds.
"""

import os
import signal
import sys

from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from web_calls import TOKEN
from web_helpers import RecordingDoorbell, settings

from billing_worker import bootstrap
from billing_worker.web import CONNECTIONS, create_app, serve


class Mortal:
    """Counts the steps of one request, and dies at the last one."""

    def __init__(self, last: int) -> None:
        self.steps, self.last, self.serving = 0, last, False

    def step(self, *_: object) -> None:
        """Count one."""
        if self.serving:
            self.steps += 1
            if self.steps == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """Counts from the request's arrival to its answer."""

    def __init__(self, app: ASGIApp, mortal: Mortal) -> None:
        self._app, self._mortal = app, mortal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting."""
        if scope["type"] != "http" or not any(name == b"idempotency-key" for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            self._mortal.step()
            await send(message)

        self._mortal.serving = True
        await self._app(scope, receive, counted)
        self._mortal.serving = False


def tell(line: str) -> None:
    """To the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def live(url: str, step: int, port: int) -> None:
    """Serve until it is ended, or until the step."""
    wanted, mortal = settings(database_url=url, api_token=TOKEN), Mortal(step)
    ports, engine = bootstrap.build(wanted, role="web", connections=CONNECTIONS)
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(engine, name, lambda *_: mortal.step())
    verify = bootstrap.verify_pingback(wanted)
    app = create_app(ports, wanted, RecordingDoorbell(), verify, check_database=lambda: None)
    app.add_middleware(Watched, mortal=mortal)
    serve(app, "127.0.0.1", port)


def main() -> None:
    """One child a line, one after the other but for those that never die."""
    url = sys.argv[1]
    for line in iter(sys.stdin.readline, ""):
        step, port = map(int, line.split())
        child = os.fork()
        if child == 0:
            live(url, step, port)
            os._exit(0)
        tell(f"pid {child}")
        if step:
            os.waitpid(child, 0)


main()
