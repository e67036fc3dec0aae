"""A query string, byte by byte.

Web frameworks drop blank values, merge duplicates or trim; a signature needs every byte as sent.
"""

import re
from dataclasses import dataclass

from billing_worker.domain.errors import InvalidInput

LONGEST_QUERY = 8192
"""Bytes: common web servers accept this as one request line."""

MOST_PARAMETERS = 100
"""The documented standard and custom parameters together are below fifty."""

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ELEMENT = re.compile(rb"([^\[\]]+)\[([^\[\]]+)\]")
_INDEX = re.compile(rb"0|[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `name=value`, decoded. `key` is set for an element of an array (`goodsid[0]`: name goodsid, key 0)."""

    name: bytes
    key: bytes | None
    value: bytes

    @property
    def pair(self) -> bytes:
        """The signed form."""
        name = self.name if self.key is None else self.name + b"[" + self.key + b"]"
        return name + b"=" + self.value


def parse(raw: bytes) -> list[Parameter]:
    """The parameters, in the order received. Raises InvalidInput for a query with more than one reading."""
    if len(raw) > LONGEST_QUERY:
        raise _malformed(f"must have at most {LONGEST_QUERY} bytes")
    pieces = raw.split(b"&")
    if len(pieces) > MOST_PARAMETERS:
        raise _malformed(f"must have at most {MOST_PARAMETERS} parameters")
    parameters = [_parameter(piece) for piece in pieces]
    if len({(parameter.name, parameter.key) for parameter in parameters}) < len(parameters):
        raise _malformed("names a parameter twice")
    keys: dict[bytes, list[bytes | None]] = {}
    for parameter in parameters:
        keys.setdefault(parameter.name, []).append(parameter.key)
    for of_name in keys.values():
        kinds = {"plain" if key is None else "list" if _INDEX.fullmatch(key) else "map" for key in of_name}
        if len(kinds) > 1:
            raise _malformed("uses one name in two ways")
    return parameters


def array_order(parameter: Parameter) -> tuple[bytes, int, bytes]:
    """Ascending bytes of the name; inside an array indexes as numbers, other keys as bytes."""
    key = parameter.key or b""
    return parameter.name, int(key) if _INDEX.fullmatch(key) else 0, key


def _parameter(piece: bytes) -> Parameter:
    encoded, equals, value = piece.partition(b"=")
    if not equals:
        raise _malformed("has a parameter without '='")
    name = _decoded(encoded)
    if not name or name.isdigit():
        # PHP, on both ends of the reference, sorts a numeric name as a number: there is no order to rely on.
        raise _malformed("has an empty or numeric name")
    if b"[" not in name and b"]" not in name:
        return Parameter(name, None, _decoded(value))
    element = _ELEMENT.fullmatch(name)
    if element is None:
        raise _malformed("has an array in a form that is not documented")
    return Parameter(element[1], element[2], _decoded(value))


def _decoded(text: bytes) -> bytes:
    if _BAD_ESCAPE.search(text):
        raise _malformed("has a broken percent escape")
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text.replace(b"+", b" "))


def _malformed(problem: str) -> InvalidInput:
    return InvalidInput("query", "…", problem)
