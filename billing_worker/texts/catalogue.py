"""The texts, by name and language: GNU gettext's .po files, read directly, so that a wheel needs no build step."""

import ast
import gettext
from functools import cache
from importlib.resources import files

from billing_worker.domain.language import Language

LONGEST_HEADER = 500
"""Of an Accept-Language header: a real list of languages is shorter."""


class Texts(gettext.NullTranslations):
    """One language's texts, by name."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts

    def gettext(self, message: str) -> str:
        """The text with this name. Raises KeyError if there is none: a name must not be shown as a text."""
        return self.texts[message]


@cache
def catalogue(language: Language, page: str = "") -> Texts:
    """All texts of a language, read once: those for operators, or those of a page for customers."""
    name = f"{page}.{language.value}.po" if page else f"{language.value}.po"
    text = files("billing_worker.texts").joinpath("locale", name).read_text(encoding="utf-8")
    return Texts(read_po(text))


def read_po(text: str) -> dict[str, str]:
    """Names and texts of a .po file without plurals and contexts. Raises ValueError for other files."""
    found: dict[str, str] = {}
    parts: list[str] = []
    name, field = "", ""
    for number, line in enumerate([*text.splitlines(), 'msgid ""'], start=1):
        keyword, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if line.startswith('"'):
            parts.append(ast.literal_eval(line))
            continue
        if keyword not in ("msgid", "msgstr") or not rest.startswith('"'):
            raise ValueError(f"line {number}: {line}")
        if field == "msgid":
            name = "".join(parts)
        elif name in found:
            raise ValueError(f"line {number}: {name} is defined twice")
        elif field and name:
            found[name] = "".join(parts)
        field, parts = keyword, [ast.literal_eval(rest)]
    return found


def accepted(header: str | None, otherwise: Language) -> Language:
    """The language that an Accept-Language header (RFC 9110) prefers; `otherwise` if it names none of ours."""
    best, chosen = 0.0, otherwise
    for part in (header or "")[:LONGEST_HEADER].split(","):
        tag, _, weight = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            quality = float(weight.strip().lower().removeprefix("q=") or 1)
        except ValueError:
            continue
        if name in set(Language) and best < quality <= 1:
            best, chosen = quality, Language(name)
    return chosen
