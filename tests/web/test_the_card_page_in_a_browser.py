"""The whole visit in a real Chromium: the page, the stand-in of PortOne's SDK, and its window."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card_page import CardPages, card_pages

from billing_worker.domain.language import Language
from tests.docs.markdown import ROOT
from tests.support.browser import CHROMIUM, Page, chromium
from tests.support.clock import RunningClock
from tests.support.sandbox import Sandbox
from tests.support.world import World

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the card page is not opened here"),
]

PRESS = "document.querySelector('button:not([hidden])').click()"
CHOOSE = "document.querySelector('button[value={}]').click()"
WIDTHS = {"phone": (390, 760), "tablet": (768, 900), "desktop": (1280, 800)}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Page]]:
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def pages(database_url: str, shared_sandbox: Sandbox) -> Iterator[CardPages]:
    with World.built(database_url, shared_sandbox, clock=RunningClock()) as world, card_pages(world) as running:
        yield running


def visit(pages: CardPages, tab: Callable[[], Page], path: str) -> Page:
    page = tab()
    page.open(pages.url + path)
    return page


def paid(pages: CardPages) -> list[float]:
    return [row["amount"] for row in pages.world.ledger() if row["status"] == "paid"]


def test_a_card_is_given(pages: CardPages, tab: Callable[[], Page]) -> None:
    session_id, path = pages.session(amount=9900)
    page = visit(pages, tab, path)
    page.state("ready")
    page.run(PRESS)
    page.state("working")
    page.in_window(CHOOSE.format("card"))
    page.state("done")
    assert (pages.stored(session_id)["status"], paid(pages)) == ("done", [9900])
    assert [row["status"] for row in pages.all_keys()] == ["active"]
    page.reload()
    page.state("done")
    assert page.run("document.querySelector('button').hidden")


def test_a_decline_is_told_and_another_card_may_follow(pages: CardPages, tab: Callable[[], Page]) -> None:
    _, path = pages.session()
    page = visit(pages, tab, path)
    page.run(PRESS)
    page.in_window(CHOOSE.format("decline"))
    page.state("declined")
    assert len(page.run("document.querySelector('.note').textContent")) > len("결제사 안내:")
    assert pages.all_keys() == []
    page.until(f"({PRESS}, document.querySelector('main').dataset.state === 'working')")
    page.in_window(CHOOSE.format("card"))
    page.state("done")
    assert len(pages.all_keys()) == 1


def test_a_closed_window_may_be_opened_again(pages: CardPages, tab: Callable[[], Page]) -> None:
    _, path = pages.session()
    page = visit(pages, tab, path)
    page.run(PRESS)
    page.in_window(CHOOSE.format("close"))
    page.state("closed")
    assert pages.all_keys() == []
    page.run(PRESS)
    page.in_window(CHOOSE.format("card"))
    page.state("done")


def test_a_double_click_opens_one_window(pages: CardPages, tab: Callable[[], Page]) -> None:
    _, path = pages.session(amount=1200)
    page = visit(pages, tab, path)
    page.run(f"{PRESS}; document.querySelector('button').click(); document.querySelector('button').click()")
    page.until("document.querySelectorAll('iframe').length === 1")
    page.in_window(CHOOSE.format("card"))
    page.state("done")
    assert (paid(pages), len(pages.all_keys())) == ([1200], 1)


def test_after_a_reload_the_card_that_was_given_is_found(pages: CardPages, tab: Callable[[], Page]) -> None:
    """The browser forgets the window and its answer: the page asks before it opens another one."""
    session_id, path = pages.session(amount=1300)
    page = visit(pages, tab, path)
    page.run("window.IMP.request_pay = (request) => { window.asked = request; }")
    page.run(PRESS)
    page.until("window.asked !== undefined")
    assert pages.window(page.run("window.asked"))["success"]
    page.reload()
    page.state("ready")
    page.run(PRESS)
    page.state("done")
    assert (paid(pages), pages.stored(session_id)["status"]) == ([1300], "done")


def test_the_back_button_shows_the_present_state(pages: CardPages, tab: Callable[[], Page]) -> None:
    _, path = pages.session(amount=1400)
    page = visit(pages, tab, path)
    page.run(PRESS)
    page.in_window(CHOOSE.format("card"))
    page.state("done")
    page.open("about:blank")
    page.run("history.back()")
    page.state("done")
    assert page.run("document.querySelector('button').hidden")
    assert paid(pages) == [1400]


@pytest.mark.parametrize(("action", "state"), [("card", "done"), ("decline", "declined"), ("close", "ready")])
def test_a_phone_leaves_and_comes_back(pages: CardPages, tab: Callable[[], Page], action: str, state: str) -> None:
    _, path = pages.session(amount=1500)
    page = tab()
    page.size(*WIDTHS["phone"], phone=True)
    page.open(pages.url + path)
    page.run(PRESS)
    page.until("location.pathname === '/v1/window' && document.forms.length === 1")
    page.run(CHOOSE.format(action))
    page.state(state)
    assert page.run("location.pathname") == path
    assert paid(pages) == ([1500] if action == "card" else [])


def test_without_the_sdk_the_page_says_so_and_opens_nothing(pages: CardPages, tab: Callable[[], Page]) -> None:
    session_id, path = pages.session()
    page = visit(pages, tab, path)
    page.run("delete window.IMP")
    page.run(PRESS)
    page.state("trouble")
    assert pages.stored(session_id)["begun_at"] is None


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_each_width_and_language(
    pages: CardPages, tab: Callable[[], Page], width: str, language: Language, tmp_path: Path
) -> None:
    """PICTURES=1 puts the pictures into docs/images."""
    product = "프리미엄 정기구독" if language is Language.KO else "Premium subscription"
    _, path = pages.session(amount=9900, language=language, product=product)
    page = tab()
    page.size(*WIDTHS[width])
    page.open(pages.url + path)
    page.state("ready")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("document.querySelector('button').getBoundingClientRect().bottom <= innerHeight")
    assert page.run("document.documentElement.lang") == language.value
    assert page.run("document.querySelectorAll('input').length") == 0
    folder = ROOT / "docs" / "images" if os.environ.get("PICTURES") else tmp_path
    picture = folder / f"card-page-{width}-{language.value}.png"
    page.picture(picture)
    assert picture.stat().st_size > 5000
