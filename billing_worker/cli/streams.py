"""The encoding of a stream. Not in `output`, whose imports `--help` does not need."""

from typing import TextIO


def speaks_unicode(stream: TextIO) -> bool:
    """Whether a stream takes every character.

    If not, JSON is written in ASCII, since a stream's escapes are not valid JSON.
    """
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-").startswith("utf")
