"""What a planted bug is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """One replacement in one file; `before` must occur there exactly once."""

    file: str
    before: str
    after: str

    def apply(self, root: Path) -> None:
        """Make the mistake below this folder. Raises ValueError where the text is not there exactly once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if (times := text.count(self.before)) != 1:
            raise ValueError(f"{self.file} has {times} times: {self.before!r}")
        path.write_text(text.replace(self.before, self.after), encoding="utf-8")


@dataclass(frozen=True)
class Bug:
    """One mistake, and the tests that must fail because of it: pytest node ids, each of which alone must notice."""

    name: str
    mistake: str
    edits: tuple[Edit, ...]
    catchers: tuple[str, ...]


def bug(name: str, mistake: str, *edits: tuple[str, str, str], catchers: tuple[str, ...]) -> Bug:
    """A planted bug, written shortly: each edit is (file, text before, text after)."""
    return Bug(name, mistake, tuple(Edit(*edit) for edit in edits), catchers)
