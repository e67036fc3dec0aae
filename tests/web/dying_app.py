"""Serves the application as a process that dies in the middle of a request: DATABASE_URL STEP.

The process kills itself with SIGKILL at the given step of serving the first request that has an Idempotency-Key. A step
is a statement or a commit, before and after it is carried out, and the start of the answer. With step 0 it never dies,
and prints how many steps there were.
"""

import os
import signal
import sys

from fastapi import FastAPI
from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from web_calls import TOKEN
from web_helpers import RecordingDoorbell, settings

from billing_worker import bootstrap
from billing_worker.web import CONNECTIONS, create_app, serve

url, last = sys.argv[1], int(sys.argv[2])
wanted = settings(database_url=url, api_token=TOKEN)
ports, engine = bootstrap.build(wanted, role="web", connections=CONNECTIONS)
steps = 0
serving = False


def step(*_: object, **__: object) -> None:
    """Count, and die at the last one."""
    global steps  # noqa: PLW0603 - one process, one request
    if serving:
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)


for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
    event.listen(engine, name, step)


class Watched:
    """Counts from the request's arrival to its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting."""
        global serving  # noqa: PLW0603 - as above
        keyed = scope["type"] == "http" and any(name == b"idempotency-key" for name, _ in scope["headers"])

        async def counted(message: Message) -> None:
            if keyed:
                step()  # the effect is durable, and nobody knows
            await send(message)

        serving = keyed
        await self._app(scope, receive, counted)
        serving = False
        if keyed:
            sys.stdout.write(f"steps: {steps}\n")
            sys.stdout.flush()


app: FastAPI = create_app(
    ports,
    wanted,
    RecordingDoorbell(),
    bootstrap.verify_pingback(wanted),
    check_database=lambda: bootstrap.check_database(engine),
)
app.add_middleware(Watched)
serve(app, "127.0.0.1", int(sys.argv[3]))
