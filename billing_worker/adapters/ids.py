"""Random names: 80 bits from the operating system, in letters and digits that a merchant_uid may contain."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 16


class RandomIds:
    """New identifiers such as `sub_4v9k2m…`."""

    def new(self, prefix: str) -> str:
        """The prefix, `_`, and 16 characters of Crockford's base 32 in lower case."""
        return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
