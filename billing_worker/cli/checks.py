"""The checks of `doctor`: each is one line, a verdict, and the way out."""

import http.client
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import redis

from billing_worker import bootstrap
from billing_worker.cli.api_token import where_token_is
from billing_worker.cli.checks_of_operation import broker_writes, database_writes, processes
from billing_worker.cli.finding import Finding, Verdict, failed, ok
from billing_worker.cli.session import release
from billing_worker.cli.settings import without_password
from billing_worker.config import Settings
from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.errors import BillingError
from billing_worker.domain.money import Money
from billing_worker.domain.stop import StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.texts.commands import command_of
from billing_worker.texts.words import Words
from billing_worker.usecases.control.environment import compared
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.reading.report import compared_until
from billing_worker.usecases.reading.waits import stop_in_words
from billing_worker.web.security import is_loopback
from billing_worker.web.sources import PORTONE_ADDRESSES, Sources

LARGEST_SKEW = 0.5
"""Seconds. The worker does not decide by a host's clock, but logs and certificates use it."""

NO_SUCH_PAYMENT = "imp_000000000000"
"""A payment that does not exist. A read of it needs a token, and so a valid key and secret, and changes nothing."""

COMPARED_WITHIN = 900.0
"""Seconds: the promised time to find a difference between both books."""

PROBE_SECONDS = 2.0

MOST_STOPS = 10


def database(settings: Settings, words: Words) -> Iterator[Finding]:
    """Check that the database answers, its tables, its limits and its clock; then the gateway."""
    try:
        ports, engine = bootstrap.build(settings, role="doctor", connections=2)
    except BillingError as error:
        yield failed("database", error, words)
        return
    try:
        try:
            bootstrap.check_database(engine)
            yield ok("database", words.say("doctor.database", place=bootstrap.place_of(engine)))
            way, limits = bootstrap.connection_kind(engine)
            yield ok("connection", words.say(f"doctor.connection.{way}", limits=limits))
            yield from database_writes(ports, words)
            yield from processes(settings, ports, words)
            yield from charging(ports, words)
            yield from environment(ports, words)
            yield from books(settings, ports, words)
        except BillingError as error:
            yield failed("database", error, words)
        yield from clocks(ports, words)
        yield from gateway(settings, ports, words)
    finally:
        release(ports, engine)


def charging(ports: Ports, words: Words) -> Iterator[Finding]:
    """Check that no stop is open."""
    found = stops(ports, limit=MOST_STOPS)
    if not found:
        yield ok("charging", words.say("doctor.charging"))
    for each in found:
        verdict = Verdict.WARN if each.stop.cause is StopCause.PERSON else Verdict.FAIL
        command = command_of(WayOut(Action.CLEAR_STOP, {"stop": each.stop.id}))
        way_out = words.say("doctor.charging.clear", command=command)
        if each.stop.cause is StopCause.GATEWAY:
            way_out = words.say("doctor.charging.wait")
        stopped = stop_in_words(each.stop, words)
        yield Finding(
            "charging", verdict, words.say("doctor.charging.stopped", stop=stopped, waiting=each.waiting), way_out
        )


def environment(ports: Ports, words: Words) -> Iterator[Finding]:
    """Check that this database and account are the claimed ones."""
    found = compared(ports)
    if found.claimed is None:
        yield ok("environment", words.say("doctor.environment.unclaimed"))
    elif found.differences:
        detail = words.say("doctor.environment.differs", differences="; ".join(found.differences))
        yield Finding("environment", Verdict.WARN, detail, words.say("doctor.environment.way"))
    else:
        here = {"gateway": found.here.gateway, "prefix": found.here.environment}
        yield ok("environment", words.say("doctor.environment", **here))


def budgets(settings: Settings, words: Words) -> Iterator[Finding]:
    """Check that a budget limits our own mistakes, and show its limits."""
    limits = settings.budgets
    if settings.gateway_is_live and not limits.run and limits.count is None:
        yield Finding("budget", Verdict.WARN, words.say("doctor.budget.missing"), words.say("doctor.budget.way"))
        return
    hours = [Money(amount, currency) for currency, amount in limits.run.items()]
    days = [Money(amount, currency) for currency, amount in limits.customer_day.items()]
    sums = [words.say("doctor.budget.hour", money=each) for each in hours]
    sums += [words.say("doctor.budget.count", count=limits.count)] if limits.count is not None else []
    sums += [words.say("doctor.budget.customer", money=each) for each in days]
    sums += [words.say("doctor.budget.jump", times=limits.jump)] if limits.jump else []
    said = words.say("doctor.budget", limits=", ".join(sums)) if sums else words.say("doctor.budget.none")
    yield ok("budget", said)


def clocks(ports: Ports, words: Words) -> Iterator[Finding]:
    """Compare this host's clock with the database server's."""
    try:
        skew = abs((datetime.now(UTC) - ports.clock.moment().real).total_seconds())
    except BillingError:
        return  # the check of the database reports it
    if skew > LARGEST_SKEW:
        detail = words.say("doctor.clock.differs", skew=f"{skew:.1f}")
        yield Finding("clock", Verdict.WARN, detail, words.say("doctor.clock.way"))
    else:
        yield ok("clock", words.say("doctor.clock", skew=f"{skew:.2f}"))


def books(settings: Settings, ports: Ports, words: Words) -> Iterator[Finding]:
    """Check that both books were compared recently. Raises Unavailable."""
    now = ports.clock.moment().billing
    until = compared_until(ports)
    way_out = words.say("doctor.books.way")
    if until is None:
        yield Finding("books", Verdict.WARN, words.say("doctor.books.never"), way_out)
        return
    age, at = (now - until).total_seconds(), f"{until:%F %T}"
    if age > max(COMPARED_WITHIN, 3 * settings.compare_interval) and settings.time_machine is None:
        detail = words.say("doctor.books.old", until=at, minutes=f"{age / 60:.0f}")
        yield Finding("books", Verdict.WARN, detail, way_out)
    else:
        yield ok("books", words.say("doctor.books", until=at))


def gateway(settings: Settings, ports: Ports, words: Words) -> Iterator[Finding]:
    """Check that the gateway answers and accepts our keys."""
    url = str(settings.portone_api_url)
    try:
        bootstrap.check_gateway(settings)
    except BillingError as error:
        yield failed("gateway", error, words)
        return
    trouble = ports.gateway.payment(NO_SUCH_PAYMENT).trouble
    if trouble is not None:
        detail = words.say("doctor.gateway.trouble", url=url, trouble=words.reason(trouble))
        yield Finding("gateway", Verdict.FAIL, detail, words.say("doctor.gateway.way"))
    else:
        kind = "live" if settings.gateway_is_live else "sandbox"
        yield ok("gateway", words.say(f"doctor.gateway.{kind}", url=url))


def broker(settings: Settings, words: Words) -> Iterator[Finding]:
    """Check that the broker answers, drops no message, and stores messages on disk."""
    try:
        bootstrap.check_broker(settings)
    except BillingError as error:
        yield failed("broker", error, words)
        return
    yield ok("broker", words.say("doctor.broker", place=without_password(settings.broker)))
    yield from broker_writes(settings, words)
    with bootstrap.redis_client(settings) as client:
        try:
            policy = str(client.info("memory").get("maxmemory_policy"))
            appends = client.info("persistence").get("aof_enabled") == 1
            saves = bool(client.config_get("save").get("save"))
        except redis.RedisError as error:
            detail = words.say("doctor.broker_settings", error=str(error).splitlines()[0])
            yield Finding("broker settings", Verdict.WARN, detail, words.say("doctor.broker_settings.way"))
            return
    if policy != "noeviction":
        detail = words.say("doctor.memory.drops", policy=policy)
        yield Finding("broker memory", Verdict.WARN, detail, "redis-cli CONFIG SET maxmemory-policy noeviction")
    else:
        yield ok("broker memory", words.say("doctor.memory"))
    if not (appends or saves):
        detail = words.say("doctor.persistence.none")
        yield Finding("broker persistence", Verdict.WARN, detail, "redis-cli CONFIG SET appendonly yes")
    else:
        yield ok("broker persistence", words.say(f"doctor.persistence.{'aof' if appends else 'snapshots'}"))


def exposure(settings: Settings, words: Words) -> Iterator[Finding]:
    """Check that the API needs a token, and that Flower needs a password over the network."""
    try:
        yield ok("API", words.say("doctor.API", where=where_token_is(settings)))
    except BillingError as error:
        yield failed("API", error, words)
    port = settings.flower_port
    opened = [host for host in _own_addresses() if _answers_anybody(host, port)]
    if opened:
        detail = words.say("doctor.Flower.open", address=f"{opened[0]}:{port}")
        yield Finding("Flower", Verdict.FAIL, detail, words.say("doctor.Flower.way"))
    else:
        yield ok("Flower", words.say("doctor.Flower", port=port))


def sources(settings: Settings, words: Words) -> Iterator[Finding]:
    """Show the accepted sources of webhooks, and how they are known."""
    try:
        found = Sources.of(settings)
    except BillingError as error:
        yield failed("webhook sources", error, words)
        return
    told = {
        "documented": ", ".join(PORTONE_ADDRESSES),
        "listed": ", ".join(map(str, found.networks)),
        "proxies": ", ".join(map(str, found.proxies)),
    }
    if not found.networks:
        yield ok("webhook sources", words.say("doctor.sources.any", **told))
    elif found.proxies:
        yield ok("webhook sources", words.say("doctor.sources.proxied", **told))
    elif any(network.is_private for network in found.networks):
        detail, way_out = words.say("doctor.sources.private", **told), words.say("doctor.sources.way")
        yield Finding("webhook sources", Verdict.WARN, detail, way_out)
    else:
        yield ok("webhook sources", words.say("doctor.sources.direct", **told))


def time_machine(settings: Settings, words: Words) -> Iterator[Finding]:
    """Check that the clock is real."""
    if settings.time_machine is None:
        yield ok("time", words.say("doctor.time"))
        return
    detail = words.say("doctor.time.machine", machine=settings.time_machine)
    yield Finding("time", Verdict.WARN, detail, words.say("doctor.time.way"))


def _own_addresses() -> set[str]:
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()
    return {address for address in found if not is_loopback(address.partition("%")[0])}


def _answers_anybody(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
