"""The baseline for the receiver: Starlette and uvicorn, one INSERT and one commit per request, and nothing else.

No limits, no checks, no bell, no echo; twenty connections to PostgreSQL, asynchronous. PORT URL.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CONNECTIONS = 20
INSERT = """
    INSERT INTO bare_inbox (dedupe_key, payload) VALUES (%s, %s)
    ON CONFLICT (dedupe_key) DO UPDATE SET deliveries = bare_inbox.deliveries + 1
"""
TABLE = """
    CREATE TABLE IF NOT EXISTS bare_inbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dedupe_key text NOT NULL UNIQUE, payload jsonb NOT NULL, deliveries integer NOT NULL DEFAULT 1,
        received_at timestamptz NOT NULL DEFAULT now())
"""

port, url = int(sys.argv[1]), sys.argv[2].replace("+psycopg", "")
idle: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Open the connections."""
    for number in range(CONNECTIONS):
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        if number == 0:
            await connection.execute(TABLE)
        idle.put_nowait(connection)
    yield


async def receive(request: Request) -> JSONResponse:
    """Store one hint."""
    body = await request.body()
    is_json = request.headers["content-type"] == "application/json"
    fields = json.loads(body) if is_json else dict(parse_qsl(body.decode()))
    key = f"{fields['imp_uid']}|{fields['status']}||{fields['merchant_uid']}"
    connection = await idle.get()
    try:
        await connection.execute(INSERT, (key, json.dumps(fields)))  # its own transaction, committed
    finally:
        idle.put_nowait(connection)
    return JSONResponse({"received": True})


app = Starlette(routes=[Route("/webhooks/portone", receive, methods=["POST"])], lifespan=lifespan)
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
