"""Each Mermaid picture of the documents is drawn by Mermaid in a real browser, with all its labels."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, Block, blocks

pytestmark = pytest.mark.long
MERMAID = "mermaid@11.17.2"
PATIENCE = 300
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = [block for document in DOCUMENTS for block in blocks(document, "mermaid")]
PAGE = """<!doctype html><meta charset="utf-8"><pre class="mermaid">{picture}</pre>
<script src="{script}"></script>
<script>mermaid.initialize({{startOnLoad: false}});
mermaid.run().then(() => document.title = "drawn", wrong => document.title = "wrong: " + wrong.message)</script>
"""


def test_there_are_pictures() -> None:
    assert PICTURES


@pytest.fixture(scope="module")
def mermaid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if BROWSER is None or shutil.which("npm") is None:
        pytest.skip("no Chromium or no npm: pictures are not drawn here")
    folder = tmp_path_factory.mktemp("mermaid")
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", MERMAID]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    return folder / "node_modules/mermaid/dist/mermaid.min.js"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda block: f"{block.document.name}:{block.line}")
def test_it_is_drawn_with_all_its_labels(picture: Block, mermaid: Path, tmp_path: Path) -> None:
    drawn = _drawn(picture.text, mermaid, tmp_path)
    assert "<title>drawn</title>" in drawn
    labels = re.findall(r'\["(.+?)"\]', picture.text)
    assert labels
    words = re.sub(r"<[^>]+>", " ", html.unescape(drawn))
    assert [label for label in labels if not all(line in words for line in label.split("<br>"))] == []


def test_a_picture_with_a_mistake_is_noticed(mermaid: Path, tmp_path: Path) -> None:
    assert "<title>wrong: " in _drawn("flowchart TB\n  a[ --> b", mermaid, tmp_path)


def _drawn(picture: str, mermaid: Path, folder: Path) -> str:
    """The page as the browser has it after Mermaid has worked."""
    page = folder / "picture.html"
    page.write_text(PAGE.format(picture=html.escape(picture), script=mermaid.as_uri()))
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", profile, "--virtual-time-budget=30000"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return done.stdout
