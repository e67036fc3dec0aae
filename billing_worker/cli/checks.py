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
from billing_worker.domain.errors import BillingError
from billing_worker.domain.money import Money
from billing_worker.domain.stop import StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.environment import compared
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.reading.report import compared_until
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


def database(settings: Settings) -> Iterator[Finding]:
    """Check that the database answers, its tables, its limits and its clock; then the gateway."""
    try:
        ports, engine = bootstrap.build(settings, role="doctor", connections=2)
    except BillingError as error:
        yield failed("database", error)
        return
    try:
        try:
            bootstrap.check_database(engine)
            yield ok("database", f"{bootstrap.place_of(engine)} answers; its tables are of this release")
            yield ok("connection", bootstrap.connection_kind(engine))
            yield from database_writes(ports)
            yield from processes(settings, ports)
            yield from charging(ports)
            yield from environment(ports)
            yield from books(settings, ports)
        except BillingError as error:
            yield failed("database", error)
        yield from clocks(ports)
        yield from gateway(settings, ports)
    finally:
        release(ports, engine)


def charging(ports: Ports) -> Iterator[Finding]:
    """Check that no stop is open."""
    found = stops(ports, limit=MOST_STOPS)
    if not found:
        yield ok("charging", "is stopped nowhere")
    for each in found:
        verdict = Verdict.WARN if each.stop.cause is StopCause.PERSON else Verdict.FAIL
        way_out = f"docs/runbook.md, \"Stop the line\"; then: billing-worker breaker clear {each.stop.id} --note '...'"
        if each.stop.cause is StopCause.GATEWAY:
            way_out = 'docs/runbook.md, "PortOne is away": it ends by itself as soon as the gateway answers'
        yield Finding("charging", verdict, f"{each.stop}; due invoices that wait: {each.waiting}", way_out)


def environment(ports: Ports) -> Iterator[Finding]:
    """Check that this database and account are the claimed ones."""
    found = compared(ports)
    if found.claimed is None:
        yield ok("environment", "this database is not claimed yet; the first worker claims it, if it has no charges")
    elif found.differences:
        detail = "; ".join(found.differences)
        way_out = "if this database shall charge: reconcile, then breaker claim --yes"
        yield Finding("environment", Verdict.WARN, detail, way_out)
    else:
        yield ok("environment", f"claimed: {found.here.gateway}, prefix {found.here.environment}")


def budgets(settings: Settings) -> Iterator[Finding]:
    """Check that a budget limits our own mistakes, and show its limits."""
    limits = settings.budgets
    if settings.gateway_is_live and not limits.run and limits.count is None:
        way_out = "set BILLING_BUDGET_RUN to a few times your busiest hour"
        yield Finding("budget", Verdict.WARN, "no budget limits the charges within an hour", way_out)
        return
    sums = [f"{Money(amount, currency)} an hour" for currency, amount in limits.run.items()]
    sums += [f"{limits.count} charges an hour"] if limits.count is not None else []
    sums += [f"{Money(amount, currency)} a customer and day" for currency, amount in limits.customer_day.items()]
    sums += [f"{limits.jump} times the last amount"] if limits.jump else []
    yield ok("budget", "at most " + ", ".join(sums) if sums else "none")


def clocks(ports: Ports) -> Iterator[Finding]:
    """Compare this host's clock with the database server's."""
    try:
        skew = abs((datetime.now(UTC) - ports.clock.moment().real).total_seconds())
    except BillingError:
        return  # the check of the database reports it
    if skew > LARGEST_SKEW:
        detail = f"this host's clock and the database server's differ by {skew:.1f} s"
        yield Finding("clock", Verdict.WARN, detail, "run NTP (chrony or systemd-timesyncd) on both")
    else:
        yield ok("clock", f"this host and the database server agree to {skew:.2f} s")


def books(settings: Settings, ports: Ports) -> Iterator[Finding]:
    """Check that both books were compared recently. Raises Unavailable."""
    now = ports.clock.moment().billing
    until = compared_until(ports)
    way_out = "start worker and beat, or run: billing-worker reconcile"
    if until is None:
        yield Finding("books", Verdict.WARN, "not compared with the gateway's yet", way_out)
        return
    age = (now - until).total_seconds()
    said = f"compared with the gateway's until {until:%F %T} UTC"
    if age > max(COMPARED_WITHIN, 3 * settings.compare_interval) and settings.time_machine is None:
        yield Finding("books", Verdict.WARN, f"{said}, {age / 60:.0f} minutes ago", way_out)
    else:
        yield ok("books", said)


def gateway(settings: Settings, ports: Ports) -> Iterator[Finding]:
    """Check that the gateway answers and accepts our keys."""
    url = str(settings.portone_api_url)
    try:
        bootstrap.check_gateway(settings)
    except BillingError as error:
        yield failed("gateway", error)
        return
    trouble = ports.gateway.payment(NO_SUCH_PAYMENT).trouble
    if trouble is not None:
        way_out = "check BILLING_PORTONE_API_URL, BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET"
        yield Finding("gateway", Verdict.FAIL, f"{url}: {trouble}", way_out)
    else:
        money = "live: real money moves" if settings.gateway_is_live else "no live host of PortOne"
        yield ok("gateway", f"{url} answers and accepts the keys ({money})")


def broker(settings: Settings) -> Iterator[Finding]:
    """Check that the broker answers, drops no message, and stores messages on disk."""
    try:
        bootstrap.check_broker(settings)
    except BillingError as error:
        yield failed("broker", error)
        return
    yield ok("broker", f"{without_password(settings.broker)} answers")
    yield from broker_writes(settings)
    with bootstrap.redis_client(settings) as client:
        try:
            policy = str(client.info("memory").get("maxmemory_policy"))
            appends = client.info("persistence").get("aof_enabled") == 1
            saves = bool(client.config_get("save").get("save"))
        except redis.RedisError as error:
            detail = f"its settings cannot be read: {str(error).splitlines()[0]}"
            yield Finding("broker settings", Verdict.WARN, detail, "allow this user INFO and CONFIG GET")
            return
    if policy != "noeviction":
        detail = f"maxmemory-policy is {policy}: Redis may drop messages (they are found again, later)"
        yield Finding("broker memory", Verdict.WARN, detail, "redis-cli CONFIG SET maxmemory-policy noeviction")
    else:
        yield ok("broker memory", "maxmemory-policy is noeviction")
    if not (appends or saves):
        detail = "nothing is written to disk: a restart empties the queue (the next scans fill it again)"
        yield Finding("broker persistence", Verdict.WARN, detail, "redis-cli CONFIG SET appendonly yes")
    else:
        yield ok("broker persistence", "append-only file" if appends else "snapshots")


def exposure(settings: Settings) -> Iterator[Finding]:
    """Check that the API needs a token, and that Flower needs a password over the network."""
    try:
        yield ok("API", f"needs a token; the one that may do everything: {where_token_is(settings)}")
    except BillingError as error:
        yield failed("API", error)
    port = settings.flower_port
    opened = [host for host in _own_addresses() if _answers_anybody(host, port)]
    if opened:
        way_out = "start it with --address=127.0.0.1, or set FLOWER_BASIC_AUTH=user:password"
        yield Finding("Flower", Verdict.FAIL, f"answers anyone on {opened[0]}:{port}", way_out)
    else:
        yield ok("Flower", f"does not answer the network on port {port} without a password")


def sources(settings: Settings) -> Iterator[Finding]:
    """Show the accepted sources of webhooks, and how they are known."""
    try:
        found = Sources.of(settings)
    except BillingError as error:
        yield failed("webhook sources", error)
        return
    documented = f"PortOne documents {', '.join(PORTONE_ADDRESSES)}"
    if not found.networks:
        yield ok("webhook sources", f"accepted from any address, since each is only a hint; {documented}")
        return
    listed = f"only from {', '.join(map(str, found.networks))}"
    if found.proxies:
        proxies = ", ".join(map(str, found.proxies))
        yield ok("webhook sources", f"{listed}, by X-Forwarded-For behind {proxies}; {documented}")
    elif any(network.is_private for network in found.networks):
        detail = f"{listed}: a private address without a trusted proxy lets in every sender behind it"
        way_out = "put your proxy's addresses into BILLING_TRUSTED_PROXIES, and only senders' into the list"
        yield Finding("webhook sources", Verdict.WARN, detail, way_out)
    else:
        yield ok("webhook sources", f"{listed}, connecting without a proxy; {documented}")


def time_machine(settings: Settings) -> Iterator[Finding]:
    """Check that the clock is real."""
    if settings.time_machine is None:
        yield ok("time", "real")
        return
    detail = f"the time machine is on: {settings.time_machine}"
    yield Finding("time", Verdict.WARN, detail, "unset BILLING_TIME_MACHINE for real billing")


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
