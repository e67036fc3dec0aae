"""The description of a view's field, besides its name and type."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")

CURRENCY_IN = "currency_in"
"""For an amount: the field that names its currency. Text shows both as one sum."""
SECRET = "secret"  # noqa: S105 - the name of a mark, not a secret
"""For a name that grants access: text shows it masked."""

SHORTEST_SHOWN = 10
"""Six visible letters would be most of a shorter name."""


def described(description: str = "", *, example: Any = None, **marks: Any) -> Mapping[str, Any]:
    """The meaning of a field, and an example value."""
    said = {"description": description} if description else {}
    return MappingProxyType(said | ({} if example is None else {"examples": [example]}) | marks)


def minor(description: str = "Minor units: won for KRW, cents for USD", *, of: str = "currency") -> Mapping[str, Any]:
    """An amount of the currency that the field `of` names."""
    return described(description, example=9900, **{CURRENCY_IN: of})


CURRENCY = described("ISO 4217", example="KRW")
EXTERNAL_ID = described("Your own id", example="order-1001")
METADATA = described("Your own pairs of text", example={"team": "sales"})
OWN_POLICY = described("Its own policy after a decline; null: that of its plan", example="paydays")
POLICY_NAME = described("The policy after a decline; a new invoice takes its newest version", example="days-1-3-5-7")
POLICY_VERSION = described("The version of the policy that it began with, and keeps", example="days-1-3-5-7@1")
WIN_BACK = described("When an uncollectible one is tried once more; null: not at all")
PLAN_ID = described(example="plan_0123456789abcdef")
KEY_ID = described(example="key_0123456789abcdef")
SUBSCRIPTION_ID = described(example="sub_0123456789abcdef")
INVOICE_ID = described(example="inv_0123456789abcdef")
ATTEMPT_ID = described(example="att_0123456789abcdef")


def view_of(kind: type[T], thing: object, **named: object) -> T:
    """The view of an entity: each field is the value in `named`, or else the entity's attribute of the same name."""
    rest = {each.name: getattr(thing, each.name) for each in fields(kind) if each.name not in named}  # type: ignore[arg-type] # a view is a dataclass
    return kind(**named, **rest)


def masked(secret: str) -> str:
    """A name, masked: recognisable, but not usable."""
    return f"{secret[:4]}…{secret[-2:]}" if len(secret) >= SHORTEST_SHOWN else "…"
