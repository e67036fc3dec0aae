"""`billing-worker web`."""

from typing import Annotated

import typer

from billing_worker import bootstrap, logs
from billing_worker.cli.api_token import with_token
from billing_worker.cli.output import AsJson
from billing_worker.cli.session import release
from billing_worker.config import load_settings
from billing_worker.runtime.core_dumps import forbid_core_dumps
from billing_worker.web import CONNECTIONS, create_app, serve


def web(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on; BILLING_WEB_HOST if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; BILLING_WEB_PORT if not given.")] = None,
    as_json: AsJson = False,  # noqa: ARG001 - as everywhere: errors become JSON; the log has its own form
) -> None:
    """Run the receiver of webhooks and pingbacks, and the HTTP API.

    Everything below /v1 and /metrics needs a token. Without BILLING_API_TOKEN, one is made at the first start, stored
    in the var directory, and printed once. For more: billing-worker token create

    Example: billing-worker web --host 0.0.0.0 --port 8000
    """
    given = {name: value for name, value in (("web_host", host), ("web_port", port)) if value is not None}
    settings = load_settings(**given)
    if settings.card_entry:
        forbid_core_dumps()
    _ = settings.broker_server  # refused here, before Celery needs it
    ports, engine = bootstrap.build(settings, role="web", connections=CONNECTIONS)

    def check_database() -> None:
        bootstrap.check_database(engine)

    try:
        check_database()
        settings = with_token(settings)
        from tasks.doorbell import CeleryDoorbell  # noqa: PLC0415 - `--help` needs no broker; Celery's app does

        verify = bootstrap.verify_pingback(settings)
        logs.configure(secrets=settings.secrets)
        app = create_app(ports, settings, CeleryDoorbell(), verify, check_database=check_database, attends=True)
        serve(app, settings.web_host, settings.web_port)
    finally:
        release(ports, engine)
