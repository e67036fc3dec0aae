"""The composition root, from settings to ports: the only module that imports every adapter."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel
from sqlalchemy import Engine

from billing_worker import messengers
from billing_worker.adapters.alerting import hidden_in
from billing_worker.adapters.calls import MOST_CALLS, Begins, CallsUnderWay
from billing_worker.adapters.clock import DatabaseClock
from billing_worker.adapters.database.address import Address
from billing_worker.adapters.database.engine import WORKING, is_direct, open_engine, opening_of, server_time
from billing_worker.adapters.database.found import NEWEST_MIGRATION
from billing_worker.adapters.database.readiness import check_ready
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.ids import RandomIds
from billing_worker.adapters.missing_gateway import MissingGateway
from billing_worker.adapters.notices.smtp import MailServer
from billing_worker.adapters.paymentwall import Names, Pingback, accept
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.adapters.portone.client import host_of
from billing_worker.adapters.portone.sandbox_marker import is_sandbox
from billing_worker.adapters.time_machine import time_machine
from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from billing_worker.domain.presence import Watching
from billing_worker.ports.bundle import Auditing, Ports
from billing_worker.ports.hourly import TimesCalls
from billing_worker.ports.outgoing import Delivering
from billing_worker.ports.outside import Gateway

WORKER = "worker"
"""The role of a process that places charges, many at a time."""


def build(settings: Settings, *, role: str, connections: int) -> tuple[Ports, Engine]:
    """The ports of one process, with a pool of at most `connections` to the database. They do not connect yet.

    Raises SettingsInvalid if a setting that this process needs is missing.
    """
    engine = open_engine(settings.database, pool_size=connections, application=f"billing-{role}")
    ids = RandomIds()

    def read_server_time() -> datetime:
        return server_time(engine)

    machine = time_machine(settings.time_machine) if settings.time_machine else None
    rate = 1.0 if machine is None else machine().rate
    noticing = messengers.noticing_of(settings)
    clock = DatabaseClock(read_server_time, machine)
    gateway = _gateway(settings, connections if role != WORKER else MOST_CALLS)
    ports = Ports(
        clock=clock,
        ids=ids,
        database=SqlDatabase(engine, ids, clock.steady, clock.still, tuple(noticing.messengers) if noticing else ()),
        gateway=gateway,
        calls=CallsUnderWay(gateway) if role == WORKER and isinstance(gateway, Begins) else None,
        timed=gateway if isinstance(gateway, TimesCalls) else None,
        notifier=messengers.notifier_of(settings),
        noticing=noticing,
        alerting=messengers.alerting_of(settings),
        timing=settings.timing,
        environment=settings.environment,
        # A time machine passes a month in the time of a scan: all work is late there, and no money is real.
        catch_up_rate=settings.catch_up_rate if machine is None else 0,
        pg_limits=settings.pg_limits,
        account=account_of(settings),
        budgets=settings.budgets,
        delivering=Delivering(
            disable_after=timedelta(days=settings.events_disable_after),
            keep=timedelta(days=settings.events_retention_days),
        ),
        inbox=settings.inbox,
        retention=settings.retention,
        scan_limit=settings.scan_limit,
        card_entry=settings.card_entry,
        shadow=settings.shadow,
        watching=watching_of(settings, rate),
        auditing=Auditing(settings.audit_interval, _secrets(settings), rate),
    )
    return ports, engine


def watching_of(settings: Settings, rate: float = 1.0) -> Watching:
    """How processes are watched. `rate`: seconds of billing time per real second."""
    # A beat shows only at its rings that it works.
    silent_after = timedelta(seconds=max(settings.silent_after, 3 * settings.scan_interval))
    return Watching(silent_after, rate)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Secrets that must never be stored."""
    hidden = (
        settings.portone_imp_secret,
        settings.paymentwall_secret_key,
        settings.paymentwall_test_key,
        settings.api_token,
        settings.events_secret,
        settings.card_page_secret,
        settings.notice_secret,
    )
    # The events' secret may consist of two.
    found = [part for secret in hidden if secret is not None for part in secret.get_secret_value().split()]
    found += hidden_in(settings.alert_url.get_secret_value()) if settings.alert_url is not None else ()
    mail = MailServer.parse(settings.notice_smtp_url).password if settings.notice_smtp_url is not None else None
    return tuple(found) if mail is None else (*found, mail)


def account_of(settings: Settings) -> str:
    """The account that charges: enough to distinguish two accounts, too little to find a matching key."""
    digest = hashlib.sha256(f"billing-worker {settings.portone_imp_key}".encode()).hexdigest()
    return f"{settings.portone_api_url.host} key {digest[:8]}"


NO_KEYS = (
    "BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET: are not set; PortOne's console shows them under API keys"
)


SURELY_RANDOM = 16
"""From this length on, a secret does not appear in an answer by chance."""


def _gateway(settings: Settings, connections: int) -> Gateway:
    if settings.portone_imp_key is None or settings.portone_imp_secret is None:
        return MissingGateway(NO_KEYS)
    return PortOneGateway(
        str(settings.portone_api_url),
        settings.portone_imp_key,
        settings.portone_imp_secret.get_secret_value(),
        connect_timeout=settings.connect_timeout,
        total_deadline=settings.http_deadline,
        include_sandbox=settings.portone_include_sandbox,
        max_connections=connections,
        product_type=settings.product_type,
        # Only long ones: blanking a password like "paid" out of an answer would change its meaning.
        also_secret=[secret for secret in settings.secrets if len(secret) >= SURELY_RANDOM],
    )


PARTS: Sequence[tuple[Callable[[Settings], object], Sequence[str]]] = (
    (lambda settings: Address.of(settings.database, "checks"), ("database_url",)),
    (lambda settings: settings.broker_server, ("broker_url",)),
    (lambda settings: time_machine(settings.time_machine) if settings.time_machine else None, ("time_machine",)),
    *messengers.PARTS,
    (lambda settings: settings.card_page if settings.wants_card_page else None, ("card_page_secret", "card_page_url")),
    (lambda settings: host_of(str(settings.portone_api_url)), ("portone_imp_key", "portone_imp_secret")),
)
"""The parts of a process that may refuse a setting with SettingsInvalid, and the settings that go with each: without
those, all other parts still come together. Each is read alone, so that no fault hides another."""


def check_database(engine: Engine) -> None:
    """Refuse a database that does not answer or has tables of another release: one line with the way out."""
    check_ready(engine)


def place_of(engine: Engine) -> str:
    """Name, hosts and ports of the database, without user and password."""
    return opening_of(engine).address.where


def connection_kind(engine: Engine) -> tuple[str, str]:
    """The way to the database, `direct` or `pooled`, and the limits of a transaction. Raises Unavailable."""
    limits = ", ".join(f"{name} {value / 1000:g} s" for name, value in WORKING.settings.items())
    return "direct" if is_direct(engine) else "pooled", limits


def check_gateway(settings: Settings) -> None:
    """Refuse to charge without keys, or to run a time machine against any gateway but a sandbox.

    Raises SettingsInvalid, or Unavailable while the sandbox does not answer.
    """
    if settings.portone_imp_key is None:
        raise SettingsInvalid(NO_KEYS)
    if settings.time_machine is not None and not is_sandbox(str(settings.portone_api_url)):
        url = settings.portone_api_url
        raise SettingsInvalid(f"BILLING_TIME_MACHINE: refused, since {url} does not say that it is a sandbox")


def verify_pingback(settings: Settings) -> Callable[[bytes], Pingback] | None:
    """A check of a pingback's raw query: signature, names, forms; None without a Paymentwall secret."""
    if settings.paymentwall_secret_key is None:
        return None
    keys = (settings.paymentwall_secret_key, settings.paymentwall_test_key)
    secrets = [key.get_secret_value() for key in keys if key is not None]
    names, version = Names.with_own(settings.paymentwall_parameters), settings.paymentwall_sign_version
    return lambda raw_query: accept(raw_query, secrets, version, names)


def upgrade_database(engine: Engine, tell: Callable[[str], None] = lambda _: None) -> tuple[str | None, str]:
    """Upgrade the tables to this release; returns the migration before and after.

    `tell` gets reports of blocking sessions and of progress. Raises Unavailable or SettingsInvalid, with the way out in
    one line.
    """
    from billing_worker.adapters.database.upgrade import upgrade  # noqa: PLC0415 - who only works loads no migrations

    return upgrade(engine, tell), NEWEST_MIGRATION


BROKER_SECONDS = 3
"""Seconds until a check gives up on a server, or on one Sentinel."""


def redis_client(settings: Settings) -> redis.Redis:
    """A client of the broker, for checks; connects at first use. The caller closes it. Raises SettingsInvalid."""
    server = settings.broker_server
    limits: dict[str, Any] = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}
    limits["retry"] = Retry(NoBackoff(), 1)
    account: dict[str, Any] = {"username": server.username, "password": server.password, "db": server.database}
    if server.socket is not None:
        return redis.Redis(unix_socket_path=server.socket, **limits, **account)
    if server.master_name is not None:
        own = sentinel_options(settings)
        sentinels = Sentinel(server.hosts, sentinel_kwargs=own, **limits, **account)  # type: ignore[no-untyped-call] # redis has no types there
        master: redis.Redis = sentinels.master_for(server.master_name)  # type: ignore[no-untyped-call] # as above
        return master
    host, port = server.hosts[0]
    return redis.Redis(host=host, port=port, ssl=server.tls is not None, **(server.tls or {}), **limits, **account)


def sentinel_options(settings: Settings) -> dict[str, Any]:
    """Options of redis-py, kombu and Flower for the connections to the Sentinels.

    A Sentinel that is down is tried once, briefly: redis-py would retry it for seconds at every new connection, while
    the others know the master.
    """
    options: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": None}
    password = settings.broker_sentinel_password
    return options if password is None else options | {"password": password.get_secret_value()}


def check_broker(settings: Settings) -> None:
    """Refuse to start while the broker does not answer. Raises Unavailable."""
    client = redis_client(settings)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:  # a missing certificate file is an OSError
        problem = f"cannot use Redis at {settings.broker_server.where}: {str(error).splitlines()[0]}"
        raise Unavailable(f"BILLING_BROKER_URL: {problem}; is the server running?") from error
    finally:
        client.close()
