"""Text that enters from outside: one normal form, one measure of length, and a name and a place for what is refused.

The normal form is Unicode NFC without spaces at its ends; whatever else looks like a space is the plain one. The length
is counted in code points, as PostgreSQL counts a `varchar` and Python a `str`. docs/text.md has the reasons.

`entered` is for what comes in now. `require_printable` is for what is stored already: an older release may have
accepted what `entered` refuses today, and a row that cannot be read any more could not be charged either.
"""

import unicodedata

from billing_worker.domain.errors import InvalidInput

_NAMES = {"\0": "NUL", "\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\x1b": "ESCAPE", "\x7f": "DELETE"}
"""Unicode gives control characters no names; these are the ones that people meet."""

_NAMELESS = {
    "Cc": "a control character",
    "Cs": "half of a surrogate pair",
    "Co": "a private-use character",
    "Cn": "a character that Unicode does not define",
}

_LOOK_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters, marks and symbols that show nothing, so that Python calls them printable: Hangul fillers, blank Braille."""

_VARIATIONS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""They choose the shape of the symbol before them, as in a red heart; behind a letter they are invisible."""

_SHAPED = ("So", "Sm")


def entered(field: str, value: str, longest: int, *, ascii_only: bool = False, secret: bool = False) -> str:
    """The normal form of a text that comes in now.

    Raises InvalidInput, with the name and the place of the character, for what is invisible, steers a terminal or
    cannot be stored; for a text that is empty or longer than `longest` code points; and, where it is `ascii_only`, for
    all but visible ASCII characters. The error of a `secret` text does not repeat it.
    """
    shown = "…" if secret else value
    if not (value.isascii() and value.isprintable()):
        place = misplaced(value)
        if place is not None:
            raise InvalidInput(field, shown, _take_out(value, place))
    text = normal_form(value)
    if not 0 < len(text) <= longest:
        raise InvalidInput(field, shown, f"must have 1 to {longest} characters; it has {len(text)}")
    if ascii_only:
        require_visible_ascii(field, value.strip(), len(value) - len(value.lstrip()))
    return text


def require_printable(field: str, value: str, longest: int) -> None:
    """Raises InvalidInput for a stored text that is empty, too long, or that no release ever accepted.

    PostgreSQL keeps no NUL and no half of a surrogate pair, and nobody wants a line break in a product's name.
    """
    if not 0 < len(value) <= longest:
        raise InvalidInput(field, value, f"must have 1 to {longest} characters; it has {len(value)}")
    if not value.isprintable():
        place = next(number for number, letter in enumerate(value) if not letter.isprintable())
        raise InvalidInput(field, value, _take_out(value, place))


def require_visible_ascii(field: str, value: str, offset: int = 0) -> None:
    """Raises InvalidInput, which does not repeat the text, where it holds anything but visible ASCII characters.

    `offset` is the number of characters that stood before `value` in what the caller sent.
    """
    for place, letter in enumerate(value):
        if not "\x21" <= letter <= "\x7e":
            problem = "may hold visible ASCII characters only, without spaces"
            raise InvalidInput(field, "…", f"{problem}; it has {name_of(letter)} at place {offset + place + 1}")


def normal_form(value: str) -> str:
    """The normal form of any text: for comparing what comes in with what an older release stored."""
    if value.isascii():
        return value.strip(" ")
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in value)
    return unicodedata.normalize("NFC", spaced).strip(" ")


def spellings(value: str) -> tuple[str, ...]:
    """The forms in which one text may be stored: NFC, and NFD as macOS writes it and older releases took it."""
    return tuple(dict.fromkeys((value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD")))))


def misplaced(value: str) -> int | None:
    """Where the first character stands that no text may hold (from 0); None where there is none."""
    before = ""
    for place, letter in enumerate(value):
        if _refused(letter, before):
            return place
        before = letter
    return None


def storable(value: str) -> bool:
    """Whether any text in the database can be this one: PostgreSQL keeps neither NUL nor half a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value)


def name_of(letter: str) -> str:
    """What a character is called, such as `ZERO WIDTH SPACE (U+200B)`."""
    nameless = _NAMELESS.get(unicodedata.category(letter), "a character without a name")
    name = _NAMES.get(letter) or unicodedata.name(letter, nameless)
    return f"{name} (U+{ord(letter):04X})"


def named(value: str, place: int) -> str:
    """The character at a place (from 0) and the place as people count it (from 1)."""
    return f"{name_of(value[place])} at place {place + 1}"


def _take_out(value: str, place: int) -> str:
    return f"has {named(value, place)}; take it out"


def _refused(letter: str, before: str) -> bool:
    if letter in _VARIATIONS:
        return not before or unicodedata.category(before) not in _SHAPED
    if letter in _LOOK_EMPTY:
        return True
    return not letter.isprintable() and unicodedata.category(letter) != "Zs"
