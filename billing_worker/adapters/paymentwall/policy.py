"""The rules for a signed pingback: known names, known forms, and a text with a single reading."""

from collections.abc import Sequence
from dataclasses import replace

from billing_worker.adapters.paymentwall.names import Names
from billing_worker.adapters.paymentwall.pingback import Pingback, pingback_of, signed_parameters
from billing_worker.adapters.paymentwall.query import Parameter
from billing_worker.adapters.paymentwall.readings import V1_CURRENCY, V1_GOODS, readings
from billing_worker.domain.errors import InvalidInput, PingbackRefused

SETTING = "BILLING_PAYMENTWALL_PARAMETERS"
LONGEST_SHOWN = 40
"""The shown characters of an unknown name."""


def accept(raw_query: bytes, secrets: Sequence[str], version: int, names: Names) -> Pingback:
    """The pingback in this query, if one of the secrets signed it and its meaning is unambiguous.

    Its parameters are those that the signature covers: with version 1 six or four, with the others all. Raises
    SignatureInvalid; InvalidInput for a malformed query; PingbackRefused for a signed pingback that is refused.
    """
    signed = signed_parameters(raw_query, secrets, version)
    try:
        pingback = pingback_of(signed)
        _check_names(signed, names)
        _check_values(pingback.parameters, names)
        if version == 1:
            pingback = _as_version_1_signed(pingback)
        _check_readings(pingback.parameters, names, version)
    except InvalidInput as error:
        raise PingbackRefused(error.field, error.problem) from error
    return pingback


def _check_names(signed: Sequence[Parameter], names: Names) -> None:
    for parameter in signed:
        if parameter.key is not None:
            raise InvalidInput(_shown(parameter.pair), "…", "is an array: carts are not accepted")
    unknown = [_shown(p.name) for p in signed if p.name.decode() not in names.forms]
    if unknown:
        problem = f"is an unknown parameter; if your project sends it, name it in {SETTING}"
        raise InvalidInput(", ".join(unknown[:5]), "…", problem)


def _check_values(parameters: dict[str, str], names: Names) -> None:
    for name, value in parameters.items():
        if not names.fits(name, value):
            raise InvalidInput(name, value, "has a value that this parameter cannot have")
        hidden = next((known for known in names.forms if f"{known}=" in value), None)
        if hidden is not None:
            raise InvalidInput(
                name, value, f"contains {hidden!r} with an equals sign: another parameter may hide there"
            )


def _check_readings(parameters: dict[str, str], names: Names, version: int) -> None:
    """Check that the hashed text, without the secret, has only this reading."""
    ordered = parameters.items() if version == 1 else sorted(parameters.items())
    if readings("".join(f"{name}={value}" for name, value in ordered), names, version) != 1:
        raise InvalidInput("query", "…", "forms a text that can also be read as another pingback")


def _as_version_1_signed(pingback: Pingback) -> Pingback:
    """Only the signed parameters; a missing one counts as empty, as in the signature."""
    kept = V1_GOODS if "goodsid" in pingback.parameters else V1_CURRENCY
    return replace(pingback, parameters={name: pingback.parameters.get(name, "") for name in kept})


def _shown(name: bytes) -> str:
    text = name.decode(errors="replace")[:LONGEST_SHOWN]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
