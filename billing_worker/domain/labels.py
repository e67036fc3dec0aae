"""What a merchant writes on a plan, a key or a subscription to find it again: an id of their own, and pairs of text."""

from collections.abc import Mapping

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import entered, require_printable

LONGEST_EXTERNAL_ID = 120
MOST_PAIRS = 20
LONGEST_PAIR_NAME = 40
LONGEST_PAIR_VALUE = 500


def entered_external_id(external_id: str | None) -> str | None:
    """The normal form of an id that comes in now; None is no id. Raises InvalidInput."""
    return None if external_id is None else entered("external_id", external_id, LONGEST_EXTERNAL_ID)


def entered_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The normal form of pairs that come in now. Raises InvalidInput, also for more than 20 of them."""
    found = {
        entered("metadata", name, LONGEST_PAIR_NAME): entered(f"metadata.{name}"[:80], value, LONGEST_PAIR_VALUE)
        for name, value in (metadata or {}).items()
    }
    require_metadata(found)
    return found


def require_external_id(external_id: str | None) -> None:
    """Raises InvalidInput for a stored id that no release ever accepted; None is no id."""
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
    given = entered_metadata({name: value for name, value in changes.items() if value is not None})
    gone = {entered("metadata", name, LONGEST_PAIR_NAME) for name, value in changes.items() if value is None}
    kept = {name: value for name, value in metadata.items() if name not in gone}
    return kept | given
