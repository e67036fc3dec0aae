"""Reading the documents: their code blocks, and the commands in them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "README.ko.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    language: str
    text: str


def blocks(document: Path, language: str | None = None) -> list[Block]:
    """The fenced blocks of a document, in order; only those of one language, if given."""
    text = document.read_text()
    found = [
        Block(document, text.count("\n", 0, match.start()) + 1, match["language"], textwrap.dedent(match["text"]))
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if language in (None, block.language)]


def commands(document: Path) -> list[str]:
    """Every command of the `sh` blocks: without comments, with continued lines joined."""
    lines = "\n".join(block.text for block in blocks(document, "sh")).replace("\\\n", "").splitlines()
    return [command for line in lines if (command := without_comment(line))]


def without_comment(line: str) -> str:
    """The line without a comment that two spaces set apart, or that is all of it."""
    return re.sub(r"(^|\s{2,})#.*$", "", line).strip()


def script(document: Path, left_out: set[str]) -> str:
    """All `sh` blocks of a document as one script, without the commands that are proven elsewhere."""
    lines = "\n".join(block.text for block in blocks(document, "sh")).splitlines()
    return "\n".join(line for line in lines if without_comment(line) not in left_out)
