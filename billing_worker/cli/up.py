"""`billing-worker up`: every process under supervision; embedded servers only if no URL is set."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from billing_worker import bootstrap
from billing_worker.cli import stack
from billing_worker.cli.api_token import FILE, with_token
from billing_worker.config import Settings, load_settings
from billing_worker.config.gateway import LIVE_PORTONE
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.time_machine import IN_A_FILE
from billing_worker.runtime import Supervisor, free_port

SANDBOX_KEYS = {
    "BILLING_PORTONE_IMP_KEY": "imp_key_sandbox",
    "BILLING_PORTONE_IMP_SECRET": "imp_secret_sandbox",
}
"""The sandbox's documented keys."""

START_DELAY = timedelta(seconds=10)
"""A time machine without an origin starts after this, when the processes are up."""


def up(
    *,
    time_machine: Annotated[
        str | None,
        typer.Option(
            help="Sandbox only: run the clock from START, RATE times as fast: '2026-01-01T00:00:00+09:00 x1440'"
        ),
    ] = None,
) -> None:
    """Run everything: web, workers, beat and Flower; PostgreSQL, Redis and the sandbox if none is set.

    A process that dies is restarted, after a growing pause. Ctrl-C stops everything in order: workers finish the
    charges that they have begun.

    If BILLING_DATABASE_URL or BILLING_BROKER_URL is not set, a real PostgreSQL or Redis starts below BILLING_VAR_DIR.
    If neither BILLING_PORTONE_IMP_KEY nor BILLING_PORTONE_API_URL is set, the sandbox stands in for PortOne, and no
    real money moves.

    Example: billing-worker up
    """
    settings = load_settings()
    stack.refuse_taken_port(settings.web_host, settings.web_port, "BILLING_WEB_PORT")
    stack.refuse_taken_port(stack.LOOPBACK, settings.flower_port, "BILLING_FLOWER_PORT")
    with_sandbox = settings.portone_imp_key is None and str(settings.portone_api_url).rstrip("/") == LIVE_PORTONE
    if with_sandbox and settings.database_url is not None:
        way_out = "set BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET, or leave BILLING_DATABASE_URL unset too"
        raise SettingsInvalid(f"BILLING_DATABASE_URL: the sandbox never writes into a database of your own; {way_out}")
    services = stack.Services(settings.var_dir)
    try:
        variables = services.start(settings)
        if with_sandbox:
            sandbox_port = free_port()
            variables |= SANDBOX_KEYS | {"BILLING_PORTONE_API_URL": f"http://{stack.LOOPBACK}:{sandbox_port}"}
        if time_machine is not None:
            whole = "@" in time_machine or time_machine.startswith(IN_A_FILE)
            origin = "" if whole else f" @{(datetime.now(UTC) + START_DELAY).isoformat()}"
            variables["BILLING_TIME_MACHINE"] = time_machine + origin
        names = {name.removeprefix("BILLING_").lower(): value for name, value in variables.items()}
        settings = load_settings(**names)
        services.publish(variables)
        _prepare_database(settings, embedded=services.postgres is not None)
        env = stack.child_environment(variables)
        processes = stack.worker_processes(settings, env)
        if with_sandbox:
            hook = f"http://{stack.LOOPBACK}:{settings.web_port}/webhooks/portone"
            ledger = str(settings.var_dir / "sandbox-ledger.jsonl")
            processes.insert(0, stack.sandbox(env, sandbox_port, "--webhook-url", hook, "--ledger", ledger))
        else:
            bootstrap.check_gateway(settings)
        with_token(settings)
        _greet(settings, with_sandbox=with_sandbox)
        supervisor = Supervisor(processes, typer.echo)
        supervisor.start()
        if supervisor.run(until=lambda: supervisor.ready):
            typer.echo(f"Ready: all {len(processes)} processes work. Ctrl-C stops everything.")
            supervisor.run()
    finally:
        services.stop()


def _prepare_database(settings: Settings, *, embedded: bool) -> None:
    _, engine = bootstrap.build(settings, role="up", connections=1)
    try:
        if embedded:
            bootstrap.upgrade_database(engine, typer.echo)
        bootstrap.check_database(engine)
    finally:
        engine.dispose()


def _greet(settings: Settings, *, with_sandbox: bool) -> None:
    gateway = "the sandbox (no real money moves)" if with_sandbox else str(settings.portone_api_url)
    typer.echo(f"gateway:  {gateway}")
    token = "BILLING_API_TOKEN" if settings.api_token is not None else str(settings.var_dir / FILE)
    typer.echo(f"HTTP API: http://{settings.web_host}:{settings.web_port}/docs (token: {token})")
    typer.echo(f"Flower:   http://{stack.LOOPBACK}:{settings.flower_port}")
