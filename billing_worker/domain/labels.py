"""The merchant's labels for a plan, a key or a subscription: an id of their own, and pairs of text."""

from collections.abc import Iterable, Mapping

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import entered, require_printable

LONGEST_EXTERNAL_ID = 120
MOST_PAIRS = 20
LONGEST_PAIR_NAME = 40
LONGEST_PAIR_VALUE = 500


def entered_external_id(external_id: str | None) -> str | None:
    """The normal form of an incoming id; None if there is none. Raises InvalidInput."""
    return None if external_id is None else entered("external_id", external_id, LONGEST_EXTERNAL_ID)


def entered_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The normal form of incoming pairs. Raises InvalidInput, also for more than 20 pairs."""
    given = metadata or {}
    names = _entered_names(given)
    found = {names[name]: entered(f"metadata.{name}"[:80], value, LONGEST_PAIR_VALUE) for name, value in given.items()}
    require_metadata(found)
    return found


def _entered_names(given: Iterable[str]) -> dict[str, str]:
    """The normal form of each name. Raises InvalidInput for two names with the same normal form."""
    names = {name: entered("metadata", name, LONGEST_PAIR_NAME) for name in given}
    if len(set(names.values())) < len(names):
        problem = "has two names that differ in spaces or in their Unicode form only; send one of them"
        raise InvalidInput("metadata", f"{len(names)} pairs", problem)
    return names


def require_external_id(external_id: str | None) -> None:
    """Raises InvalidInput for a stored id that no release ever accepted; None means no id."""
    if external_id is not None:
        require_printable("external_id", external_id, LONGEST_EXTERNAL_ID)


def require_metadata(metadata: Mapping[str, str]) -> None:
    """Raises InvalidInput for more than 20 pairs, or stored ones that no release ever accepted."""
    if len(metadata) > MOST_PAIRS:
        raise InvalidInput("metadata", f"{len(metadata)} pairs", f"holds at most {MOST_PAIRS} pairs")
    for name, value in metadata.items():
        require_printable("metadata", name, LONGEST_PAIR_NAME)
        require_printable(f"metadata.{name}", value, LONGEST_PAIR_VALUE)


def merged(metadata: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """The pairs after a change: a new value replaces the old one, None takes the pair out (RFC 7396).

    Raises InvalidInput.
    """
    names = _entered_names(changes)
    given = entered_metadata({name: value for name, value in changes.items() if value is not None})
    gone = {names[name] for name, value in changes.items() if value is None}
    kept = {name: value for name, value in metadata.items() if name not in gone}
    return kept | given
