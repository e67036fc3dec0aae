"""Text from outside: one normal form, one measure of length, and a name and a place for each refused character.

The normal form is Unicode NFC without spaces at its ends; every other character that looks like a space becomes a plain
space. The length is counted in code points, as PostgreSQL counts a `varchar` and Python a `str`. docs/text.md has the
reasons.

`entered` checks incoming text. `require_printable` checks stored text: an older release may have accepted text that
`entered` refuses today, and a row that cannot be read could not be charged.
"""

import unicodedata

from billing_worker.domain.card_numbers import holds_card_number
from billing_worker.domain.errors import InvalidInput

_NAMES = {"\0": "NUL", "\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\x1b": "ESCAPE", "\x7f": "DELETE"}
"""Unicode has no names for control characters; these are the common ones."""

_NAMELESS = {
    "Cc": "a control character",
    "Cs": "half of a surrogate pair",
    "Co": "a private-use character",
    "Cn": "a character that Unicode does not define",
}

_LOOK_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Invisible letters, marks and symbols that Python calls printable: Hangul fillers, blank Braille."""

_VARIATIONS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""They choose the shape of the symbol before them, as in a red heart; after a letter they are invisible."""

_SHAPED = ("So", "Sm")


def entered(field: str, value: str, longest: int, *, ascii_only: bool = False, secret: bool = False) -> str:
    """The normal form of an incoming text.

    Raises InvalidInput, with the name and the place of the character, for one that is invisible, controls a terminal or
    cannot be stored. Also raises it for a text that is empty or longer than `longest` code points, and with
    `ascii_only` for all but visible ASCII characters, and for one that holds a card number. The error of a `secret`
    text does not repeat it, and no error repeats a card number.
    """
    refuse_card_number(field, value)
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


def refuse_card_number(field: str, value: str) -> None:
    """Raises InvalidInput, without the value, for a text that is no card field and holds a card number."""
    if holds_card_number(value):
        raise InvalidInput(field, None, "looks like a card number; card numbers must never be stored here: take it out")


def require_printable(field: str, value: str, longest: int) -> None:
    """Raises InvalidInput for a stored text that is empty, too long, or that no release ever accepted.

    PostgreSQL keeps no NUL and no half of a surrogate pair, and a product's name has no line break.
    """
    if not 0 < len(value) <= longest:
        raise InvalidInput(field, value, f"must have 1 to {longest} characters; it has {len(value)}")
    if not value.isprintable():
        place = next(number for number, letter in enumerate(value) if not letter.isprintable())
        raise InvalidInput(field, value, _take_out(value, place))


def require_visible_ascii(field: str, value: str, offset: int = 0) -> None:
    """Raises InvalidInput for a text with other than visible ASCII characters. The error does not repeat it.

    `offset` is the number of characters that stood before `value` in what the caller sent.
    """
    for place, letter in enumerate(value):
        if not "\x21" <= letter <= "\x7e":
            problem = "may hold visible ASCII characters only, without spaces"
            raise InvalidInput(field, "…", f"{problem}; it has {name_of(letter)} at place {offset + place + 1}")


def normal_form(value: str) -> str:
    """The normal form of any text, to compare incoming text with text that an older release stored."""
    if value.isascii():
        return value.strip(" ")
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in value)
    return unicodedata.normalize("NFC", spaced).strip(" ")


def spellings(value: str) -> tuple[str, ...]:
    """The stored forms of one text: NFC, and NFD, which macOS writes and older releases accepted."""
    return tuple(dict.fromkeys((value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD")))))


def misplaced(value: str) -> int | None:
    """The place (from 0) of the first character that no text may hold; None if there is none."""
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
    """The name of a character, such as `ZERO WIDTH SPACE (U+200B)`."""
    nameless = _NAMELESS.get(unicodedata.category(letter), "a character without a name")
    name = _NAMES.get(letter) or unicodedata.name(letter, nameless)
    return f"{name} (U+{ord(letter):04X})"


def named(value: str, place: int) -> str:
    """The character at a place (counted from 0), with its place counted from 1."""
    return f"{name_of(value[place])} at place {place + 1}"


def _take_out(value: str, place: int) -> str:
    return f"has {named(value, place)}; take it out"


def _refused(letter: str, before: str) -> bool:
    if letter in _VARIATIONS:
        return not before or unicodedata.category(before) not in _SHAPED
    if letter in _LOOK_EMPTY:
        return True
    return not letter.isprintable() and unicodedata.category(letter) != "Zs"
