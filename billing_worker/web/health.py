"""Health checks and metrics: whether the process is alive, whether it can work, and the state of billing."""

from enum import StrEnum
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from billing_worker import __version__
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from billing_worker.domain.language import Language
from billing_worker.texts.alerts import text
from billing_worker.usecases.reading.operation import obstacles, operation
from billing_worker.usecases.reading.report import report
from billing_worker.web.context import Context, Ctx
from billing_worker.web.errors import ErrorType, documented, problem
from billing_worker.web.metrics import exposition

router = APIRouter(tags=["operation"])

_log = structlog.get_logger("billing.web")


class Health(BaseModel):
    """The process answers."""

    status: str
    version: str


@router.get("/healthz", responses=documented(500))
async def healthz() -> Health:
    """Report that the process is alive. It checks nothing else: a database outage is no reason to restart it."""
    return Health(status="alive", version=__version__)


class Part(StrEnum):
    """What shall be ready."""

    CHARGING = "charging"
    RECEIVER = "receiver"


Asked = Annotated[Part, Query(description="What shall be ready")]


@router.get("/readyz", response_model=Health, responses=documented(400, 422, 500, 503))
def readyz(context: Ctx, part: Asked = Part.CHARGING) -> Health | Response:
    """Report whether charging goes on: the database serves, beat rings, workers take due work, and no stop holds all.

    With `part=receiver`, only whether this process can serve requests: the database answers, and its tables belong to
    this release. Ask so for a load balancer, since webhooks are stored also while no worker works.
    """
    try:
        context.check_database()
        reasons = _obstacles(context) if part is Part.CHARGING else []
    except (Unavailable, SettingsInvalid) as error:
        # The endpoint is open, so only the log gets the line with the names of host, user and tables.
        _log.warning("not.ready", error=str(error))
        line = "BILLING_DATABASE_URL: the database cannot be used now; the log and billing-worker db check say why"
        if isinstance(error, SettingsInvalid):
            line += "; after an update of the program, run: billing-worker db upgrade"
    else:
        if not reasons:
            return Health(status="ready", version=__version__)
        line = f"charging cannot go on: {'; '.join(reasons)}; billing-worker doctor says more"
    return problem(503, ErrorType.UNAVAILABLE, line, headers={"Retry-After": "5"})


def _obstacles(context: Context) -> list[str]:
    """Why no charge begins, as titles: the endpoint is open. A problem is in English, and this is a part of one."""
    found = obstacles(context.ports)
    titles = [text(f"alert.{each.kind}.title", Language.EN) for each in found.troubles]
    return list(dict.fromkeys([*titles, *(f"charging is stopped ({stop.cause})" for stop in found.stops)]))


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 403, 500, 503),
    },
)
def metrics(context: Ctx) -> Response:
    """Show the state of billing, for Prometheus. Computed from the database at every scrape."""
    ports = context.ports
    body = exposition(report(ports, context.settings.timezone), operation(ports), ports.watching, ports.clock.moment())
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
