"""The languages that operators read."""

from enum import StrEnum


class Language(StrEnum):
    """A language of the catalogue of texts."""

    EN = "en"
    KO = "ko"
