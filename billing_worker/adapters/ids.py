"""Random names: 80 bits from the operating system, in letters and digits that a merchant_uid may contain."""

import os
from base64 import b32encode

_LETTERS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
_BYTES = 10
TAIL = 16
"""Letters and digits behind the `_`: 80 bits are sixteen of five bits each, and nothing is left over."""


class RandomIds:
    """New identifiers such as `sub_4v9k2m…`."""

    def new(self, prefix: str) -> str:
        """The prefix, `_`, and TAIL characters of Crockford's base 32 in lower case."""
        return f"{prefix}_{b32encode(os.urandom(_BYTES)).translate(_LETTERS).decode()}"
