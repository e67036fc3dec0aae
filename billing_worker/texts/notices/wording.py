"""Templates of notices, rendered by Jinja2. A name that no fact has is an error, never an empty text.

`KIND.LANGUAGE.txt` has the title in its first line, then the text. The HTML of a mail is that text in `layout.html`,
unless the merchant has a `KIND.LANGUAGE.html` of their own. HTML is escaped.
"""

import traceback
from collections.abc import Mapping
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    select_autoescape,
)

from billing_worker.domain.errors import SettingsInvalid, TemplateInvalid
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import NoticeKind
from billing_worker.ports.notices import Facts, Rendered
from billing_worker.texts.notices.facts import in_words
from billing_worker.texts.notices.samples import samples

LAYOUT = "layout.html"
SETTING = "BILLING_NOTICE_TEMPLATES"
_ENDINGS = (".txt", ".html")

KNOWN = frozenset({LAYOUT}) | {
    f"{kind}.{language}{ending}" for kind in NoticeKind for language in Language for ending in _ENDINGS
}
"""The files that a merchant may put into their directory. Those that begin with `_` are parts for the others."""


class Templates:
    """The wording of notices: the merchant's own templates first, then those of this package."""

    def __init__(self, own: Path | None = None, merchant: str | None = None) -> None:
        """`own` is the merchant's directory, `merchant` the name that a customer knows."""
        self._own, self._merchant = own, merchant
        ours = PackageLoader("billing_worker.texts.notices", "templates")
        self._environment = Environment(
            loader=ours if own is None else ChoiceLoader([FileSystemLoader(own), ours]),
            undefined=StrictUndefined,
            autoescape=select_autoescape(("html",)),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def words(self, kind: NoticeKind, language: Language, facts: Facts) -> Rendered:
        """The notice in words. Raises TemplateInvalid with the file and the line."""
        values = in_words(facts, language) | {"kind": str(kind), "language": str(language), "merchant": self._merchant}
        title, _, text = self._rendered(f"{kind}.{language}.txt", values).strip().partition("\n")
        text = text.strip() + "\n"
        paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
        values |= {"title": title.strip(), "paragraphs": paragraphs}
        own = f"{kind}.{language}.html"
        is_own = self._own is not None and (self._own / own).is_file()
        return Rendered(title.strip(), text, self._rendered(own if is_own else LAYOUT, values))

    def check(self) -> None:
        """Render every template with samples. Raises SettingsInvalid for one that cannot be rendered, or is unknown."""
        if self._own is not None:
            self._check_names(self._own)
        try:
            for kind in NoticeKind:
                for facts in samples(kind):
                    for language in Language:
                        self.words(kind, language, facts)
        except TemplateInvalid as error:
            raise SettingsInvalid(f"{SETTING}: {error}") from None

    def _check_names(self, own: Path) -> None:
        if not own.is_dir():
            raise SettingsInvalid(f"{SETTING}: {own} is no directory")
        for path in sorted(own.iterdir()):
            if path.name not in KNOWN and not path.name.startswith(("_", ".")):
                example = f"{NoticeKind.FAILED}.{Language.KO}.txt"
                raise SettingsInvalid(f"{SETTING}: {path.name} is the name of no template; it looks like {example}")

    def _rendered(self, name: str, values: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(name).render(values)
        except (TemplateError, UnicodeDecodeError, TypeError, ValueError, ArithmeticError) as error:
            raise TemplateInvalid(f"{_place(name, error)}: {error or type(error).__name__}") from error


def _place(name: str, error: Exception) -> str:
    """The file and the line of an error in a template."""
    line = getattr(error, "lineno", None)
    file = getattr(error, "name", None) or name
    if line is None:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.endswith(_ENDINGS)]
        file, line = (Path(frames[-1].filename).name, frames[-1].lineno) if frames else (name, None)
    return f"{file}, line {line}" if line is not None else file
