"""The addresses of the card page. Each token is checked first; what the browser says is only a hint."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from billing_worker.config.card_page import CardPage
from billing_worker.domain.card_session import CardSession, CardSessionStatus, WindowResult
from billing_worker.domain.errors import NotFound
from billing_worker.usecases.card.advance import Progress
from billing_worker.usecases.card.link import session_of
from billing_worker.usecases.card.visit import begin, report, session_with
from billing_worker.usecases.jobs import JobName
from billing_worker.web.card.page import ASSETS, asset, policy, rendered
from billing_worker.web.card.window import request_of
from billing_worker.web.context import Context, Ctx, card_page_of
from billing_worker.web.errors import ErrorType, Refused

router = APIRouter(include_in_schema=False)

GONE, NOT_THERE = 410, 404


class Result(BaseModel):
    """What the window told the browser: a hint."""

    model_config = ConfigDict(extra="ignore", strict=True)

    imp_uid: str | None = Field(None, max_length=64)
    closed: bool = False
    """Whether its window is closed; without it, the page only asks."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A genuine link, and its session."""

    page: CardPage
    session: CardSession
    real_now: datetime
    token: str


def _visit(context: Context, token: str) -> _Visit:
    """Raises Refused for a link that is not ours."""
    page = card_page_of(context)
    named = session_of(page.secret, token)
    try:
        session = session_with(context.ports, named[0]) if named is not None else None
    except NotFound:
        session = None
    if session is None:
        raise Refused(NOT_THERE, ErrorType.NOT_FOUND, "there is no such card page")
    return _Visit(page, session, context.ports.clock.moment().real, token)


@router.get("/card-assets/{name}")
def file(name: str) -> Response:
    """A file of the page."""
    if name not in ASSETS:
        raise Refused(NOT_THERE, ErrorType.NOT_FOUND, "there is no such file")
    return Response(asset(name), media_type=ASSETS[name])


@router.get("/card/{token}")
def show(token: str, context: Ctx) -> HTMLResponse:
    """The page, in the state of its session. It reads only the database."""
    try:
        visit = _visit(context, token)
    except Refused:
        page = card_page_of(context)
        html = rendered(page, None, "expired", context.settings.language)
        return HTMLResponse(html, NOT_THERE, {"Content-Security-Policy": policy(page)})
    state = _state(visit.session, visit.real_now)
    detail = (visit.session.problem or "") if state == "declined" else ""
    html = rendered(visit.page, visit.session, state, visit.session.language, detail)
    status = GONE if state == "expired" else 200
    return HTMLResponse(html, status, {"Content-Security-Policy": policy(visit.page)})


@router.post("/card/{token}/begin")
def open_window(token: str, context: Ctx) -> JSONResponse:
    """Whether the window may open, and with what. A session whose window was open before is read first."""
    visit = _visit(context, token)
    progress, may = begin(context.ports, visit.session.id)
    _ring(context, progress)
    answer = _answer(progress, visit.real_now)
    if may:
        answer |= {"code": visit.page.imp_code, "request": request_of(progress.session, visit.page, token)}
    return JSONResponse(answer)


@router.post("/card/{token}/result")
def take_result(token: str, result: Result, context: Ctx) -> JSONResponse:
    """What became of the window: PortOne is read, whatever the browser says."""
    visit = _visit(context, token)
    progress = report(context.ports, visit.session.id, result.imp_uid, closed=result.closed)
    _ring(context, progress)
    return JSONResponse(_answer(progress, visit.real_now))


@router.get("/card/{token}/return")
def come_back(token: str, context: Ctx, imp_uid: Annotated[str | None, Query(max_length=64)] = None) -> Response:
    """The way back of a phone (`m_redirect_url`): the same as a result, and then the page again."""
    visit = _visit(context, token)
    _ring(context, report(context.ports, visit.session.id, imp_uid, closed=True))
    return RedirectResponse(f"/card/{token}", 303)


def _ring(context: Context, progress: Progress) -> None:
    if progress.unlocked is not None:
        context.ring(JobName.UNLOCKED, progress.unlocked)


def _answer(progress: Progress, real_now: datetime) -> dict[str, Any]:
    session, seen = progress.session, progress.seen
    state = _state(session, real_now)
    waits = seen.trouble is not None or seen.result is WindowResult.PENDING
    if session.status is CardSessionStatus.OPEN and waits:
        state = "waiting"
    if state == "ready" and seen.result is WindowResult.DECLINED:
        state = "declined"
    return {"state": state, "detail": session.problem if state == "declined" else None}


def _state(session: CardSession, real_now: datetime) -> str:
    """The state that the page shows."""
    if session.is_over(real_now):
        return "expired"
    match session.status:
        case CardSessionStatus.OPEN:
            return "declined" if session.problem is not None else "ready"
        case CardSessionStatus.REGISTERED:
            # At Paymentwall the customer has done everything; the confirmation may take hours.
            return "done" if session.is_paymentwall else "waiting"
        case CardSessionStatus.DONE:
            return "done"
        case _:
            return "failed"
