"""Methods that the simulation never calls. They raise, since any answer could pass for behaviour."""

from typing import Any, NoReturn


class NotSimulated(AssertionError):
    """The called method has no model here."""


class Unserved:
    """A placeholder for one method that the simulation never calls."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{owner.__name__}.{name}"

    def __call__(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Raise NotSimulated."""
        raise NotSimulated(self._name)


class UnservedSubject:
    """A placeholder for all methods of a subject that the simulation never uses."""

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __getattr__(self, name: str) -> NoReturn:
        raise NotSimulated(f"{self._subject}.{name}")
