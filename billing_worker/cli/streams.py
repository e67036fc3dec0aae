"""What a stream can carry. Apart from `output`, which loads what `--help` has no need of."""

from typing import TextIO


def speaks_unicode(stream: TextIO) -> bool:
    """Whether every letter passes. Elsewhere JSON is written in ASCII: a terminal's own escapes are none of JSON's."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-").startswith("utf")
