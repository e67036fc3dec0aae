"""The steps of a visit that a browser asks for: begin, and report. Both end with what PortOne shows."""

import re
from dataclasses import replace

from billing_worker.domain.card_session import CardSession, CardSessionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.card.advance import Progress, advance

_IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def session_with(ports: Ports, session_id: str) -> CardSession:
    """The session. Raises NotFound."""
    with ports.database.transaction() as uow:
        return uow.card_sessions.get(session_id)


def begin(ports: Ports, session_id: str) -> tuple[Progress, bool]:
    """Ask whether the window may open now.

    A session whose window was open before is read first: after a reload, the card may be there already. Returns the
    progress, and whether the window may open. Raises NotFound.
    """
    session = session_with(ports, session_id)
    progress = Progress(session)
    if session.begun_at is not None:
        progress = advance(_as_visitor(ports, session_id), session_id)
        if progress.seen.trouble is not None:  # nothing is known: no second window
            return progress, False
    with ports.database.transaction() as uow:
        session = uow.card_sessions.lock(session_id)
        real_now = ports.clock.moment().real
        may = session.status is CardSessionStatus.OPEN and not session.is_over(real_now) and session.begin(real_now)
        if may:
            uow.card_sessions.save(session)
            uow.commit()
    return replace(progress, session=session), may


def report(ports: Ports, session_id: str, imp_uid: str | None, *, closed: bool = False) -> Progress:
    """Note what the browser says, as a hint, and read PortOne. `closed`: its window is closed. Raises NotFound."""
    with ports.database.transaction() as uow:
        session = uow.card_sessions.lock(session_id)
        if session.status is CardSessionStatus.OPEN:
            if imp_uid is not None and _IMP_UID.fullmatch(imp_uid):
                session.imp_uid = imp_uid
            if closed:
                session.close_window(ports.clock.moment().real)
            uow.card_sessions.save(session)
            uow.commit()
    return advance(_as_visitor(ports, session_id), session_id)


def _as_visitor(ports: Ports, session_id: str) -> Ports:
    return replace(ports, actor=f"card:{session_id}")
