"""Text that a person typed or a client sent, and that we keep and pass on."""

from billing_worker.domain.errors import InvalidInput


def require_printable(field: str, value: str, longest: int) -> None:
    """Raises InvalidInput for a text that is empty, too long, or holds control characters.

    PostgreSQL keeps no NUL and no half of a surrogate pair, and nobody wants a line break in a product's name.
    """
    if not 0 < len(value) <= longest:
        raise InvalidInput(field, value, f"must have 1 to {longest} characters")
    if not value.isprintable():
        raise InvalidInput(field, value, "must not hold control characters")
