"""The languages that operators read."""

from enum import StrEnum


class Language(StrEnum):
    """A language that the catalogue of texts has."""

    EN = "en"
    KO = "ko"
