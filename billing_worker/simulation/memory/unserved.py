"""What the simulation never calls: it fails its caller, since any answer could pass for behaviour."""

from typing import Any, NoReturn


class NotSimulated(AssertionError):
    """The method that was called has no model here."""


class Unserved:
    """Stands for one method that the simulation never calls."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{owner.__name__}.{name}"

    def __call__(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Raise NotSimulated."""
        raise NotSimulated(self._name)


class UnservedSubject:
    """Stands for all methods of a subject that the simulation never reaches."""

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __getattr__(self, name: str) -> NoReturn:
        raise NotSimulated(f"{self._subject}.{name}")
