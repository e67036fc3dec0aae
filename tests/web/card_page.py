"""The card page beside a real gateway: the application, the sandbox, and steps of a visit without a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from web_helpers import RecordingDoorbell, serving, settings

from billing_worker.adapters.database.readiness import check_ready
from billing_worker.usecases.card import create
from billing_worker.usecases.card.create import NewCardSession
from billing_worker.usecases.card.link import token_of
from billing_worker.web import create_app
from tests.support.plain_http import WITHOUT_TLS
from tests.support.world import World

TOKEN = "token-of-the-card-page-tests"
CARD = "4242-4242-4242-4242"


@dataclass
class CardPages:
    """One running application, and its sandbox."""

    world: World
    url: str
    doorbell: RecordingDoorbell
    secret: bytes
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, verify=WITHOUT_TLS, timeout=60, trust_env=False)

    def session(self, pg: str = "kakaopay", **wanted: Any) -> tuple[str, str]:
        """A new session: its id, and the path of its page."""
        if "subscription_id" not in wanted:
            wanted.setdefault("customer", "user-1")
        made = create.create_session(self.world.ports, NewCardSession(pg, **wanted), return_hosts=("localhost",))
        return made.id, f"/card/{token_of(self.secret, made.id, made.expires_at)}"

    def begin(self, path: str) -> dict[str, Any]:
        """The click on the button."""
        answer = self.http.post(f"{path}/begin", json={})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def window(self, request: dict[str, Any], action: str = "card", card_number: str = CARD) -> dict[str, Any]:
        """What the tester does in the sandbox's window."""
        body = {"request": request, "action": action, "card_number": card_number}
        return dict(self.world.sandbox.http.post("/v1/window", json=body).json())

    def result(self, path: str, imp_uid: str | None = None) -> dict[str, Any]:
        """What the page sends after the window."""
        answer = self.http.post(f"{path}/result", json={"imp_uid": imp_uid})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def given(self, path: str, **more: Any) -> dict[str, Any]:
        """A whole visit that ends well."""
        said = self.window(self.begin(path)["request"], **more)
        return self.result(path, said["imp_uid"])

    def stored(self, session_id: str) -> dict[str, Any]:
        """The session's row."""
        (row,) = self.world.rows("SELECT * FROM card_sessions WHERE id = :id", id=session_id)
        return row

    def all_keys(self) -> list[dict[str, Any]]:
        """All keys, oldest first."""
        return self.world.rows("SELECT * FROM billing_keys ORDER BY created_at, id")


@contextmanager
def card_pages(world: World, **given: Any) -> Iterator[CardPages]:
    """The application on a free port, with the world's own gateway and clock."""
    parts = urlsplit(world.sandbox.url)
    wanted = settings(
        database_url=world.database_url,
        portone_api_url=world.sandbox.url,
        portone_sdk_url=f"{parts.scheme}://{parts.netloc}/v1/iamport.js",
        api_token=TOKEN,
        **given,
    )
    doorbell = RecordingDoorbell()
    app = create_app(world.ports, wanted, doorbell, None, check_database=lambda: check_ready(world.engine))
    with serving(app) as url:
        object.__setattr__(wanted, "card_page_url", url)
        pages = CardPages(world, url, doorbell, wanted.card_page.secret)
        try:
            yield pages
        finally:
            pages.http.close()
            doorbell.released.set()
