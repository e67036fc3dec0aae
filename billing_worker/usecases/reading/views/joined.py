"""Views that show what another one shows, and more."""

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def joined(kind: type[T], base: Any, **more: object) -> T:
    """A view with all fields of `base`, and more."""
    return kind(**{each.name: getattr(base, each.name) for each in fields(base)}, **more)
