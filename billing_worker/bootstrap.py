"""The composition root, from settings to ports: the only module that knows every adapter."""

from datetime import datetime

from sqlalchemy import Engine

from billing_worker.adapters.clock import DatabaseClock
from billing_worker.adapters.database.engine import open_engine, server_time
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.adapters.notifier import WebhookNotifier
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.ports import Ports


def build(settings: Settings, *, role: str, connections: int) -> tuple[Ports, Engine]:
    """The ports of one process, with a pool of at most `connections` to the database. Nothing is contacted yet.

    Raises SettingsInvalid where a setting is missing that this process needs.
    """
    engine = open_engine(settings.database, pool_size=connections, application=f"billing-{role}")
    ids = RandomIds()

    def read_server_time() -> datetime:
        return server_time(engine)

    machine = TimeMachine.parse(settings.time_machine) if settings.time_machine else None
    notifier = None
    if settings.events_url is not None and settings.events_secret is not None:
        notifier = WebhookNotifier(str(settings.events_url), settings.events_secret.get_secret_value())
    secret = settings.portone_imp_secret
    ports = Ports(
        clock=DatabaseClock(read_server_time, machine),
        ids=ids,
        database=SqlDatabase(engine, ids),
        gateway=PortOneGateway(
            str(settings.portone_api_url),
            settings.portone_imp_key or "",
            secret.get_secret_value() if secret is not None else "",
            connect_timeout=settings.connect_timeout,
            total_deadline=settings.http_deadline,
            include_sandbox=settings.portone_include_sandbox,
            max_connections=connections,
        ),
        notifier=notifier,
        timing=settings.timing,
        environment=settings.environment,
    )
    return ports, engine


def require_gateway(settings: Settings) -> None:
    """A process that charges needs the gateway's keys. Raises SettingsInvalid."""
    if settings.portone_imp_key is None:
        where = "PortOne's console, under API keys"
        raise SettingsInvalid(
            f"BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET: are not set; find them in {where}"
        )
