"""What is almost certainly a card number: such a text is refused at every entrance, and no error repeats it."""

import re
from collections.abc import Iterator

LEAST_DIGITS, MOST_DIGITS = 14, 19
"""Digits of a card number: Diners Club has 14, American Express 15, UnionPay up to 19, all others 16 (ISO 7812)."""

_RUN = re.compile(r"[0-9]+(?:[ ./_-][0-9]+)*", re.ASCII)
"""Digits in groups, with one sign between two groups."""
_GROUP = re.compile(r"[0-9]+", re.ASCII)
_ISSUERS = re.compile(
    r"3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|4\d{15}|5[1-5]\d{14}"
    r"|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|6(?:011\d{12}|4[4-9]\d{13}|5\d{14})|62\d{14,17}|9\d{15}",
    re.ASCII,
)
"""American Express, Diners Club, JCB, Visa, Mastercard (two ranges), Discover, UnionPay, and cards for Korea only."""
_DATED = re.compile(r"2[2-7](?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{10}", re.ASCII)
"""YYMMDD of 2022 to 2027 and ten more digits, which Mastercard's younger range also has."""


def holds_card_number(text: str) -> bool:
    """Whether a text that is no card field holds what is almost certainly a card number.

    Four signs together: 14 to 19 digits in whole groups; the beginning and the length of a card issuer; the check digit
    of cards (Luhn); and no date at the start. A shop's own number may have as many digits, such as a time in
    milliseconds (13), a time as digits (14 to 17, from 20…) or microseconds (16, from 17…): none of those begins like a
    card. Masking (`adapters/masking.py`) hides more, since a wrong mask costs nothing; a wrong refusal costs the
    merchant an order.
    """
    return next(_places(text), None) is not None


def without_card_numbers(text: str) -> str:
    """The text with every such number as asterisks; the length stays."""
    for start, end in list(_places(text)):
        text = text[:start] + "*" * (end - start) + text[end:]
    return text


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where card numbers begin and end."""
    if sum(char.isdecimal() for char in text) < LEAST_DIGITS:
        return
    plain = text if text.isascii() else "".join(map(_plain, text))
    for run in _RUN.finditer(plain):
        if run.end() - run.start() < LEAST_DIGITS:
            continue
        groups = [(run.start() + group.start(), run.start() + group.end()) for group in _GROUP.finditer(run[0])]
        for number, (start, _) in enumerate(groups):
            digits = ""
            for first, end in groups[number:]:
                digits += plain[first:end]
                if len(digits) > MOST_DIGITS:
                    break
                if _is_card(digits):
                    yield start, end


def _plain(char: str) -> str:
    """A decimal digit of any script as 0 to 9, any dash and space as the plain one."""
    if char.isdecimal():
        return str(int(char))
    if "\u2010" <= char <= "\u2015" or char in "\u2212\uff0d":
        return "-"
    return " " if char.isspace() else char


def _is_card(digits: str) -> bool:
    return _ISSUERS.fullmatch(digits) is not None and not _DATED.fullmatch(digits) and _adds_up(digits)


def _adds_up(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (Luhn, ISO 7812)."""
    numbers = [int(char) for char in reversed(digits)]
    return (sum(numbers[::2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])) % 10 == 0
