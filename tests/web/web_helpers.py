"""The application on a real port and a real database, with a gateway and a doorbell that watch."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine, NullPool, create_engine, text
from web_calls import DEADLINE, HINT, PLAN, SANDBOX, SECRET, TOKEN, Api, eventually

from billing_worker import bootstrap
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.readiness import check_ready
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.config import Settings
from billing_worker.domain.card import UNTOLD
from billing_worker.domain.card_entry import Card
from billing_worker.domain.payment import ChargeRequest, Outcome, Unknown
from billing_worker.domain.timing import Timing
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import KeyReading, Listing, StoredKey
from billing_worker.usecases.charge import collect
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.web import CONNECTIONS, create_app
from billing_worker.web.server import listen, server_for
from tests.support.clock import FrozenClock
from tests.support.world import open_period

APPLICATION = "web-test"
"""The name of the application's sessions in PostgreSQL."""


class ScriptedGateway:
    """Answers charges with what the test put there, and remembers them."""

    def __init__(self) -> None:
        self.charges: list[ChargeRequest] = []
        self.answers: list[Callable[[ChargeRequest], Outcome]] = []

    def charge(self, request: ChargeRequest) -> Outcome:
        self.charges.append(request)
        return self.answers.pop(0)(request) if self.answers else Unknown("no answer")

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:  # noqa: ARG002
        return self.charge(request)

    def payment(self, imp_uid: str) -> Listing:  # noqa: ARG002
        return Listing(())

    def shows(self, imp_uid: str) -> bool:  # noqa: ARG002
        return False

    def payments_of(self, merchant_uid: str) -> Listing:  # noqa: ARG002
        return Listing(())

    def payments_of_key(self, customer_uid: str) -> Listing:  # noqa: ARG002
        return Listing(())

    def read_key(self, customer_uid: str) -> KeyReading:  # noqa: ARG002
        return KeyReading(StoredKey(UNTOLD))


class RecordingDoorbell:
    """Remembers rings; may be told to fail, or to hang until the test ends."""

    def __init__(self) -> None:
        self.rings: list[tuple[str, str]] = []
        self.fails = False
        self.on_ring: Callable[[], None] = lambda: None
        self.released = threading.Event()
        self.released.set()

    def ring(self, job: str, ident: str) -> None:
        self.on_ring()
        self.rings.append((job, ident))
        if self.fails:
            raise ConnectionError("the broker is away")
        self.released.wait(DEADLINE)


@dataclass
class Web:
    """One running application and everything behind it."""

    app: FastAPI
    ports: Ports
    engine: Engine
    url: str
    doorbell: RecordingDoorbell
    gateway: Any
    api: Api
    clock: Any = field(default_factory=FrozenClock)
    sessions_ended: bool = False

    def begin_anew(self) -> None:
        """Forget what an earlier test did."""
        if self.sessions_ended:  # the pool may still hold one of them
            self.engine.dispose()
            self.sessions_ended = False
        self.app.state.context.bell._thread.submit(int).result(DEADLINE)  # behind the last ring
        self.doorbell.rings.clear()
        self.doorbell.fails = False
        self.doorbell.on_ring = lambda: None
        if isinstance(self.gateway, ScriptedGateway):
            self.gateway.charges.clear()
            self.gateway.answers.clear()
        self.api.cookies.clear()
        with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    def end_sessions(self) -> None:
        """The effect of a restart of PostgreSQL on the application: its connections are gone without notice."""
        ended = f"datname = current_database() AND application_name = '{APPLICATION}'"
        statement = f"SELECT pg_terminate_backend(pid, {DEADLINE * 1000:.0f}) FROM pg_stat_activity WHERE {ended}"  # noqa: S608 - a test's own words
        with create_engine(self.engine.url, poolclass=NullPool).connect() as connection:
            assert all(connection.execute(text(statement)).scalars())
        self.sessions_ended = True

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])  # noqa: S608 - a test's own words

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    def create(self, path: str, **fields: Any) -> dict[str, Any]:
        """Post to the API and expect that it works."""
        answer = self.api.post(f"/v1/{path}", json=fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def subscribed(self, customer_uid: str = "user-1-card-1", **key: Any) -> dict[str, Any]:
        """A customer on a new plan with a new key."""
        plan = self.create("plans", **PLAN)
        registered = register_and_confirm(self.ports, NewKey(customer_uid, **{"pg_provider": "nice_v2"} | key))
        return self.create("subscriptions", plan_id=plan["id"], billing_key_id=registered.id, customer="user-1")

    def invoiced(self, **fields: Any) -> tuple[dict[str, Any], str]:
        """A subscription and the id of the invoice of its first period."""
        subscription = self.subscribed(**fields)
        return subscription, self.open_invoice(subscription)

    def own_hint(self) -> dict[str, str]:
        """A webhook about an order of ours."""
        self.invoiced()
        return HINT | {"merchant_uid": self.rows("SELECT merchant_uid FROM invoices")[0]["merchant_uid"]}

    def open_invoice(self, subscription: dict[str, Any]) -> str:
        """Open the invoice of the period that is due."""
        invoice_id = open_period(self.ports, subscription["id"])
        assert invoice_id is not None
        return invoice_id

    def charge(self, invoice_id: str, outcome: Callable[[ChargeRequest], Outcome]) -> None:
        """Charge an invoice with this outcome."""
        self.gateway.answers.append(outcome)
        collect.collect(self.ports, [invoice_id])

    def client(self, **options: Any) -> Api:
        """Another client."""
        return Api(self.url, self.app.openapi(), **options)


def settings(**given: Any) -> Settings:
    """Settings of a sandbox, but for what the test gives."""
    values = {"portone_api_url": SANDBOX, "paymentwall_secret_key": SECRET, "api_token": TOKEN, "_env_file": None}
    return Settings(**values | given)


@contextmanager
def running(database_url: str, *, real_gateway: Any = None, attends: bool = False, **given: Any) -> Iterator[Web]:
    """The application on a free port, with these settings; without a `real_gateway`, with a scripted one."""
    wanted = settings(database_url=database_url, **given)
    engine = open_engine(database_url, pool_size=CONNECTIONS, application=APPLICATION)
    ids, clock, doorbell = RandomIds(), FrozenClock(), RecordingDoorbell()
    gateway = real_gateway or ScriptedGateway()
    ports = Ports(clock, ids, SqlDatabase(engine, ids), gateway, None, Timing(), "test", card_entry=wanted.card_entry)
    verify = bootstrap.verify_pingback(wanted)
    app = create_app(ports, wanted, doorbell, verify, check_database=lambda: check_ready(engine), attends=attends)
    try:
        with serving(app) as url, Api(url, app.openapi()) as api:
            yield Web(app, ports, engine, url, doorbell, gateway, api, clock)
    finally:
        doorbell.released.set()
        engine.dispose()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """A real uvicorn in a thread."""
    listening = listen("127.0.0.1", 0)
    server = app.state.server = server_for(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    with listening:
        thread.start()
        try:
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(DEADLINE)
            assert not thread.is_alive()
