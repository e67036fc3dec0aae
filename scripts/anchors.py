"""Update the line anchors of docs/architecture.md: each link to a name leads to the line that defines it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
LINK = re.compile(r"\[`(?P<name>\w+)`\]\(\.\./(?P<path>[\w/]+\.py)#L(?P<line>\d+)\)")


def line_of(path: Path, name: str) -> int:
    """The line on which a file defines this function, class or constant. Raises ValueError if it does not."""
    defines = re.compile(rf"\s*(?:async def|def|class) {name}\b|{name}(?:: [^=]+)? = ")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if defines.match(line):
            return number
    raise ValueError(f"{path.relative_to(ROOT)} defines no {name}")


def text() -> str:
    """The page with its current anchors."""

    def anchored(link: re.Match[str]) -> str:
        name, path = link["name"], link["path"]
        return f"[`{name}`](../{path}#L{line_of(ROOT / path, name)})"

    return LINK.sub(anchored, PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
